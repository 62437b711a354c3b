"""`manage.py qwencam_doctor`: exit code and output; what it checks is tested beside the checks."""

import json

import pytest

from apps.maintenance.doctor.findings import Check, failed, ok, warning
from apps.maintenance.management.commands import qwencam_doctor


@pytest.fixture
def examine(run, monkeypatch):
    """`examine(finding, …, arguments=[…])`: run the doctor over checks that find that."""

    def examined(*findings, arguments=()):
        checks = [
            Check(group="Group", name=f"check {number}", run=lambda finding=finding: finding)
            for number, finding in enumerate(findings)
        ]
        monkeypatch.setattr(qwencam_doctor.Command, "_checks", lambda self, timeout: checks)
        return run("qwencam_doctor", *arguments)

    return examined


GOOD, DOUBT, BAD = ok("fine"), warning("so so", mend="Do it."), failed("away", mend="Start it.")


@pytest.mark.parametrize(
    ("findings", "code"), [([GOOD], 0), ([GOOD, DOUBT], 0), ([GOOD, BAD, DOUBT], 1)]
)
def test_only_a_failure_fails(examine, findings, code):
    for arguments in ([], ["--json"]):
        assert examine(*findings, arguments=arguments).code == code


def test_for_people(examine):
    lines = examine(GOOD, BAD).out.splitlines()
    assert lines[0].startswith("QwenCam ")
    assert lines[1] == "Group"
    assert lines[-1] == "1 ok, 1 failed: check 1"
    assert any(line.strip() == "> Start it." for line in lines)
    assert "\033" not in "".join(lines)


def test_colours_only_when_wanted(examine):
    assert "\033[" in examine(GOOD, arguments=["--force-color"]).out


def test_for_programs(examine):
    told = json.loads(examine(GOOD, BAD, arguments=["--json"]).out)
    assert told["status"] == "failed"
    assert told["version"]
    assert [check["status"] for check in told["checks"]] == ["ok", "failed"]


@pytest.mark.parametrize("timeout", ["0", "61", "soon", "nan"])
def test_a_timeout_that_is_none(examine, timeout):
    assert "no number of seconds" in examine(GOOD, arguments=["--timeout", timeout]).error


def test_settings_that_can_not_be_read(capsys):
    command = qwencam_doctor.Command(settings_problem="X is not set.")
    with pytest.raises(SystemExit) as end:
        command.run_from_argv(["manage.py", "qwencam_doctor", "--json"])
    assert end.value.code == 1
    told = json.loads(capsys.readouterr().out)
    (settings,) = [check for check in told["checks"] if check["name"] == "settings"]
    assert (settings["status"], settings["found"]) == ("failed", "X is not set.")
