"""Commands beside a quickstart need no settings; what is set otherwise comes first."""

import json
import stat

import pytest

from qwencam_site.quickstart_settings import load_missing, save, settings_file

KEYS = {"DJANGO_SECRET_KEY": "made-up", "JWT_SECRET_KEY": "made-up-too"}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "env.example").write_text(
        "# Both needed\nDJANGO_SECRET_KEY=\nJWT_SECRET_KEY=\nA=1\nB=\n"
    )
    (tmp_path / "var" / "run").mkdir(parents=True)
    return tmp_path


def kept(root, **more):
    save(root, data_dir=root / "var", environment={**KEYS, **more})
    return settings_file(root / "var")


def test_settings_are_kept_for_their_user_alone(root):
    file = kept(root, A='two\nlines "and quotes"', B="", HOME="/root", PATH="/bin")
    assert json.loads(file.read_text()) == {**KEYS, "A": 'two\nlines "and quotes"'}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["settings.json"]


def test_commands_find_them(root):
    kept(root, A="2")
    environment = {"A": "given"}
    load_missing(root, environment=environment)
    assert environment == {**KEYS, "A": "given"}


def test_another_data_folder_is_named_by_its_setting(root, tmp_path):
    (tmp_path / "elsewhere" / "run").mkdir(parents=True)
    save(root, data_dir=tmp_path / "elsewhere", environment={**KEYS, "A": "3"})
    environment = {"DATA_DIR": str(tmp_path / "elsewhere")}
    load_missing(root, environment=environment)
    assert environment["A"] == "3"


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY_FILE"])
def test_a_platform_that_is_set_up_otherwise_is_let_be(root, name):
    kept(root, A="2")
    environment = {name: "production"}
    load_missing(root, environment=environment)
    assert environment == {name: "production"}
    (root / ".env").write_text(f"{name}=production\n")
    environment = {}
    load_missing(root, environment=environment)
    assert environment == {}


@pytest.mark.parametrize("content", [None, "{"])
def test_without_a_quickstart_nothing_is_adopted(root, content):
    if content is not None:
        settings_file(root / "var").write_text(content)
    environment: dict[str, str] = {}
    load_missing(root, environment=environment)
    assert environment == {}


def test_only_settings_are_adopted(root):
    kept(root, A="2")
    hostile = {**KEYS, "LD_PRELOAD": "/tmp/x.so", "A": 7, "B": "3"}
    settings_file(root / "var").write_text(json.dumps(hostile))
    environment: dict[str, str] = {}
    load_missing(root, environment=environment)
    assert environment == {**KEYS, "B": "3"}
    for content in ("[1]", "7", '"text"'):
        settings_file(root / "var").write_text(content)
        environment = {}
        load_missing(root, environment=environment)
        assert environment == {}


def test_nothing_of_somebody_elses_is_adopted(root, monkeypatch):
    kept(root, A="2")
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    environment: dict[str, str] = {}
    load_missing(root, environment=environment)
    assert environment == {}


def test_settings_are_written_into_no_file_that_was_there(root):
    trap = settings_file(root / "var").with_suffix(".partial")
    trap.touch(mode=0o666)
    with trap.open() as seen_by_others:
        kept(root, A="2")
        assert seen_by_others.read() == ""
    assert stat.S_IMODE(settings_file(root / "var").stat().st_mode) == 0o600
