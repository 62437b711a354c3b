"""Settings: a missing or malformed one stops the start with one sentence that names it."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from qwencam_site import environment

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"DJANGO_SECRET_KEY": "a" * 50, "JWT_SECRET_KEY": "b" * 50}
WHOLE_DOMAIN = {
    "HTTPS_ENABLED": "true",
    "HSTS_INCLUDE_SUBDOMAINS": "true",
    "HSTS_PRELOAD": "true",
}


def start(*options: str, **settings: str) -> str:
    """Check with only these settings; return the last line it printed, empty if it started."""
    result = subprocess.run(
        [sys.executable, "manage.py", "check", *options],
        cwd=ROOT,
        # No quickstart of this checkout lends its settings.
        env={"PATH": os.environ["PATH"], "DATA_DIR": "/nonexistent", **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stderr.strip().splitlines()[-1] if result.returncode else ""


def test_the_two_keys_are_enough():
    assert start(**KEYS) == ""


def test_a_whole_domain_may_be_committed_to_https():
    assert start(**KEYS, **WHOLE_DOMAIN) == ""


def test_no_hsts_is_a_choice_and_nothing_to_warn_of():
    strictly = "--deploy", "--fail-level", "WARNING"
    keys = {**KEYS, "DJANGO_SECRET_KEY": "longer-and-more-varied-" * 3}  # Or W009 is said.
    assert start(*strictly, **keys, HTTPS_ENABLED="true", HSTS_SECONDS="0") == ""


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"JWT_SECRET_KEY": "b" * 50}, "DJANGO_SECRET_KEY is not set"),
        ({"JWT_SECRET_KEY": "b" * 50}, "no quickstart has written it"),
        ({**KEYS, "JWT_SECRET_KEY": "short"}, "JWT_SECRET_KEY is too short"),
        ({**KEYS, "JWT_SECRET_KEY": "a" * 50}, "must differ"),
        ({**KEYS, "REDIS_URL": "localhost"}, "REDIS_URL"),
        ({**KEYS, "HTTPS_ENABLED": "true", "HSTS_PRELOAD": "true"}, "HSTS_PRELOAD needs"),
        ({**KEYS, **WHOLE_DOMAIN, "HSTS_SECONDS": "86400"}, "HSTS_PRELOAD needs"),
    ],
)
def test_a_bad_setting_stops_the_start_with_a_sentence(settings: dict[str, str], name: str):
    last_line = start(**settings)
    assert name in last_line
    assert last_line.endswith(".")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda: environment.flag("X", default=True), "yes"),
        (lambda: environment.integer("X", 1, low=0, high=5), "6"),
        (lambda: environment.integer("X", 1, low=0, high=5), "two"),
        (lambda: environment.number("X", 1.0, low=0, high=5), "nan"),
        (lambda: environment.choice("X", "a", of=("a", "b")), "c"),
        (lambda: environment.urls("X", "", schemes=("http",)), "ftp://a"),
        (lambda: environment.urls("X", "", schemes=("http",)), ","),
        (lambda: environment.url("X", "", schemes=("redis",)), "redis:"),
        (lambda: environment.networks("X", ""), "127.0.0.1,localhost"),
        (lambda: environment.networks("X", ""), "10.0.0.0/40"),
        (lambda: environment.ice_servers("X"), "{}"),
        (lambda: environment.ice_servers("X"), '[{"url": "stun:a"}]'),
        (lambda: environment.port_range("X"), "80-90"),
        (lambda: environment.port_range("X"), "50000"),
        (lambda: environment.port_range("X"), "a-b"),
        (lambda: environment.port_range("X"), "-"),
        (lambda: environment.port_range("X"), "40000-"),
        (lambda: environment.port_range("X"), "40100-40000"),
        (lambda: environment.port_range("X"), "1023-2000"),
        (lambda: environment.port_range("X"), "60000-65536"),
        (lambda: environment.port_range("X"), "60000-70000"),
    ],
)
def test_what_can_not_be_read_names_the_setting(read, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured, match=r"^X .*\.$"):
        read()


def test_what_is_right_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("X", "40000-40100")
    assert environment.port_range("X") == (40000, 40100)
    for first, last in ((1024, 65535), (50000, 50000)):
        monkeypatch.setenv("X", f"{first}-{last}")
        assert environment.port_range("X") == (first, last)
    monkeypatch.setenv("X", "http://a/v1, https://b/v1")
    assert environment.urls("X", "", schemes=("http", "https")) == ["http://a/v1", "https://b/v1"]
    monkeypatch.setenv("X", "")
    assert environment.flag("X", default=True) is True
    assert environment.port_range("X") is None


def test_a_secret_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "key"
    file.write_text("s" * 40 + "\n")
    monkeypatch.setenv("X_FILE", str(file))
    assert environment.signing_key("X", purpose="testing") == "s" * 40
    monkeypatch.setenv("X_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match="X_FILE"):
        environment.secret("X")


def test_urls_with_passwords_may_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "url"
    monkeypatch.setenv("X_FILE", str(file))
    file.write_text("redis://:secret@redis.example/0\n")
    given = environment.secret_url("X", "", schemes=("redis",))
    assert given == "redis://:secret@redis.example/0"
    file.write_text("postgres://user:secret@db.example/name\n")
    assert environment.database("X", "")["HOST"] == "db.example"
    file.write_text("\n")
    assert environment.database("X", "sqlite:////a/file")["NAME"] == "/a/file"
    file.unlink()
    for read in (environment.database, partial(environment.secret_url, schemes=("redis",))):
        with pytest.raises(ImproperlyConfigured, match="X_FILE can't be read"):
            read("X", "")


@pytest.mark.parametrize("url", ["nonsense", "mysql://u:secret@h/n", "://", "x" * 9])
def test_a_database_is_postgresql_or_sqlite(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("X", url)
    with pytest.raises(ImproperlyConfigured, match="X must look like") as refusal:
        environment.database("X", "")
    assert "secret" not in str(refusal.value)


def test_databases_there_are(monkeypatch: pytest.MonkeyPatch):
    assert environment.database("X", "sqlite:////data/x.sqlite3")["NAME"] == "/data/x.sqlite3"
    monkeypatch.setenv("X", "postgres://u:p@h:5432/n")
    assert environment.database("X", "")["ENGINE"] == "django.db.backends.postgresql"


def test_a_log_file_can_be_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert environment.log_file("X") == ""
    monkeypatch.setenv("X", str(tmp_path / "x.log"))
    assert environment.log_file("X") == str(tmp_path / "x.log")
    monkeypatch.setenv("X", str(tmp_path))
    with pytest.raises(ImproperlyConfigured, match="X can't be written"):
        environment.log_file("X")


def test_the_web_server_says_what_is_wrong_and_no_more():
    done = subprocess.run(
        [sys.executable, "-c", "import qwencam_site.asgi"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "JWT_SECRET_KEY": "b" * 50},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "A setting is wrong. DJANGO_SECRET_KEY is not set: " in done.stderr
