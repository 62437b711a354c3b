"""What is shipped beside the platform itself, and the tests that execute it.

Guards: a file that comes with the repository and that no test runs, loads or serves; a test that
has gone.
"""

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EVERY_STACK = "tests/stack.py"
TESTED_BY = {
    # --- Ways to run it ---
    "deploy/install.sh": "tests/e2e/test_installation.py",
    "deploy/install/*": "tests/e2e/test_installation.py",
    "deploy/systemd/*": "tests/e2e/test_installation.py",
    "deploy/supervisor/quickstart.conf": EVERY_STACK,
    "deploy/docker/Dockerfile": "tests/e2e/test_image.py",
    "deploy/docker/redis.conf": "tests/e2e/test_image.py",
    "deploy/docker/entry.py": "tests/e2e/test_image.py",
    "deploy/docker/health.py": "tests/e2e/test_image.py",
    "deploy/docker/roles.py": "tests/e2e/test_image.py",
    "deploy/docker/pin_digests.sh": "tests/unit/deployment/test_digests.py",
    "deploy/docker/digests.py": "tests/unit/deployment/test_digests.py",
    "deploy/docker/prepare.sh": "tests/unit/deployment/test_prepare.py",
    "deploy/docker/*.yml": "tests/unit/deployment/test_compose.py",
    "deploy/docker-compose.yml": "tests/unit/deployment/test_compose.py",
    "deploy/production.env.example": "scripts/test.sh",
    # --- Around it ---
    "deploy/nginx.conf": "tests/e2e/test_production.py",
    "deploy/coturn/turnserver.conf": "tests/contract/test_relay.py",
    "deploy/local_authority/*": "tests/e2e/test_phone.py",
    "deploy/monitoring/prometheus.yml": "tests/contract/test_monitoring.py",
    "deploy/monitoring/targets/*": "tests/contract/test_monitoring.py",
    "deploy/monitoring/rules/*": "tests/contract/test_monitoring.py",
    "deploy/monitoring/tests/*": "tests/contract/test_monitoring.py",
    "deploy/monitoring/grafana/*": "tests/e2e/test_dashboard.py",
    # --- Models ---
    "deploy/hardware/*": "tests/unit/hardware/test_machines.py",
    "deploy/models/download/*": "tests/unit/models/test_download.py",
    "deploy/models/conversion/*": "tests/e2e/test_converted_models.py",
    "deploy/models/*": "tests/contract/test_vllm_arguments.py",
    "deploy/model_choice/*": "tests/e2e/test_real_model.py",
    "deploy/demo_model/checkpoint/*": "tests/e2e/test_demo_model.py",
    "deploy/demo_model/*": "tests/unit/demo_model",
    "deploy/vllm_cpu/garbage_collection.pth": "tests/unit/scripts/test_garbage_collection.py",
    "deploy/vllm_cpu/numa_library.*": "tests/unit/scripts/test_numa_library.py",
    "deploy/vllm_cpu/torchvision_operators.*": "tests/unit/scripts/test_torchvision_operators.py",
    # --- For users' own programs ---
    "deploy/client/*": "tests/contract/test_socket.py",
    # --- Measuring ---
    "deploy/benchmark/*": "tests/contract/test_benchmark.py",
    "deploy/stand_in_model/*": "tests/contract/test_benchmark.py",
    "deploy/privacy_check/*": "tests/unit/privacy_check",
    "deploy/monitor/*": "tests/e2e/test_monitor.py",
    # --- What is installed ---
    "deploy/requirements/vllm-cuda.*": "tests/unit/scripts/test_vllm_requirements.py",
    "deploy/requirements/vllm-rocm.txt": "tests/contract/test_vllm_install.py",
    "deploy/requirements/*": "tests/unit/scripts/test_locks.py",
    # --- Scripts ---
    "scripts/benchmark.py": "tests/contract/test_benchmark.py",
    "scripts/check_hardware.sh": "tests/unit/hardware/test_cli.py",
    "scripts/convert_model.py": "tests/e2e/test_converted_models.py",
    "scripts/lib/convert_environment.sh": "scripts/test.sh",
    "scripts/download_model.sh": "tests/unit/models/test_download.py",
    "scripts/lock.sh": "tests/unit/scripts/test_locks.py",
    "scripts/measure_privacy.py": "tests/unit/privacy_check",
    "scripts/monitor.py": "tests/e2e/test_monitor.py",
    "scripts/quickstart.sh": EVERY_STACK,
    "scripts/lib/model.sh": "tests/e2e/test_real_model.py",
    "scripts/lib/*": EVERY_STACK,
    "scripts/release.sh": "tests/unit/scripts/test_release.py",
    "scripts/start_vllm_server.sh": "tests/vllm_server.py",
    "scripts/start_web_server.sh": EVERY_STACK,
    "scripts/test.sh": ".ci/run",
}
DOCUMENTS = ("*.md", "*/__init__.py")


def shipped() -> list[str]:
    listing = ["git", "ls-files", "deploy", "scripts"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        name
        for name in files.splitlines()
        if not any(fnmatch(name, pattern) for pattern in DOCUMENTS)
    ]


def pattern_of(name: str) -> str | None:
    """Return the first pattern that has the file."""
    return next((pattern for pattern in TESTED_BY if fnmatch(name, pattern)), None)


def test_each_file_has_its_test():
    assert [name for name in shipped() if pattern_of(name) is None] == []


def test_no_line_is_left_over():
    assert TESTED_BY.keys() == {pattern_of(name) for name in shipped()}


@pytest.mark.parametrize("test", sorted(set(TESTED_BY.values())))
def test_each_test_is_there(test: str):
    path = ROOT / test
    assert path.is_file() or any(path.glob("test_*.py"))
