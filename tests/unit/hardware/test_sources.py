"""Where facts come from: this machine, a recording of one, and the recording itself.

Guards: a tool that hangs is cut off with what it started; what isn't there is None, not an error; a
recording says exactly what the machine said, including what it did not have.
"""

import os
import socket
import time
from pathlib import Path

import pytest

from deploy.hardware.facts import read_facts
from deploy.hardware.sources import (
    LiveMachine,
    RecordedMachine,
    RecordingMachine,
    ToolOutput,
    natural,
    parse_transcript,
    transcript,
)

MACHINES = Path(__file__).parent / "machines"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Return a function that puts a command on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def put(name: str, script: str) -> None:
        command = folder / name
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)

    return put


class TestLiveMachine:
    def test_a_command(self, tools):
        tools("some-smi", 'echo "out $1"; echo err >&2; exit 3')
        output = LiveMachine().run("some-smi", "--all")
        assert output == ToolOutput(code=3, stdout="out --all\n", stderr="err\n")

    def test_a_command_that_is_not_installed(self, tools):
        assert LiveMachine().run("no-such-smi") is None

    def test_a_command_that_cannot_run(self, tools, tmp_path):
        tools("some-smi", "")
        (tmp_path / "bin" / "some-smi").write_text("#!/no/such/interpreter\n")
        output = LiveMachine().run("some-smi")
        assert output is not None
        assert output.code == 127

    def test_a_command_that_hangs_is_cut_off_with_its_children(self, tools, tmp_path):
        pids = tmp_path / "pids"
        tools("some-smi", f"sleep 600 & echo $$ $! > {pids}; sleep 600")
        output = LiveMachine(tool_timeout=1).run("some-smi")
        assert output == ToolOutput(code=None, stderr="no answer within 1 s")
        for pid in pids.read_text().split():
            deadline = time.monotonic() + 60
            while _alive(int(pid)):
                assert time.monotonic() < deadline, f"{pid} still runs"
                time.sleep(0.05)

    def test_files(self, tmp_path):
        machine = LiveMachine()
        assert machine.read("/proc/meminfo").startswith("MemTotal")
        assert machine.read(f"{tmp_path}/none") is None
        assert machine.read(str(tmp_path)) is None

    def test_finding_sorts_by_number(self, tmp_path):
        for name in ("card10", "card9", "card1"):
            (tmp_path / name).mkdir()
        found = LiveMachine().find(f"{tmp_path}/card*")
        assert [Path(path).name for path in found] == ["card1", "card9", "card10"]
        assert sorted(["b2", "a10", "a9"], key=natural) == ["a9", "a10", "b2"]

    def test_devices(self):
        device = LiveMachine().device("/dev/null")
        assert device.readable
        assert device.writable
        assert device.group == "root"
        assert LiveMachine().device("/dev/no-such-device") is None

    def test_the_disk_of_a_folder_that_will_be(self, tmp_path):
        disk = LiveMachine().disk(f"{tmp_path}/not/yet")
        assert 0 < disk.free <= disk.total

    def test_taken_udp_ports(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("0.0.0.0", 0))
            port = taken.getsockname()[1]
            assert LiveMachine().taken_udp_ports(port, port) == 1
        assert LiveMachine().taken_udp_ports(port, port) == 0


def _alive(pid: int) -> bool:
    """Does it run? A dead child whose parent is gone may wait for init to notice."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class TestRecordings:
    @pytest.mark.parametrize("name", ["mi300x", "h200", "rocm_container", "nvidia_hangs"])
    def test_a_recording_says_what_the_machine_said(self, tmp_path, name):
        machine = RecordedMachine(MACHINES / name)
        said = read_facts(
            RecordingMachine(machine, folder=tmp_path / "kept"),
            disk_folder="~/models",
            ports=(40000, 40100),
        )
        again = read_facts(
            RecordedMachine(tmp_path / "kept"), disk_folder="~/models", ports=(40000, 40100)
        )
        assert again == said
        assert said == read_facts(machine, disk_folder="~/models", ports=(40000, 40100))

    def test_this_machine_recorded(self, tmp_path):
        said = read_facts(
            RecordingMachine(LiveMachine(), folder=tmp_path), disk_folder="/", ports=None
        )
        assert said.system.processor.cpus >= len(os.sched_getaffinity(0))
        again = read_facts(RecordedMachine(tmp_path), disk_folder="/", ports=None)
        assert again == said

    def test_a_recording_of_nothing(self, tmp_path):
        facts = read_facts(RecordedMachine(tmp_path), disk_folder="/", ports=None)
        assert facts.gpus == ()
        assert facts.system.disk is None
        assert facts.system.clock_synchronised is None
        assert facts.system.os_name == "unknown system"

    @pytest.mark.parametrize(
        "output",
        [
            ToolOutput(code=0, stdout="a\nb\n"),
            ToolOutput(code=1, stdout="", stderr="broken\n"),
            ToolOutput(code=None, stderr="no answer within 20 s"),
            ToolOutput(code=255, stdout="{}\n", stderr="exit 1\n"),
        ],
    )
    def test_transcripts(self, output):
        assert parse_transcript(transcript(["some-smi", "--all"], output)) == output
