"""The machine and what is installed on it."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.inference.gpus import Gpu
from apps.maintenance.doctor import host
from apps.maintenance.doctor.host import (
    DISK_FULL_BYTES,
    DISK_LOW_BYTES,
    Space,
    check_disk,
    check_ffmpeg,
    check_gpu,
    check_log_file,
    check_packages,
    check_python,
    checks_without_settings,
    judge_space,
)

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10, 9), "failed"), ((3, 11, 0), "ok"), ((3, 14, 1), "ok")]
)
def test_python(version, status):
    assert check_python(version).status == status


def pins(folder: Path, *lines: str) -> Path:
    file = folder / "requirements.txt"
    file.write_text("\n".join(["# pinned", *lines, "    # via nothing"]))
    return file


def test_what_is_pinned_is_installed():
    finding = check_packages(ROOT / "requirements.txt")
    assert finding.status == "ok", finding


def test_a_missing_package_is_named(tmp_path):
    finding = check_packages(pins(tmp_path, "redis>=1", "no-such-package==1.0"))
    assert finding.status == "failed"
    assert "no-such-package" in finding.found
    assert "requirements.txt" in finding.mend


def test_another_version_is_a_warning(tmp_path):
    finding = check_packages(pins(tmp_path, "redis==0.1"))
    assert finding.status == "warning"
    assert "instead of 0.1" in finding.found


def test_what_is_for_another_platform_is_passed_over(tmp_path):
    file = pins(tmp_path, "no-such-package==1 ; sys_platform == 'win32'", "redis>=1")
    assert check_packages(file).found == "all 1 as pinned"


def test_no_pins_no_comparison(tmp_path):
    assert check_packages(tmp_path / "requirements.txt").status == "skipped"


def test_the_decoders_really_open():
    finding = check_ffmpeg()
    assert finding.status == "ok"
    assert "libavcodec" in finding.found


def test_a_decoder_that_does_not_open(monkeypatch):
    import av.codec

    def refuse(name, mode):
        raise ValueError(f"no {name}")

    monkeypatch.setattr(av.codec, "CodecContext", SimpleNamespace(create=refuse))
    finding = check_ffmpeg()
    assert finding.status == "failed"
    assert "no vp8" in finding.found


def test_libraries_that_do_not_load(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert check_ffmpeg().status == "failed"


def test_no_gpu_is_no_fault(monkeypatch):
    monkeypatch.setattr(host, "read_gpus", list)
    finding = check_gpu()
    assert finding.status == "skipped"
    assert "No GPU" in finding.found


def test_gpus_are_named(monkeypatch):
    gpus = [Gpu(name="H100", memory_total=80 << 30), Gpu(name="Instinct MI300X")]
    monkeypatch.setattr(host, "read_gpus", lambda: gpus)
    assert check_gpu().found == "H100 (80 GiB), Instinct MI300X"


@pytest.mark.parametrize(
    ("free", "status"),
    [
        (DISK_FULL_BYTES - 1, "failed"),
        (DISK_FULL_BYTES, "warning"),
        (DISK_LOW_BYTES - 1, "warning"),
        (DISK_LOW_BYTES, "ok"),
    ],
)
def test_the_fullest_disk_counts(free, status):
    spaces = [Space(Path("/a"), 100 << 30), Space(Path("/b"), free)]
    assert judge_space(spaces).status == status


def test_disks_are_looked_at_where_folders_will_be(tmp_path):
    assert "free in" in check_disk([tmp_path / "not" / "yet"]).found
    assert check_disk([]).status == "skipped"


def test_the_log_file(tmp_path):
    assert check_log_file("").status == "skipped"
    assert check_log_file(str(tmp_path / "gone.log")).status == "failed"
    (tmp_path / "there.log").touch()
    assert check_log_file(str(tmp_path / "there.log")).status == "ok"


def test_without_settings_the_rest_is_still_looked_at():
    checks = checks_without_settings(ROOT, problem="X is not set.")
    findings = {check.name: check.run() for check in checks}
    assert findings["settings"].status == "failed"
    assert findings["settings"].found == "X is not set."
    assert findings["Python"].status == "ok"
