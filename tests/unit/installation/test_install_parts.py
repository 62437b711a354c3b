"""install.sh's own lines with systemd, users and manage.py replaced: what happens to whose files.

`tests/e2e/test_installation.py` runs it whole; here are the ends that a whole host rarely meets.
"""

import subprocess
from pathlib import Path

import pytest

from tests.unit.installation.parts import bash


def current(host: Path) -> str:
    return (host / "current").readlink().name


def cut_off(host: Path, *, release: str) -> None:
    """As an upgrade leaves it that is cut off while the database changes, or afterwards."""
    backup = host / "data/backups/before"
    (host / "etc/note").write_text(f"GO_BACK_TO={host}/releases/old\nBACKUP={backup}\n")
    (host / "current").unlink()
    (host / "current").symlink_to(host / "releases" / release)


def backups(host: Path) -> list[str]:
    files = (host / "data/backups").iterdir()
    return sorted(file.read_text() for file in files)


def test_a_new_release_that_has_run_since_the_cut_stays(host: Path):
    cut_off(host, release="new")
    done = bash(host, "end_cut_off_upgrade")
    assert done.returncode == 0 and "Upgraded to new." in done.stdout, done.stdout
    assert (host / "database").read_text() == "PGDMP now"
    assert current(host) == "new"
    assert not (host / "etc/note").exists()
    assert not (host / "etc/before").exists()


def test_a_database_that_was_restored_is_not_given_to_the_new_release(host: Path):
    (host / "etc/note").write_text(f"GO_BACK_TO={host}/releases/old\nBACKUP=\n")
    done = bash(host, "end_cut_off_upgrade")
    assert done.returncode == 0 and "old runs again" in done.stdout, done.stdout
    assert current(host) == "old"
    assert "manage restore_database" not in done.stdout


@pytest.mark.parametrize("release", ["old", "new"])
def test_going_back_keeps_what_was_written_since_and_restores_once(host: Path, release: str):
    cut_off(host, release=release)
    (host / "unwell").touch()
    done = bash(host, "end_cut_off_upgrade")
    assert done.returncode == 1 and "going back failed" in done.stdout
    assert done.stdout.count("manage restore_database") == 1, done.stdout
    assert backups(host) == ["PGDMP before", "PGDMP now"]
    assert (host / "etc/qwencam.env").read_text() == "ALLOWED_HOSTS=of.the.old\n"
    (host / "database").write_text("PGDMP a month later")
    (host / "unwell").unlink()
    done = bash(host, "end_cut_off_upgrade")
    assert "old runs again" in done.stdout, done.stdout
    assert (host / "database").read_text() == "PGDMP a month later"
    assert not (host / "etc/note").exists()


def test_without_a_copy_of_what_is_there_nothing_is_restored(host: Path):
    cut_off(host, release="old")
    (host / "fails-backup_database").touch()
    done = bash(host, "end_cut_off_upgrade")
    assert done.returncode == 1
    assert (host / "database").read_text() == "PGDMP now"
    assert "systemctl start qwencam.target" in done.stdout


def test_a_note_that_says_nothing_stops_nothing(host: Path):
    (host / "etc/note").touch()
    done = bash(host, "end_cut_off_upgrade")
    assert done.returncode == 1 and "names no release to go back to" in done.stdout
    assert "systemctl" not in done.stdout


def test_settings_that_do_not_suit_the_new_release_are_not_kept(host: Path):
    (host / "fails-check").touch()
    (host / "etc/before").unlink()
    lines = (
        "make_users() { :; }; prepare_release() { :; }; name_release() { RELEASE=$T/releases/3; }\n"
        "PUBLIC_URL_OPTION=http://another.example.org; upgrade"
    )
    done = bash(host, lines)
    assert done.returncode == 1 and "Nothing has changed" in done.stdout, done.stdout
    assert (host / "etc/qwencam.env").read_text() == "ALLOWED_HOSTS=of.the.new\n"
    assert sorted(path.name for path in (host / "etc").iterdir()) == ["qwencam.env"]


def test_an_upgrade_remembers_its_options_and_leaves_no_note(host: Path):
    (host / "etc/before").unlink()
    (host / "releases/3").mkdir()
    lines = (
        "make_users() { :; }; prepare_release() { :; }; vllm_parts() { :; }\n"
        "name_release() { RELEASE=$T/releases/3; }; VLLM=/srv/vllm; upgrade"
    )
    done = bash(host, lines)
    assert done.returncode == 0 and "Upgraded to 3." in done.stdout, done.stdout
    assert current(host) == "3"
    assert sorted(path.name for path in (host / "etc").iterdir()) == ["installation", "qwencam.env"]
    assert "INSTALLED_VLLM=/srv/vllm\n" in (host / "etc/installation").read_text()
    (kept,) = (path for path in (host / "data/backups").iterdir() if path.name != "before")
    assert kept.read_text() == "PGDMP now"


# What systemd would have in its folders; only that is looked at.
SYSTEMD = """
    source deploy/install/services.sh
    UNITS=$T/units
    install_units() { :; }
    health() { [[ ! -e $T/unwell ]]; }
    systemctl() {
        local unit
        echo "systemctl $*"
        for unit; do
            case $1,$unit in
                enable,*.service) touch "$UNITS/qwencam.target.wants/$unit" ;;
                disable,*.service) rm "$UNITS/qwencam.target.wants/$unit" ;;
            esac
        done
    }
    make_users() { :; }; prepare_release() { :; }; vllm_parts() { :; }
    name_release() { RELEASE=$T/releases/3; }
"""


@pytest.fixture
def running(host: Path) -> Path:
    """The host with a web server on port 8000, a model server, and a release to upgrade to."""
    (host / "etc/before").unlink()
    (host / "releases/3").mkdir()
    (host / "etc/qwencam.env").write_text(
        "VLLM_BASE_URL=http://127.0.0.1:8100/v1\nVLLM_PORT=8100\n"
    )
    (host / "etc/installation").write_text(f"INSTALLED_PREFIX={host}\nINSTALLED_VLLM=cpu\n")
    (host / "units/qwencam.target.wants").mkdir()
    for unit in ("qwen-webrtc@8000", "qwen-vllm", "qwen-worker", "qwen-beat"):
        (host / f"units/qwencam.target.wants/{unit}.service").touch()
    return host


def enabled(host: Path) -> set[str]:
    return {path.stem for path in (host / "units/qwencam.target.wants").iterdir()}


CHANGES = (
    'read_installation; WEB_PORTS="8001 8002" VLLM=none VLLM_BASE_URL=http://gpu-host:8100/v1\n'
    "upgrade"
)


def test_what_an_upgrade_changes_is_undone_with_it(running: Path):
    before = enabled(running), (running / "etc/qwencam.env").read_text()
    (running / "unwell").touch()
    # Going back finds its own release well.
    well = 'health() { [[ $CURRENT -ef $T/releases/new ]] && touch "$T/asked $(web_ports)"; }\n'
    done = bash(running, f"{SYSTEMD}{well}{CHANGES}")
    assert done.returncode == 1 and "new runs again; nothing was lost." in done.stdout, done.stdout
    assert (enabled(running), (running / "etc/qwencam.env").read_text()) == before
    assert (running / "asked 8000").exists() and not (running / "asked 8001 8002").exists()
    for unit in ("qwen-webrtc@8001", "qwen-webrtc@8002"):
        assert f"systemctl disable -q --now {unit}.service" in done.stdout
    assert "systemctl start qwen-vllm.service" in done.stdout
    assert "INSTALLED_VLLM=cpu" in (running / "etc/installation").read_text()


def test_the_model_server_is_restarted_for_another_model(running: Path):
    model = running / "model"
    model.mkdir()
    options = (
        "check_model_fits() { :; }; read_installation; VLLM=cpu; upgrade\n"
        'grep MODEL_PATH "$SETTINGS/qwencam.env"'
    )
    assert "restart qwen-vllm.service" not in bash(running, SYSTEMD + options).stdout
    (running / "current").unlink()
    (running / "current").symlink_to(running / "releases/new")
    (running / "releases/3").mkdir(exist_ok=True)
    done = bash(running, f"{SYSTEMD} MODEL=$T/model; {options}")
    assert "systemctl restart qwen-vllm.service" in done.stdout, done.stdout
    assert f"MODEL_PATH={model}" in done.stdout


@pytest.mark.parametrize("well", [True, False])
def test_an_upgrade_that_was_cut_off_remembers_what_it_changes(running: Path, well: bool):
    before = enabled(running), (running / "etc/qwencam.env").read_text()
    cut = "start_services() { kill -KILL $$; }\n"
    assert bash(running, f"{SYSTEMD}{cut}{CHANGES}").returncode == -9
    assert enabled(running) != before[0]
    health = "" if well else "health() { [[ $CURRENT -ef $T/releases/new ]]; }\n"
    then = 'read_installation; end_cut_off_upgrade; echo "VLLM=$VLLM"'
    done = bash(running, f"{SYSTEMD}{health}{then}")
    assert done.returncode == 0, done.stdout
    if well:
        assert {"qwen-webrtc@8001", "qwen-webrtc@8002"} < enabled(running)
        assert not {"qwen-vllm", "qwen-webrtc@8000"} & enabled(running)
        assert "Upgraded to 3." in done.stdout and "VLLM=none" in done.stdout
    else:
        assert (enabled(running), (running / "etc/qwencam.env").read_text()) == before
        assert "new runs again" in done.stdout and "VLLM=cpu" in done.stdout


def restored(host: Path, file: Path) -> subprocess.CompletedProcess[str]:
    (host / "etc/before").unlink(missing_ok=True)
    return bash(host, f"option --restore {file}; restore")


def test_restoring_what_only_root_can_read(host: Path):
    chosen, copy = host / "chosen", host / "data/backups/.restoring"
    chosen.write_text("PGDMP chosen")
    (host / "unreadable").touch()
    victim = host / "victim"
    victim.mkdir()
    copy.symlink_to(victim)
    done = restored(host, chosen)
    assert done.returncode == 0, done.stdout
    assert (host / "database").read_text() == "PGDMP chosen"
    assert list(victim.iterdir()) == [] and not copy.exists()
    assert "--reuid qwencam --regid qwencam --init-groups -- sh -c" in (host / "said").read_text()


def test_nothing_is_stopped_for_a_backup_that_is_damaged(host: Path):
    chosen = host / "chosen"
    chosen.write_text("PGDMP chosen")
    for name in ("unreadable", "damaged"):
        (host / name).touch()
    done = restored(host, chosen)
    assert done.returncode == 1 and "nothing was stopped" in done.stdout
    assert "systemctl" not in done.stdout and not (host / "data/backups/.restoring").exists()
    assert (host / "database").read_text() == "PGDMP now"


def test_a_restoration_that_fails_is_undone(host: Path):
    chosen = host / "chosen"
    chosen.write_text("PGDMP chosen")
    (host / "fails-migrate").touch()
    done = restored(host, chosen)
    assert done.returncode == 1 and "the database is as it was" in done.stdout
    assert (host / "database").read_text() == "PGDMP now"
    assert "systemctl start qwencam.target" in done.stdout


def test_restoring_follows_no_link_to_what_only_root_can_read(host: Path):
    chosen, secret = host / "data/backups/chosen", host / "secret"
    secret.write_text("PGDMP secret")
    chosen.symlink_to(secret)
    (host / "unreadable").touch()
    done = restored(host, chosen)
    assert done.returncode == 1 and "is reached by a link" in done.stdout
    assert "systemctl" not in done.stdout
    assert (host / "database").read_text() == "PGDMP now"


def test_a_backup_that_fails_before_restoring_stops_nothing_for_good(host: Path):
    chosen = host / "chosen"
    chosen.write_text("PGDMP chosen")
    (host / "fails-backup_database").touch()
    done = restored(host, chosen)
    assert done.returncode == 1 and "nothing was restored" in done.stdout
    assert done.stdout.index("systemctl stop") < done.stdout.index("systemctl start qwencam.target")
    assert (host / "database").read_text() == "PGDMP now"


@pytest.mark.parametrize(
    "prefix", ["/", "/usr", "/usr/local", "/usr/lib/x", "/opt", "/srv", "/var"]
)
def test_a_prefix_that_is_the_systems_is_refused(host: Path, prefix: str):
    done = bash(host, f"PREFIX={prefix} CURRENT={prefix}/current; check_prefix")
    assert done.returncode == 1 and "is the system's" in done.stdout


def test_a_prefix_must_be_ours_alone(host: Path):
    check = "PREFIX=$T/place CURRENT=$T/place/current; check_prefix"
    assert bash(host, check).returncode == 0
    (host / "place").mkdir()
    assert bash(host, check).returncode == 0
    (host / "place/bin").mkdir()
    refused = bash(host, check)
    assert refused.returncode == 1 and "has something else in it" in refused.stdout
    assert bash(host, f"INSTALLED_PREFIX=$T/place; {check}").returncode == 0
    (host / "place/current").symlink_to(host / "place/releases/1")
    assert bash(host, check).returncode == 0


def test_uninstalling_leaves_what_is_another_ones(host: Path):
    ours = ["bin/redis-server", "etc/note", "units/qwen-webrtc@.service", "units/qwencam.target"]
    others = ["bin/another", "units/qwen-backup.service", "etc/qwencam.env"]
    (host / "bin").mkdir()
    for name in (*ours, *others):
        (host / name).touch()
    # Nothing of this machine is removed.
    lines = """
        rm() {
            local path below=()
            for path; do [[ $path == /* && $path != "$T"/* ]] || below+=("$path"); done
            command rm "${below[@]}"
        }
        uninstall
    """
    done = bash(host, lines)
    assert done.returncode == 0, done.stdout
    assert [name for name in ours if (host / name).exists()] == []
    assert [name for name in others if not (host / name).exists()] == []
    assert "qwen-*" not in done.stdout


@pytest.mark.parametrize(
    ("model", "accepted"),
    [("qwen2.5-vl-32b", True), ("demo", True), ("/srv/x", True), ("Qwen/X", False), ("..", False)],
)
def test_which_models_can_be_named(host: Path, model: str, accepted: bool):
    done = bash(host, f"read_options --model {model}")
    assert (done.returncode == 0) == accepted
    assert accepted or "--model must be a known name" in done.stdout


def test_a_model_is_downloaded_by_its_servers_user(host: Path):
    token = host / "token"
    token.write_text("a-token\n")
    lines = (
        "download_client() { echo client; }\n"
        'env() { echo "env $* token=${HF_TOKEN:-}"; }\n'
        "MODEL=qwen2.5-vl-32b RELEASE=$SOURCE; unset HF_TOKEN; download_model; cat $T/said"
    )
    done = bash(host, lines, HF_TOKEN_FILE=str(token))
    assert done.returncode == 0, done.stdout
    as_user = "setpriv --reuid qwen-vllm --regid qwen-vllm --init-groups --no-new-privs -- env"
    assert as_user in done.stdout and "token=a-token" in done.stdout
    assert "--to /var/lib/qwen-vllm/models/qwen2.5-vl-32b" in done.stdout
    assert "chgrp" not in done.stdout and "a-token" not in (host / "said").read_text()


def test_a_release_has_none_of_the_hosts_secrets(host: Path):
    source = host / "source"
    for name in ("deploy/docker/secrets/KEY", "deploy/.env", ".env", "deploy/kept", "manage.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    listed = "SOURCE=$T/source; release_files | tr '\\0' '\\n'"
    assert bash(host, listed).stdout.split() == ["deploy/kept", "manage.py"]
    for command in (["init", "-q"], ["add", "manage.py"]):
        subprocess.run(["git", *command], cwd=source, check=True)
    assert bash(host, listed).stdout.split() == ["manage.py"]


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ("ALLOWED_HOSTS=*", "--host localhost --url http://127.0.0.1:8000/health"),
        ("ALLOWED_HOSTS=.a.org,b.org", "--host a.org --url http://127.0.0.1:8000/health"),
        ("HOST=::1", "--host localhost --url http://[::1]:8000/health"),
        ("HOST=::", "--host localhost --url http://[::1]:8000/health"),
        ("HOST=192.0.2.1", "--host localhost --url http://192.0.2.1:8000/health"),
    ],
)
def test_which_address_and_name_are_asked(host: Path, settings: str, asked: str):
    (host / "etc/qwencam.env").write_text(f"{settings}\n")
    python = host / "releases/new/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    done = bash(
        host, "unset -f health; source deploy/install/services.sh; UNITS=$T/units; health list"
    )
    assert done.stdout.strip().endswith(asked), done.stdout


def test_files_are_written_wholly_and_empty_secrets_again(host: Path):
    (host / "etc/secrets").mkdir()
    key = host / "etc/secrets/DJANGO_SECRET_KEY"
    key.touch()
    bash(host, "keep_secret DJANGO_SECRET_KEY first; keep_secret DJANGO_SECRET_KEY second")
    assert key.read_text() == "first\n" and key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in key.parent.iterdir()] == [key.name]
    # What can't be written leaves what was there.
    failing = 'install() { command install "$@"; return 1; }; echo third | write $T/etc/x 0644'
    (host / "etc/x").write_text("before")
    assert bash(host, failing).returncode == 1
    assert (host / "etc/x").read_text() == "before"
