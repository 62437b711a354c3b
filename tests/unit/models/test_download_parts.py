"""The download's parts without a hub: which files, which folder, what a check finds."""

import fcntl
import threading

import pytest

from deploy.models.download import progress
from deploy.models.download.__main__ import main
from deploy.models.download.bounded_file import BoundedFile, TooLong
from deploy.models.download.errors import DownloadError
from deploy.models.download.place import partial_of
from deploy.models.download.progress import progress_line
from deploy.models.download.record import Record, read_record, write_record
from deploy.models.download.request import known_names, request_for
from deploy.models.download.snapshot import RemoteFile, Snapshot, needed_by_vllm
from deploy.models.download.transfer import gathering, publish
from deploy.models.download.verification import verify
from tests.unit.models.model_repository import BIG, SMALL, make_repository, safetensors


def needed(*names):
    return {file.path for file in needed_by_vllm(RemoteFile(path=name, size=1) for name in names)}


def test_only_what_vllm_reads_is_needed():
    assert needed(
        "config.json", "model.safetensors", "merges.txt", "chat_template.jinja", "LICENSE.txt"
    ) == {"config.json", "model.safetensors", "merges.txt", "chat_template.jinja", "LICENSE.txt"}
    assert (
        needed("pytorch_model.bin", "model.pth", "a.gguf", "modeling.py", ".gitattributes") == set()
    )


def test_a_path_that_leads_elsewhere_is_never_needed():
    assert (
        needed("../config.json", "/etc/config.json", "onnx/config.json", "a\\config.json") == set()
    )


def test_a_second_copy_of_the_weights_is_not_needed():
    assert needed("model.safetensors", "consolidated.safetensors") == {"model.safetensors"}
    assert needed("consolidated.safetensors") == {"consolidated.safetensors"}


def test_what_the_download_writes_itself_is_never_needed():
    assert needed("SOURCE.json", "SHA256SUMS", "SHA256SUMS.txt", "source.json") == {"source.json"}


def test_a_file_takes_no_more_than_was_announced(tmp_path):
    path = tmp_path / "part"
    path.write_bytes(b"12")
    with BoundedFile(path, most=4) as file:
        file.write(b"34")
        with pytest.raises(TooLong):
            file.write(b"5")
        # As the client does where a hub begins anew.
        file.seek(0)
        file.truncate()
        file.write(b"abcd")
    assert path.read_bytes() == b"abcd"


def test_a_link_in_place_of_a_part_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("x")
    (tmp_path / "part").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic links"):
        BoundedFile(tmp_path / "part", most=4)
    assert (tmp_path / "mine").read_text() == "x"


@pytest.mark.parametrize("link", ["model.partial", "model.partial/config.json"])
def test_links_among_what_has_arrived_end_it(tmp_path, link):
    (tmp_path / "mine").mkdir()
    if "/" in link:
        (tmp_path / "model.partial").mkdir()
    (tmp_path / link).symlink_to(tmp_path / "mine")
    with (
        pytest.raises(DownloadError, match=f"{link} is a symbolic link, which no download makes"),
        gathering(tmp_path / "model"),
    ):
        pass
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_target_that_is_a_link_to_another_disk_stays_one(tmp_path):
    large = tmp_path / "large" / "model"
    large.mkdir(parents=True)
    target = tmp_path / "models" / "model"
    target.parent.mkdir()
    target.symlink_to(large)
    with gathering(target) as partial:
        assert partial == tmp_path / "large" / "model.partial"
        (partial / "config.json").write_text("{}")
        (partial / "model.safetensors").write_bytes(safetensors({"a": b"x"}))
        files = tuple(
            RemoteFile(path=name, size=1) for name in ("config.json", "model.safetensors")
        )
        snapshot = Snapshot(source="s", repository="r", revision="v", commit="c", files=files)
        publish(
            snapshot, sums={file.path: "0" * 64 for file in files}, partial=partial, target=target
        )
    assert target.is_symlink()
    assert (target / "SOURCE.json").is_file()


def test_a_download_that_ended_meanwhile_is_not_written_into(tmp_path, monkeypatch):
    """Its folder is opened, then renamed to the target by the one who held it."""
    target = tmp_path / "model"
    flock = fcntl.flock

    def finish_first(lock, how):
        partial_of(target).rename(target)
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    with (
        pytest.raises(DownloadError, match="has just ended: run this again"),
        gathering(target),
    ):
        pass


def test_the_default_and_the_known_names(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    request = request_for(None, source="huggingface")
    assert request.repository == "Qwen/Qwen2.5-VL-32B-Instruct"
    assert request.folder == tmp_path / "models" / "qwen2.5-vl-32b"
    assert request == request_for("qwen/qwen2.5-vl-32b-instruct", source="huggingface")
    assert "qwen2.5-vl-7b" in known_names()


def test_a_repository_of_the_same_name_is_another_one(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    request = request_for("somebody/Qwen2.5-VL-7B-Instruct", source="huggingface")
    assert request.repository == "somebody/Qwen2.5-VL-7B-Instruct"
    assert request.folder == tmp_path / "models" / "qwen2.5-vl-7b-instruct"


@pytest.mark.parametrize("name", ["qwen9", "a/b/c", "../x", "a/..", "-x/y", "a b/c"])
def test_what_is_no_model(name):
    with pytest.raises(DownloadError, match="is no model: give OWNER/REPOSITORY, or one of"):
        request_for(name, source="huggingface")


def test_a_record_answers_for_its_branch_and_commit(tmp_path):
    record = Record(
        source="huggingface",
        repository="Acme/Tiny",
        revision="v1",
        commit="abc",
        sizes={"gone": 1},
    )
    write_record(tmp_path, record=record)
    assert read_record(tmp_path) == record
    for revision, answers in ((None, True), ("v1", True), ("abc", True), ("v2", False)):
        assert (
            record.answers(source="huggingface", repository="acme/tiny", revision=revision)
            is answers
        )
    assert not record.answers(source="modelscope", repository="Acme/Tiny", revision=None)
    assert record.missing(tmp_path) == ["gone"]
    (tmp_path / "SOURCE.json").write_text("[]")
    assert read_record(tmp_path) is None


@pytest.fixture
def folder(tmp_path):
    """A folder as a download leaves it, with sums of its own."""
    from deploy.models.download.checksums import sha256_of, write_sums

    folder = make_repository(tmp_path / "model")
    names = [path.name for path in folder.iterdir() if path.is_file()]
    write_sums(folder, sums={name: sha256_of(folder / name) for name in names})
    return folder


def damage(folder):
    seen = []
    with pytest.raises(DownloadError) as caught:
        verify(folder, again="COMMAND", on_file=seen.append)
    return str(caught.value)


def test_a_flipped_byte_is_found_offline(folder):
    content = bytearray((folder / BIG).read_bytes())
    content[100_000] ^= 1
    (folder / BIG).write_bytes(content)
    assert damage(folder) == (
        f"{folder / BIG} is damaged: its SHA-256 is not the one in SHA256SUMS. Delete this file "
        "and fetch it again with COMMAND."
    )


def test_a_missing_file_and_one_too_many_are_found_offline(folder):
    (folder / SMALL).rename(folder / "other.safetensors")
    assert damage(folder) == f"{folder / SMALL} is missing: fetch it with COMMAND."
    (folder / "other.safetensors").rename(folder / SMALL)
    (folder / "extra.safetensors").touch()
    assert damage(folder) == f"{folder / 'extra.safetensors'} is not in SHA256SUMS: delete it."


def test_settings_that_nobody_can_read(folder):
    from deploy.models.download.verification import check_model

    (folder / "config.json").write_text("[" * 200_000)
    with pytest.raises(DownloadError, match=r"has no config.json that can be read\."):
        check_model(folder)


def test_sums_that_are_none(folder):
    (folder / "SHA256SUMS").write_text("no checksum\n")
    assert damage(folder) == f"{folder / 'SHA256SUMS'} has a line that is no checksum."
    (folder / "SHA256SUMS").unlink()
    assert damage(folder) == f"{folder / 'SHA256SUMS'} is missing or can't be read: download again."


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert main(["qwen2.5-vl-7b", "--verify", "--to", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == (
        f"{tmp_path / 'none'} is not there: download it with scripts/download_model.sh first.\n"
    )


def test_progress_says_how_far_how_fast_how_long():
    line = progress_line(12_300_000_000, total=66_900_000_000, rate=85_000_000)
    assert line == "12.3 GB of 66.9 GB (18 %), 85.0 MB/s, 11 min left"
    assert progress_line(0, total=1000, rate=0) == "0 bytes of 1.0 kB (0 %), 0 bytes/s"
    assert progress_line(1000, total=1000, rate=5) == "1.0 kB have arrived, checking …"


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.01)
    measured = threading.Event()

    def measure():
        if measured.is_set():
            again.set()
        measured.set()
        return 1000

    again = threading.Event()
    with progress.Progress(measure, total=4000):
        assert again.wait(60)
    assert capsys.readouterr().out.startswith("1.0 kB of 4.0 kB (25 %), 0 bytes/s\n")
