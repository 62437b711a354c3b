"""``deploy/install.sh`` on a booted host: its services as operators have them, from first to last.

The tests of this module are one story on one host, in order: nothing is there, installed, killed,
stopped, restored, upgraded in vain, upgraded, uninstalled.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.asking import Asking
from tests.booted import BootedHost, environment_like, why_not
from tests.camera_client import CameraClient
from tests.installation import (
    OPTIONS,
    PREFIX,
    Installation,
    copy_source,
    files_of,
    has_new_table,
    next_release,
    running_release,
    users,
)
from tests.postgres import PostgresServer
from tests.scenes import picture
from tests.scratch import scratch
from tests.stack import ROOT

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

PICTURE = picture("red circle middle", width=320, height=240)
QUESTION = "What do you see?"
UNITS = ("qwen-redis", "qwen-beat", "qwen-worker", "qwen-vllm")
DATABASE_PASSWORD = "a-database-password"
LARGE = ("--model", "qwen2.5-vl-32b", "--dry-run")


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """A booted host on which nothing is installed yet."""
    folder = scratch("qwencam-host-", megabytes=1000)
    database = PostgresServer()
    host = BootedHost(folder)
    try:
        for path, of in (("/srv/platform", ROOT / ".venv"), ("/srv/vllm", ROOT / ".venv-vllm")):
            host.see(environment_like(path, root=host.root, of=of))
        copy_source(host.root / "srv" / "source")
        host.see({"/srv/checkout": ROOT})
        database.start()
        host.boot()
        address = database.url.partition("@")[2]
        yield Installation(host, f"postgres://postgres:{DATABASE_PASSWORD}@{address}")
    finally:
        host.end()
        database.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def empty(installation: Installation) -> set[str]:
    """The paths there were before anything was installed."""
    return files_of(installation.host)


@pytest.fixture
async def camera(installation: Installation) -> AsyncIterator[CameraClient]:
    """A user whose camera sends a red circle to the first web server."""
    installation.wait_until_healthy()
    async with CameraClient(installation.url(), installation.token()) as client:
        await client.start_camera(PICTURE)
        await client.wait_for("stream", state="connected")
        yield client


def test_a_dry_run_changes_nothing(installation: Installation, empty: set[str]):
    """Of a checkout; all that follows is of a folder without Git, as an unpacked release is."""
    options = (*OPTIONS, "--web-ports", str(installation.ports[0]), "--dry-run")
    output = installation.host.run("/srv/checkout/deploy/install.sh", *options).stdout
    assert "write /etc/systemd/system/qwen-webrtc@.service" in output
    for step in ("manage.sh migrate", "manage.sh create_operator", "qwen-redis.service"):
        assert step in output, output
    assert files_of(installation.host) == empty


def test_what_cannot_be_installed(installation: Installation):
    for arguments, problem in (
        (("--prefix", "/home/qwencam"), "can't see /home/qwencam"),
        (("--prefix", "/srv/a b"), "letters, digits"),
        (("--prefix", "/usr/local"), "/usr/local is the system's"),
        (("--prefix", "/srv/source"), "has something else in it"),
        (("--from", "/srv/absent.tar.gz"), "--from names no file"),
        (("--from", "/etc/passwd"), "is no whole .tar.gz archive"),
        (("--vllm", "/srv/vllm"), "Say which model to serve"),
        (("--upgrade",), "is not installed"),
        (("--restore", "/etc/passwd"), "is not installed"),
        (("--public-url", "camera.example.org"), "must look like https://"),
        (("--upgrade", "--uninstall"), "are two different actions"),
        (("--model", "demo", "--web-ports", "8200"), "it is that of the worker"),
        (("--vllm", "none"), "--vllm none starts no model server"),
        # Whether it fits depends on the machine that this runs on.
        (
            (*LARGE, "--web-ports", str(installation.ports[0])),
            "» Does this host suit qwen2.5-vl-32b?",
        ),
    ):
        done = installation.host.run("/srv/source/deploy/install.sh", *arguments, check=False)
        assert problem in done.stdout, (arguments, done.stdout)
        assert done.returncode == 1 or "--dry-run" in arguments


def test_installing(installation: Installation):
    """After a first try with the wrong database, of which nothing is kept."""
    right = installation.database_url
    installation.database_url = f"postgres://postgres:{DATABASE_PASSWORD}@127.0.0.1:1/postgres"
    refused = installation.first(check=False)
    assert "DATABASE_URL can't be used: connection failed" in refused, refused
    assert DATABASE_PASSWORD not in refused
    installation.database_url = right
    installation.output = installation.first()
    assert "the same command again" not in installation.output
    assert installation.healthy()


async def test_a_question_is_answered(camera: CameraClient):
    answer = await camera.ask(QUESTION)
    assert "red" in answer["text"], answer


def test_the_units_are_valid_and_shut_in(installation: Installation):
    host = installation.host
    units = [f"{unit}.service" for unit in (*UNITS, *installation.web_units)]
    assert host.run("systemd-analyze", "verify", *units, "qwencam.target").stdout == ""
    for unit in units:
        # In tenths, as --threshold has it.
        most = 50 if unit.startswith("qwen-vllm") else 20
        files = f"/etc/systemd/system/{re.sub('@.*[.]', '@.', unit)}"
        host.run("systemd-analyze", "security", "--offline=true", f"--threshold={most}", files)
        pid = host.property(unit, "MainPID")
        status = dict(
            line.split(":\t", 1)
            for line in host.run("cat", f"/proc/{pid}/status").stdout.splitlines()
            if ":\t" in line
        )
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), unit
        assert int(status["CapBnd"], 16) == 0, unit
        assert host.property(unit, "Restart") == "always"
        limits = host.run("cat", f"/proc/{pid}/limits").stdout
        assert re.search(r"core file size +0 +0 ", limits), limits
        assert int(host.run("cat", f"/proc/{pid}/coredump_filter").stdout, 16) == 0
        user = host.run("id", "-nu", status["Uid"].split()[0]).stdout.strip()
        assert user == ("qwen-vllm" if unit.startswith("qwen-vllm") else "qwencam")
        assert host.run("systemctl", "is-enabled", unit).stdout.strip() == "enabled"
    assert host.run("systemctl", "is-enabled", "qwencam.target").stdout.strip() == "enabled"


def test_secrets_are_seen_by_nobody(installation: Installation):
    host = installation.host
    secrets = host.run("sh", "-c", "cat /etc/qwencam/secrets/*_*").stdout.split()
    assert any(DATABASE_PASSWORD in secret for secret in secrets) and len(secrets) == 5
    assert host.run(
        "sh", "-c", "stat -c %a:%U /etc/qwencam/secrets /etc/qwencam/secrets/* | sort -u"
    ).stdout.split() == ["600:root", "700:root"]
    shown = host.run(
        "sh",
        "-c",
        "cat /proc/[0-9]*/cmdline /etc/qwencam/qwencam.env; systemctl show 'qwen-*'; journalctl",
    ).stdout
    assert [secret for secret in secrets if secret in shown or secret in installation.output] == []
    refused = host.run(
        "setpriv", "--reuid=nobody", "--clear-groups", "qwencam-manage", "check", check=False
    )
    assert refused.returncode == 1 and "run this as root" in refused.stdout


def test_installing_again_changes_nothing(installation: Installation):
    units = (*UNITS, *installation.web_units)
    before = files_of(installation.host), [installation.main_pid(unit) for unit in units]
    again = installation.install()
    assert (files_of(installation.host), [installation.main_pid(unit) for unit in units]) == before
    assert "password" not in again


def test_each_unit_that_is_killed_comes_back(installation: Installation):
    host = installation.host
    for unit in installation.watched:
        installation.override(unit, "WatchdogSec=15")  # Instead of a minute, for the next test.
    units = (*UNITS, *installation.web_units)
    killed = {unit: installation.main_pid(unit) for unit in units}
    for pid in killed.values():
        host.run("kill", "-KILL", str(pid))
    for unit, pid in killed.items():
        installation.wait_for(
            lambda unit=unit, pid=pid: (
                installation.main_pid(unit) not in {0, pid}
                and host.property(unit, "ActiveState") == "active"
            ),
            what=f"{unit} does not come back.",
        )


def test_what_hangs_is_restarted(installation: Installation):
    """By the watchdog."""
    host = installation.host
    hung = {unit: installation.main_pid(unit) for unit in installation.watched}
    for pid in hung.values():
        host.run("kill", "-STOP", str(pid))
    for unit, pid in hung.items():
        installation.wait_for(
            lambda unit=unit, pid=pid: installation.main_pid(unit) not in {0, pid},
            what=f"{unit} hangs.",
        )
        assert "Watchdog timeout" in host.run("journalctl", "-u", unit, "-o", "cat").stdout
    installation.as_shipped(*installation.watched)


def test_a_backup_comes_back(installation: Installation):
    """While the model server still reads its weights: it is not needed for that."""
    backup = re.search(r"Backed up to (\S+)", installation.install("--backup"))
    assert backup
    installation.host.run("qwencam-manage", "create_demo_users")
    assert "demo" in users(installation)
    installation.host.run("mv", backup[1], "/srv/backup")
    installation.host.run("chown", "root:root", "/srv/backup")  # The services can't read it.
    output = installation.install("--restore", "/srv/backup")
    assert "Restored. The database as it was before: " in output
    assert users(installation) == ["operator"]
    pids = [installation.main_pid(unit) for unit in installation.web_units]
    refused = installation.install("--restore", "/etc/passwd", check=False)
    assert "/etc/passwd is no backup" in refused
    installation.host.run("truncate", "--size=-300", "/srv/backup")
    refused = installation.install("--restore", "/srv/backup", check=False)
    assert "pg_restore failed" in refused and "the database is as it was" in refused
    assert [installation.main_pid(unit) for unit in installation.web_units] == pids
    assert users(installation) == ["operator"]


async def test_questions_are_answered_again(installation: Installation):
    await asyncio.to_thread(installation.wait_until_healthy)
    async with CameraClient(installation.url(1), installation.token(1)) as camera:
        await camera.start_camera(PICTURE)
        assert "red" in (await camera.ask(QUESTION))["text"]


async def stopped(installation: Installation, *units: str) -> None:
    await asyncio.to_thread(installation.host.run, "systemctl", "stop", *units)


async def test_a_worker_that_is_stopped_finishes_its_answer(
    installation: Installation, camera: CameraClient
):
    question = await camera.send_question(QUESTION)
    await camera.wait_for("token", id=question)
    await stopped(installation, "qwen-worker")
    assert "red" in (await camera.end_of(question)).get("text", "")
    assert installation.host.property("qwen-worker", "Result") == "success"
    installation.host.run("systemctl", "start", "qwen-worker")


async def test_a_web_server_that_is_stopped_drains(
    installation: Installation, camera: CameraClient
):
    """Its worker hangs meanwhile for longer than systemd would wait, had it not been asked to."""
    host, unit = installation.host, installation.web_units[0]
    installation.override(unit, "TimeoutStopSec=1")
    worker = str(installation.main_pid("qwen-worker"))
    host.run("kill", "-STOP", worker)
    question = await camera.send_question(QUESTION)
    await camera.wait_for("queued", id=question)
    stopping = asyncio.create_task(stopped(installation, unit))
    await asyncio.sleep(2)
    host.run("kill", "-CONT", worker)
    await stopping
    installation.as_shipped(unit)
    assert "red" in (await camera.end_of(question)).get("text", "")
    assert await camera.wait_closed() == 1012
    assert host.property(unit, "Result") == "success"
    # Back with the privacy filters on: they too run shut in as they are. And who asks one question
    # after the other, further down, is not held back.
    more = "ENABLE_FACE_BLUR=true ENABLE_NSFW_FILTER=true MAX_QUESTIONS_PER_MINUTE=10000"
    host.run("sh", "-c", f"printf '%s\\n' {more} >> /etc/qwencam/qwencam.env")
    host.run("systemctl", "start", unit)
    await asyncio.to_thread(installation.wait_until_healthy)
    await camera.open_socket()
    await camera.start_camera(PICTURE)
    assert "red" in (await camera.ask(QUESTION)).get("text", "")
    # Off from its next start on: loading them takes long.
    host.run("sed", "-i", "/^ENABLE_/d", "/etc/qwencam/qwencam.env")


async def upgraded_while_asked(
    installation: Installation, camera: CameraClient, *arguments: str
) -> tuple[subprocess.CompletedProcess[str], Asking]:
    """Upgrade while somebody asks question after question."""
    asking = Asking(camera, question=QUESTION, picture=PICTURE)
    task = asyncio.create_task(asking.go_on())
    done = await asyncio.to_thread(installation.host.run, *arguments, check=False)
    asking.end()
    await task
    return done, asking


async def test_an_upgrade_that_does_not_become_healthy_goes_back(
    installation: Installation, camera: CameraClient
):
    before, vllm = running_release(installation), installation.main_pid("qwen-vllm")
    source = installation.host.root / "srv" / "broken"
    next_release(source, version="9.0.0", broken=True)
    done, asking = await upgraded_while_asked(
        installation, camera, "/srv/broken/deploy/install.sh", "--upgrade", "--health-seconds", "8"
    )
    assert done.returncode == 1, done.stdout
    assert "After 8 s still not well: redis." in done.stdout
    assert f"{before} runs again; nothing was lost." in done.stdout
    assert running_release(installation) == before
    assert installation.main_pid("qwen-vllm") == vllm
    assert not has_new_table(installation)
    assert set(asking.closed) == {1012}
    assert [end for end in asking.ends() if "red" not in str(end)] == []


async def test_an_upgrade_loses_no_question(
    installation: Installation, camera: CameraClient, tmp_path: Path
):
    before = running_release(installation)
    next_release(tmp_path / "qwencam-9.0.1", version="9.0.1", broken=False)
    archive = installation.host.root / "srv" / "qwencam-9.0.1.tar.gz"
    subprocess.run(["tar", "-C", tmp_path, "-czf", archive, "qwencam-9.0.1"], check=True)
    done, asking = await upgraded_while_asked(
        installation,
        camera,
        *("/srv/source/deploy/install.sh", "--upgrade", "--from", "/srv/qwencam-9.0.1.tar.gz"),
    )
    assert done.returncode == 0, done.stdout
    now = running_release(installation)
    assert now.startswith("9.0.1-") and f"Upgraded to {now}." in done.stdout
    assert httpx.get(f"{installation.url()}/health", timeout=10).json()["version"] == "9.0.1"
    assert has_new_table(installation)
    assert set(asking.closed) == {1012}
    assert [end for end in asking.ends() if "red" not in str(end)] == []
    kept = installation.host.run("ls", f"{PREFIX}/releases").stdout.split()
    assert sorted(kept) == sorted([before, now])
    again = installation.host.run(
        "/srv/source/deploy/install.sh", "--upgrade", "--from", "/srv/qwencam-9.0.1.tar.gz"
    )
    assert "nothing to upgrade" in again.stdout


def test_an_upgrade_that_was_cut_off_is_ended_first(installation: Installation):
    """As after a power failure: the note that it left is all there is."""
    host, before = installation.host, running_release(installation)
    (backup,) = host.run("sh", "-c", "ls -t /var/lib/qwencam/backups/* | head -n 1").stdout.split()
    older = host.run("ls", f"{PREFIX}/releases").stdout.split()
    older.remove(before)
    note = f"GO_BACK_TO={PREFIX}/releases/{older[0]}\\nBACKUP={backup}\\n"
    host.run("sh", "-c", f"printf '{note}' > /etc/qwencam/upgrade-under-way")
    # Cut off behind the switch: the new release is well, so what has been written since stays.
    assert f"Upgraded to {before}." in installation.install(check=False)
    assert running_release(installation) == before
    assert has_new_table(installation)
    # Cut off before it, while the database changed.
    host.run("sh", "-c", f"printf '{note}' > /etc/qwencam/upgrade-under-way")
    host.run("ln", "-sfn", f"{PREFIX}/releases/{older[0]}", f"{PREFIX}/current")
    assert "The database as it was before going back: " in installation.install()
    assert running_release(installation) == older[0]
    assert not has_new_table(installation)
    assert installation.healthy()


def test_uninstalling(installation: Installation, empty: set[str]):
    host = installation.host
    output = installation.install("--uninstall")
    assert "Kept: settings and secrets" in output
    left = files_of(host)
    assert "/etc/qwencam/secrets/DJANGO_SECRET_KEY" in left and PREFIX not in left
    assert host.run("systemctl", "list-unit-files", "qwen*", check=False).stdout.count("qwen") == 0
    installation.install("--uninstall", "--purge")
    of_the_test = {"/srv/backup", "/srv/qwencam-9.0.1.tar.gz"}
    left = {path for path in files_of(host) if not path.startswith("/srv/broken")}
    assert left - of_the_test == empty
    accounts = host.run("cat", "/etc/passwd", "/etc/group").stdout
    assert "qwen" not in accounts and "render" not in accounts
    assert "qwen" not in host.run("ps", "-eo", "args").stdout
