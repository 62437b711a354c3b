"""Hosts, HTTPS, secrets and static files."""

from pathlib import Path

import pytest
from django.contrib.staticfiles import storage as storages
from django.core import checks
from django.core.management import call_command

from apps.maintenance.doctor import web as doctor
from apps.maintenance.doctor.web import (
    WebAccess,
    check_access,
    check_django,
    check_secrets,
    check_static_files,
)
from qwencam_site.static_storage import HashedStaticFiles

LOCAL = ("localhost", "127.0.0.1")
PUBLIC = ("camera.example.org",)


@pytest.mark.parametrize(
    ("hosts", "https", "certificate", "proxy", "status"),
    [
        (LOCAL, False, False, False, "ok"),
        (PUBLIC, True, True, False, "ok"),
        (PUBLIC, True, False, True, "ok"),
        (PUBLIC, True, False, False, "failed"),
        (PUBLIC, False, False, False, "warning"),
        (PUBLIC, False, True, False, "warning"),
        (("*",), True, True, False, "warning"),
        (LOCAL, True, True, False, "warning"),
        ((), True, True, False, "failed"),
    ],
)
def test_access(hosts, https, certificate, proxy, status):
    access = WebAccess(hosts=hosts, https=https, own_certificate=certificate, behind_proxy=proxy)
    assert check_access(access).status == status


GOOD = {"DJANGO_SECRET_KEY": "abcdefghijklmnop" * 2, "JWT_SECRET_KEY": "qrstuvwxyz012345" * 2}


@pytest.mark.parametrize(
    ("changed", "turn", "status"),
    [
        ({}, "", "ok"),
        ({}, "a-random-turn-secret", "ok"),
        ({}, "short", "warning"),
        ({"JWT_SECRET_KEY": "x" * 40}, "", "failed"),
        ({"JWT_SECRET_KEY": GOOD["DJANGO_SECRET_KEY"]}, "", "failed"),
        ({}, GOOD["JWT_SECRET_KEY"], "failed"),
    ],
)
def test_secrets(changed, turn, status):
    keys = GOOD | changed
    finding = check_secrets(keys, turn_secret=turn)
    assert finding.status == status
    assert not any(secret in finding.found for secret in (*keys.values(), turn) if secret)


@pytest.fixture
def collected(settings, tmp_path, monkeypatch) -> Path:
    """A folder of collected files, of a source folder with one file."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "page.css").write_text("a {}")
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "qwencam_site.static_storage.HashedStaticFiles"}
    }
    storages.staticfiles_storage._wrapped = HashedStaticFiles()
    from django.contrib.staticfiles import finders

    finders.get_finder.cache_clear()
    yield tmp_path
    finders.get_finder.cache_clear()
    from django.utils.functional import empty

    storages.staticfiles_storage._wrapped = empty


def test_static_files(collected):
    assert check_static_files().status == "failed"
    call_command("collectstatic", interactive=False, verbosity=0)
    assert check_static_files().status == "ok"
    (collected / "source" / "page.css").write_text("b {}")
    finding = check_static_files()
    assert finding.status == "failed"
    assert "Older than the code: page.css" in finding.found
    (collected / "source" / "new.css").write_text("c {}")
    assert "Not collected: new.css" in check_static_files().found


def test_static_files_that_have_no_hashes():
    assert check_static_files().status == "skipped"


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([], "ok"),
        ([checks.Info("x", id="a")], "ok"),
        ([checks.Warning("x", id="a")], "warning"),
        ([checks.Warning("x", id="a"), checks.Error("y", id="b")], "failed"),
    ],
)
def test_djangos_own_checks(monkeypatch, messages, status):
    monkeypatch.setattr(doctor.checks, "run_checks", lambda **_: messages)
    assert check_django().status == status
