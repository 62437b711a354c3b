"""``python -m tests.fresh_host [SUITE]``: from an empty Debian to the first answer, in minutes.

Makes a minimal Debian (``mmdebstrap``), clones this repository into it, boots it by systemd-nspawn,
runs ``deploy/install.sh --model demo``, and asks a question over a camera of its own. It takes a
network, 8 GB of disk and root, and is too much for the suite. Folders that its pip should find are
named by ``FRESH_HOST_SEES=/srv/wheels:/etc/pip.conf``.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.booted import BootedHost, why_not
from tests.camera_client import CameraClient
from tests.ports import free_port
from tests.scenes import picture
from tests.stack import ROOT

PACKAGES = "systemd-sysv,dbus,ca-certificates,procps"


def make_debian(root: Path, *, suite: str) -> None:
    """Make a minimal system with this repository's last commit in /srv/qwencam."""
    options = ["--variant=minbase", f"--include={PACKAGES}", suite, str(root)]
    subprocess.run(["mmdebstrap", "--quiet", *options], check=True)
    clone = ["git", "clone", "--quiet", str(ROOT), str(root / "srv" / "qwencam")]
    subprocess.run(clone, check=True)


async def first_answer(url: str, *, password: str) -> str:
    """Return what is answered about a drawn red circle."""
    credentials = {"username": "operator", "password": password}
    token = httpx.post(f"{url}/api/token", json=credentials, timeout=60).json()
    async with CameraClient(url, token) as camera:
        await camera.start_camera(picture("red circle middle"))
        await camera.wait_for("stream", state="connected")
        return str((await camera.ask("What do you see?")).get("text"))


def main() -> None:
    """Time the installation and the first answer."""
    if problem := why_not():
        sys.exit(problem)
    with tempfile.TemporaryDirectory(prefix="qwencam-fresh-host-") as folder:
        host = BootedHost(Path(folder), whole=True)
        host.root.mkdir()
        make_debian(host.root, suite=sys.argv[1] if len(sys.argv) > 1 else "bookworm")
        seen = filter(None, os.environ.get("FRESH_HOST_SEES", "").split(":"))
        host.see({path: Path(path) for path in seen})
        try:
            host.boot()
            print(host.run("cat", "/etc/os-release").stdout.splitlines()[0], flush=True)
            port, began = free_port(), time.monotonic()
            install = ("/srv/qwencam/deploy/install.sh", "--model", "demo")
            ports = {"VLLM_PORT": str(free_port())}
            output = host.run(*install, "--web-ports", str(port), timeout=3600, **ports).stdout
            installed = time.monotonic()
            print(output)
            found = re.search(r"operator operator: password (\S+)", output)
            assert found
            answer = asyncio.run(first_answer(f"http://127.0.0.1:{port}", password=found[1]))
            answered = time.monotonic()
        finally:
            host.end()
    print(f"Installed in {(installed - began) / 60:.1f} minutes.")
    print(f"First answer ({answer}) after {(answered - began) / 60:.1f} minutes.")


if __name__ == "__main__":
    main()
