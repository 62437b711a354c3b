"""The platform behind a proxy: PostgreSQL, nginx with TLS, a browser behind a TURN server.

All real, in one platform. nginx and coturn run the very files that are shipped, `deploy/nginx.conf`
and `deploy/coturn/turnserver.conf`, with this test's ports, names and certificate in them.
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from deploy.stand_in_model import Script, StandInModel
from tests.coturn import SECRET, running_coturn
from tests.e2e.browser import QUIET, ask, chromium_path
from tests.ports import free_port
from tests.postgres import PostgresServer
from tests.site_certificate import SITE, self_signed
from tests.stack import PASSWORD, ROOT, Stack

FORCE_RELAY = """
const Real = window.RTCPeerConnection;
window.peers = [];
window.RTCPeerConnection = class extends Real {
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: "relay" });
    window.peers.push(this);
  }
};
"""
SELECTED = """async () => {
  const stats = await window.peers.at(-1).getStats();
  const pairs = [...stats.values()].filter(({ type }) => type === "candidate-pair");
  const used = pairs.filter(({ nominated }) => nominated);
  return used.map(({ localCandidateId }) => stats.get(localCandidateId).candidateType);
}"""


@dataclass(frozen=True)
class Site:
    """The whole installation; `port` is where nginx speaks TLS, `plain` where HTTP."""

    stack: Stack
    folder: Path
    port: int
    plain: int

    def visitor(self, *, plain: bool = False, **headers: str) -> httpx.Client:
        """Return a client that came by the site's name."""
        scheme, port = ("http", self.plain) if plain else ("https", self.port)
        return httpx.Client(
            base_url=f"{scheme}://127.0.0.1:{port}",
            headers={"Host": SITE, "Accept": "application/json", **headers},
            verify=False,  # The certificate is self-signed, for this test.
        )


def configuration(folder: Path, *, web: int, port: int, plain: int) -> str:
    """Return the shipped nginx configuration for these places."""
    example = (ROOT / "deploy" / "nginx.conf").read_text()
    changes = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen [::]:80;": f"listen [::1]:{plain};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": f"listen [::1]:{port} ssl http2;",
        f"/etc/ssl/{SITE}.pem": f"{folder}/site.pem",
        f"/etc/ssl/private/{SITE}.key": f"{folder}/site.key",
        "/var/log/nginx/qwencam.log": f"{folder}/access.log",
        "/var/log/nginx/error.log": f"{folder}/error.log",
        # The second one is away: what it is asked goes to the first.
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{web}; server 127.0.0.1:{free_port()};",
    }
    for old, new in changes.items():
        assert old in example, f"deploy/nginx.conf no longer says {old!r}"
        example = example.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    return f"{user} pid {folder}/pid; events {{}} http {{ access_log off; {places}\n{example} }}"


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


@contextmanager
def running_nginx(folder: Path, *, web: int, port: int, plain: int) -> Iterator[None]:
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert binary, "nginx is missing: ./scripts/test.sh installs it."
    self_signed(folder)
    (folder / "nginx.conf").write_text(configuration(folder, web=web, port=port, plain=plain))
    command = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        deadline = time.monotonic() + 30
        while not (is_open(port) and is_open(plain)):
            assert process.poll() is None, "nginx has ended."
            assert time.monotonic() < deadline, "nginx does not listen."
            time.sleep(0.1)
        yield
        assert process.poll() is None, "nginx has ended."
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def site(stand_in: StandInModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    postgres = PostgresServer()
    with running_coturn(tmp_path_factory.mktemp("coturn")) as relay:
        postgres.start()
        stack = Stack(
            folder / "data",
            VLLM_BASE_URL=stand_in.base_url,
            DATABASE_URL=postgres.url,
            ALLOWED_HOSTS=f"{SITE},127.0.0.1",
            CSRF_TRUSTED_ORIGINS=f"https://{SITE}",
            HTTPS_ENABLED="true",
            BEHIND_PROXY="true",
            ICE_SERVERS=json.dumps([{"urls": [f"turn:{relay.place}?transport=udp"]}]),
            TURN_SECRET=SECRET,
        )
        try:
            stack.start(patience=300)
            port, plain = free_port(), free_port()
            with running_nginx(folder, web=stack.port, port=port, plain=plain):
                yield Site(stack, folder, port, plain)
        finally:
            left = stack.stop()
            postgres.stop()
    assert left == []


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    """A browser for which the site's name leads to nginx, and whose media can only be relayed."""
    arguments = [
        *QUIET,
        "--use-fake-device-for-media-stream",
        f"--host-resolver-rules=MAP {SITE}:443 127.0.0.1:{site.port}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        context = browser.new_context(permissions=["camera"], ignore_https_errors=True)
        context.add_init_script(FORCE_RELAY)
        yield context.new_page()
        browser.close()


def log_in(page: Page, username: str, password: str, path: str) -> None:
    page.goto(f"https://{SITE}/login?next={path}")
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")


def told(stack: Stack, *command: str) -> Any:
    """Return what a command says as JSON."""
    done = stack.manage(*command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_camera_behind_a_relay_is_answered_and_its_session_is_in_postgresql(
    site: Site, page: Page, script: Script
):
    script.tokens = ["A ", "star."]
    log_in(page, "demo", PASSWORD, "/")
    page.get_by_test_id("start-camera").click()
    expect(page.get_by_test_id("stop-camera")).to_be_visible(timeout=20_000)
    assert ask(page, "What do you see?") == "A star."
    assert page.evaluate(SELECTED) == ["relay"]
    vendor = site.stack.manage(
        "shell", "-c", "from django.db import connection as c; print(c.vendor)"
    )
    assert "postgresql" in vendor.stdout
    (session,) = told(site.stack, "list_sessions")
    assert (session["user"], session["questions"]) == ("demo", 1)
    assert session["address"] == "127.0.0.1"
    told(site.stack, "end_sessions", "--all")
    expect(page.get_by_test_id("status")).to_contain_text("Session ended")


def test_the_console_is_live_through_the_proxy(site: Site, page: Page):
    log_in(page, "operator", site.stack.password("operator"), "/console/")
    expect(page.get_by_test_id("connection")).to_have_text("Live", timeout=20_000)
    page.get_by_test_id("setting-max_sessions").fill("77")
    page.get_by_test_id("save-max_sessions").click()
    expect(page.get_by_test_id("toast")).to_contain_text("saved")
    page.goto(f"https://{SITE}/console/audit?kind=setting_changed")
    expect(page.get_by_test_id("audit-row").first).to_contain_text("77")


def test_what_the_proxy_must_and_must_not_let_through(site: Site):
    with site.visitor() as visitor:
        assert visitor.get("/").json()["service"] == "qwencam"
        assert visitor.get("/metrics").status_code == 404
        assert visitor.post("/api/webrtc/offer", content=b"x" * 200_000).status_code == 413
    with site.visitor(plain=True) as visitor:
        moved = visitor.get("/account")
        assert (moved.status_code, moved.headers["Location"]) == (301, f"https://{SITE}/account")
    with site.visitor(Accept="text/html") as visitor:
        login = visitor.get("/login")
        assert "Secure" in login.headers["Set-Cookie"]
        assert login.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/upload", "/upload/a", "/api/upload", "/api/uploads/b"])
def test_nothing_can_be_uploaded_nor_reaches_the_platform(site: Site, path: str):
    with site.visitor() as visitor:
        for method in ("GET", "POST", "PUT"):
            refused = visitor.request(method, path)
            assert (refused.status_code, refused.json()["error"]) == (403, "uploads_forbidden")
            assert refused.headers["Server"].startswith("nginx")
            assert "X-Frame-Options" not in refused.headers  # The platform has not seen it.
        for body in (
            {"files": {"a": b"x"}},
            {"content": b"x", "headers": {"Content-Type": "application/zip"}},
        ):
            refused = visitor.post("/account", **body)
            assert (refused.status_code, refused.json()["error"]) == (403, "uploads_forbidden")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_pages_come_by_http_2_and_old_tls_is_refused(site: Site):
    new, old = ssl.create_default_context(), ssl.create_default_context()
    for context in (new, old):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", site.port)) as raw,
        new.wrap_socket(raw, server_hostname=SITE) as secure,
    ):
        assert (secure.selected_alpn_protocol(), secure.version()) == ("h2", "TLSv1.3")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", site.port)) as raw, pytest.raises(ssl.SSLError):
        old.wrap_socket(raw, server_hostname=SITE)


def test_the_log_keeps_no_secret_link(site: Site):
    with site.visitor() as visitor:
        visitor.get("/invitation/a-secret-token")
        visitor.get("/password-reset/xyz/another-secret")
        visitor.get("/%69nvitation/a-secret-in-disguise")
        visitor.get("/api/schema?a-query")
    with site.visitor(plain=True) as visitor:
        visitor.get("/invitation/a-plain-secret")
    lines = "".join(log.read_text() for log in site.folder.glob("*.log"))
    assert "secret" not in lines
    assert "a-query" not in lines
    assert "GET /invitation/..." in lines
    assert "GET /api/schema 200" in lines


def test_nobody_is_believed_to_come_from_somewhere_else(site: Site):
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"}
    with site.visitor(**forged) as visitor:
        credentials = {"username": "demo", "password": PASSWORD}
        token = visitor.post("/api/token", json=credentials).json()
    sessions = told(site.stack, "list_sessions")
    (mine,) = [session for session in sessions if session["id"] == token["session_id"]]
    assert mine["address"] == "127.0.0.1"
    assert token["ws_url"].startswith(f"wss://{SITE}/")


def test_the_doctor_finds_the_database_and_the_relay_well(site: Site):
    report = json.loads(site.stack.manage("qwencam_doctor", "--json").stdout)
    found = {check["name"]: check["status"] for check in report["checks"]}
    assert {found[name] for name in ("database", "migrations", "scheduler")} == {"ok"}
    assert [status for name, status in found.items() if name.startswith("turn:")] == ["ok"]


# The last one: what it uses up is missing to the others.
def test_guesses_are_slowed_down_and_the_page_is_not(site: Site):
    with site.visitor() as visitor:
        statuses = [visitor.get("/login", headers={"Accept": "text/html"}) for _ in range(80)]
        refused = [each for each in statuses if each.status_code == 429]
        assert refused
        assert refused[0].json()["error"] == "rate_limited"
        assert refused[0].headers["Retry-After"] == "10"
        assert visitor.get("/").status_code == 200
