"""scripts/download_model.sh with the hubs' real clients, against a hub on loopback.

Guards: a half download taken for a whole one, one that begins anew after an interruption, a flipped
byte that nobody notices, a disk that fills up, a token that is printed or sent to the host that
only holds the files, an error that does not say what to do.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stub_hub import ENDLESS_BYTES, Faults, Repository, StubHub, stub_hub
from tests.unit.models.model_repository import (
    BIG,
    BIG_BYTES,
    NEEDED,
    SMALL,
    make_repository,
    noise,
    safetensors,
)

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = str(ROOT / "scripts" / "download_model.sh")
NAME = "acme/Tiny-VL"
TOKEN = "hf_a-secret-token"
BLOCK = 10 * 1024 * 1024


@pytest.fixture
def hub() -> Iterator[StubHub]:
    with stub_hub() as serving:
        serving.tokens = {TOKEN, "hf_other"}
        yield serving


class Machine:
    """Where the script is run: a home of its own, and the hub in its environment."""

    def __init__(self, home: Path, hub: StubHub) -> None:
        self.models = home / "models"
        self.target = self.models / "tiny-vl"
        self.partial = self.models / "tiny-vl.partial"
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "HF_ENDPOINT": hub.url,
            "MODELSCOPE_ENDPOINT": hub.url,
        }

    def start(self, *arguments: str, inside: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*inside, "env", "--default-signal=INT", SCRIPT, *arguments],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def download(self, *arguments: str) -> str:
        """Run the script, which must succeed; return what it printed."""
        process = self.start(*(arguments or (NAME,)))
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        assert err == ""
        return out

    def refusal(self, *arguments: str) -> str:
        """Run the script, which must fail; return the one line it said."""
        process = self.start(*(arguments or (NAME,)))
        out, err = process.communicate(timeout=120)
        assert process.returncode == 1, out + err
        (line,) = err.splitlines()
        return line

    def files(self) -> set[str]:
        return {path.name for path in self.target.iterdir()}


@pytest.fixture
def machine(tmp_path: Path, hub: StubHub) -> Machine:
    home = tmp_path / "home"
    home.mkdir()
    return Machine(home, hub)


@pytest.fixture
def repository(tmp_path: Path, hub: StubHub) -> Path:
    """A repository on the hub; return its folder."""
    folder = make_repository(tmp_path / "repository")
    hub.repositories[NAME] = Repository(folder=folder, revisions=("main", "master", "v1.0"))
    return folder


@pytest.fixture
def big_repository(tmp_path: Path, hub: StubHub) -> Path:
    """The same with a file that takes several blocks."""
    folder = make_repository(tmp_path / "repository", big_bytes=BIG_BYTES)
    hub.repositories[NAME] = Repository(folder=folder)
    return folder


def test_a_download_is_whole_checked_and_recorded(machine, hub, repository):
    said = machine.download(NAME, "--revision", "v1.0")
    assert f"Checked and complete: {machine.target}" in said
    assert machine.files() == NEEDED | {"SHA256SUMS", "SOURCE.json"}
    for name in NEEDED:
        assert (machine.target / name).read_bytes() == (repository / name).read_bytes()
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=machine.target, check=True
    )
    record = json.loads((machine.target / "SOURCE.json").read_text())
    assert (record["repository"], record["revision"]) == (NAME, "v1.0")
    assert record["commit"] == hub.repositories[NAME].commit
    assert not machine.partial.exists()


def test_a_second_start_finds_it_without_the_hub(machine, hub, repository):
    machine.download()
    hub.stop()
    assert f"{NAME} is in {machine.target} already." in machine.download()
    said = machine.refusal(NAME, "--revision", "v1.0")
    assert said.startswith(f"{machine.target} holds {NAME} at main")


def test_a_file_that_is_gone_is_fetched_again_alone(machine, hub, repository):
    machine.download()
    (machine.target / BIG).unlink()
    hub.seen.clear()
    machine.download()
    assert (machine.target / BIG).read_bytes() == (repository / BIG).read_bytes()
    assert hub.ranges(SMALL) == []


def test_a_token_is_shown_to_the_hub_and_to_nobody_else(machine, hub, repository, tmp_path):
    hub.repositories[NAME] = Repository(folder=repository, token=TOKEN)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    machine.environment["HF_TOKEN_FILE"] = str(tmp_path / "token")
    said = machine.download()
    assert TOKEN not in said
    shown = {seen.path.startswith("/content/"): seen.token for seen in hub.seen}
    assert shown == {False: TOKEN, True: None}


def test_a_connection_that_ends_half_way_is_resumed(machine, hub, big_repository):
    hub.faults = Faults(cut={BIG: 15_000_000})
    machine.download()
    assert (machine.target / BIG).read_bytes() == (big_repository / BIG).read_bytes()
    # Asked for at the hub and, after its redirect, at the content's host.
    assert hub.ranges(BIG) == [None, None, f"bytes={BLOCK}-", f"bytes={BLOCK}-"]


def test_a_connection_that_is_reset_is_resumed(machine, hub, big_repository):
    hub.faults = Faults(reset={BIG: 15_000_000})
    machine.download()
    assert (machine.target / BIG).read_bytes() == (big_repository / BIG).read_bytes()
    assert hub.ranges(BIG) == [None, None, f"bytes={BLOCK}-", f"bytes={BLOCK}-"]


def test_a_second_download_into_the_same_folder_is_refused(machine, hub, repository):
    hub.faults = Faults(stall={BIG: 1000})
    first = machine.start(NAME)
    deadline = time.monotonic() + 60
    while not hub.ranges(BIG):
        assert time.monotonic() < deadline, "The first never began."
        time.sleep(0.05)
    assert machine.refusal() == f"Another download into {machine.target} is running: wait for it."
    hub.faults.go.set()
    _, err = first.communicate(timeout=120)
    assert (first.returncode, err) == (0, "")


def test_a_file_of_another_size_than_announced_is_refused(machine, hub, repository):
    sizes = {"tokenizer.json": 3}
    hub.repositories[NAME] = Repository(folder=repository, sizes=sizes)
    assert machine.refusal().startswith(
        "tokenizer.json came with another size than the hub announced: run this again, and if"
    )
    assert not list(machine.partial.glob("tokenizer.json*"))
    hub.repositories[NAME] = Repository(folder=repository)
    hub.faults = Faults(portal="files")
    assert "came with another size than the hub announced" in machine.refusal()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_goes_on_and_is_never_taken_for_whole(
    machine, hub, big_repository, how
):
    hub.faults = Faults(stall={BIG: 21_500_000})
    process = machine.start(NAME)
    deadline = time.monotonic() + 60
    while sum(part.stat().st_size for part in machine.partial.glob(f"{BIG}*")) < 2 * BLOCK:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "The first blocks never arrived."
        time.sleep(0.05)
    os.killpg(process.pid, how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert ("Stopped. What has arrived is kept" in err) == (how == signal.SIGINT)
    assert not machine.target.exists()
    hub.seen.clear()
    machine.download()
    assert (machine.target / BIG).read_bytes() == (big_repository / BIG).read_bytes()
    assert hub.ranges(BIG) == [f"bytes={2 * BLOCK}-"] * 2


def test_a_terminal_sees_how_far_it_is(machine, hub, big_repository):
    hub.faults = Faults(stall={BIG: 11_000_000})
    terminal, stdout = os.openpty()
    process = subprocess.Popen([SCRIPT, NAME], env=machine.environment, stdout=stdout)
    os.close(stdout)
    shown = ""
    try:
        while "MB of 24.0 MB (" not in shown:
            shown += os.read(terminal, 1000).decode(errors="replace")
        hub.faults.go.set()
        while "Checked and complete" not in shown:
            shown += os.read(terminal, 1000).decode(errors="replace")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    # What had arrived in whole blocks, over and over in one line, and then no more.
    assert "\r\x1b[K10.5 MB of 24.0 MB (44 %), " in shown
    assert shown.rpartition("MB of 24.0 MB (")[2].count("\r\x1b[K") >= 1


def test_a_flipped_byte_is_found_and_the_file_fetched_once_more(machine, hub, repository):
    hub.faults = Faults(flip={BIG: 1, "tokenizer.json": 1})
    machine.download()
    for name in (BIG, "tokenizer.json"):
        assert (machine.target / name).read_bytes() == (repository / name).read_bytes()


def test_bytes_that_stay_flipped_end_it(machine, hub, repository):
    hub.faults = Faults(flip={BIG: 100})
    assert machine.refusal().startswith(f"{BIG} arrived damaged 2 times: its checksum is not")
    assert not machine.target.exists()
    hub.faults = Faults()
    machine.download()
    assert (machine.target / BIG).read_bytes() == (repository / BIG).read_bytes()


@pytest.mark.parametrize("name", [BIG, "config.json"])
def test_a_file_that_does_not_end_is_not_taken(machine, hub, repository, name):
    hub.faults = Faults(endless={name})
    assert machine.refusal().startswith(f"{name} came with another size than the hub announced:")
    assert hub.sent_endless < ENDLESS_BYTES
    assert not list(machine.partial.glob(f"{name}*"))


def test_files_of_our_names_are_left_at_the_hub(machine, hub, repository):
    (repository / "SOURCE.json").write_text("{}")
    (repository / "SHA256SUMS.txt").write_text("theirs")
    machine.download()
    assert machine.files() == NEEDED | {"SHA256SUMS", "SOURCE.json"}
    assert "is in" in machine.download()
    assert "complete and undamaged" in machine.download(NAME, "--verify")


def test_a_name_that_would_steer_a_terminal_is_refused(machine, hub, repository):
    (repository / "a\x1b[2J.json").write_text("{}")
    assert machine.refusal() == (
        f"{NAME} has control characters in a name, 'a\\x1b[2J.json': it is not downloaded."
    )


def test_a_part_of_other_content_is_not_continued(machine, hub, repository):
    machine.partial.mkdir(parents=True)
    (machine.partial / f"{BIG}.0123456789abcdef.incomplete").write_bytes(b"old")
    machine.download()
    assert machine.files() == NEEDED | {"SHA256SUMS", "SOURCE.json"}


@pytest.mark.parametrize(
    ("served", "token", "asked", "says"),
    [
        ({"token": TOKEN}, None, (), "to nobody without a login (401): check the name, or set HF_"),
        ({"token": TOKEN}, "hf_other", (), f"There is no repository {NAME} at "),
        ({"token": TOKEN}, "hf_unknown", (), "does not know this HF_TOKEN (401): set a valid one"),
        ({"token": TOKEN, "gated": True}, None, (), "is gated (401): accept its licence at http"),
        ({"token": TOKEN, "gated": True}, "hf_other", (), "is gated (403): accept its licence"),
        ({}, None, ("--revision", "v9"), f"{NAME} has no revision 'v9' (404): its branches"),
    ],
)
def test_what_the_hub_refuses(machine, hub, repository, served, token, asked, says):
    hub.repositories[NAME] = Repository(folder=repository, **served)
    if token:
        machine.environment["HF_TOKEN"] = token
    said = machine.refusal(NAME, *asked)
    assert says in said
    assert token is None or token not in said
    assert not machine.target.exists()


def test_a_hub_that_fails_and_one_that_cannot_be_reached(machine, hub, repository):
    hub.faults = Faults(fail=500)
    assert machine.refusal().startswith(f"{hub.url} answers with an error (500): try again later")
    hub.faults = Faults(fail=404)
    assert machine.refusal() == (
        f"{hub.url} has no {NAME} (404): check the name, and whether HF_ENDPOINT is a hub that has "
        "it."
    )
    hub.faults = Faults(portal="everything")
    no_hub = f"What answers at {hub.url} is no hub, but perhaps a login page of this network or a"
    assert machine.refusal().startswith(no_hub)
    assert machine.refusal(NAME, "--source", "modelscope").startswith(no_hub)
    hub.stop()
    assert machine.refusal().startswith(f"{hub.url} can't be reached (ConnectError): check the net")
    machine.environment["HF_HUB_OFFLINE"] = "1"
    assert machine.refusal() == "HF_HUB_OFFLINE is set, so nothing can be downloaded: unset it."
    machine.environment["HF_ENDPOINT"] = "mirror.example"
    assert machine.refusal() == "HF_ENDPOINT must begin with https://, not 'mirror.example'."


def test_weights_that_vllm_cannot_read_are_not_fetched(machine, hub, repository):
    for path in repository.glob("*.safetensors"):
        path.unlink()
    assert machine.refusal() == (
        f"{NAME} is no model that vLLM can serve: it lacks config.json or *.safetensors."
    )


def test_a_repository_whose_index_names_a_missing_tensor_is_refused(machine, hub, repository):
    (repository / BIG).write_bytes(safetensors({"other": noise(200_000)}))
    assert machine.refusal().startswith(f"{BIG} lacks c, which model.safetensors.index.json says")
    assert not machine.target.exists()


def small_disk(folder: Path, *, size: str, then: str = "") -> tuple[str, ...]:
    """Return what runs a command with a small disk mounted at a folder, for it alone."""
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("This machine lets nobody mount anything, so there is no small disk to fill.")
    folder.mkdir(parents=True)
    mount = f'mount -t tmpfs -o size={size} tmpfs "{folder}" && {then} exec "$@"'
    return (*own, "sh", "-c", mount, "sh")


def test_a_disk_that_is_too_small_is_found_first(machine, hub, big_repository):
    inside = small_disk(machine.models, size="32m")
    process = machine.start(NAME, inside=inside)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err == (
        f"Not enough disk: {NAME} is 24.0 MB, and {machine.partial} has 33.6 MB free. Make room, "
        "or choose another folder with --to.\n"
    )
    assert hub.ranges(BIG) == []


def test_a_disk_that_fills_up_on_the_way(machine, hub, big_repository, tmp_path):
    # The hub waits in the middle of the file until somebody else has filled the disk.
    fill = (
        f'(until [ -e "{tmp_path}/fill" ]; do sleep 0.1; done; '
        f'head -c 200m /dev/zero >"{machine.models}/filler"; touch "{tmp_path}/filled") 2>&- &'
    )
    hub.faults = Faults(stall={BIG: 11_000_000})
    process = machine.start(NAME, inside=small_disk(machine.models, size="100m", then=fill))
    deadline = time.monotonic() + 60
    while not hub.ranges(BIG):
        assert time.monotonic() < deadline, "The file was never asked for."
        time.sleep(0.05)
    (tmp_path / "fill").touch()
    while not (tmp_path / "filled").exists():
        assert time.monotonic() < deadline, "The disk was never full."
        time.sleep(0.05)
    hub.faults.go.set()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err == (
        f"The disk filled up under {machine.partial}: make room and run this again; what has "
        "arrived is kept.\n"
    )


def test_modelscope_resumes_and_checks_too(machine, hub, repository):
    hub.faults = Faults(cut={BIG: 120_000}, flip={SMALL: 1})
    machine.download(NAME, "--source", "modelscope")
    assert machine.files() == NEEDED | {"SHA256SUMS", "SOURCE.json"}
    assert (machine.target / BIG).read_bytes() == (repository / BIG).read_bytes()
    asked = [seen.range for seen in hub.seen if BIG in seen.path]
    assert asked == [None, "bytes=120000-"]
    shutil.rmtree(machine.target)
    said = machine.refusal("acme/none", "--source", "modelscope")
    assert said.startswith(f"{hub.url} has no acme/none with revision 'master'")


def test_a_dry_run_fetches_nothing(machine, hub, repository):
    said = machine.download(NAME, "--dry-run")
    assert "6 files" in said
    assert BIG in said
    assert not machine.models.exists()


def test_a_folder_of_somebody_else_is_left_alone(machine, hub, repository):
    machine.target.mkdir(parents=True)
    (machine.target / "notes.txt").touch()
    assert "holds something that this script did not download" in machine.refusal()
    assert machine.files() == {"notes.txt"}


def test_paths_are_seen_from_where_the_script_is_called(machine, hub, repository):
    machine.download(NAME, "--to", "here/mine")
    assert (machine.home / "here" / "mine" / "config.json").exists()
    said = machine.download(NAME, "--to", "here/mine", "--verify")
    assert f"{machine.home}/here/mine is complete and undamaged: 6 files." in said
