"""Chromium on a phone that has trusted the platform's own authority."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

from tests.e2e.browser import QUIET, chromium_path
from tests.phone_network import Device

PHONE: Final[dict[str, Any]] = {
    "permissions": ["camera"],
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


@contextmanager
def browser_of(
    device: Device, *, trusting: Path, folder: Path, camera: Path | None = None
) -> Iterator[Browser]:
    """Run a browser there.

    Args:
        trusting: the authority's certificate, as downloaded from the platform.
        folder: where its profile is kept.
        camera: a clip it takes for its camera.
    """
    store = folder / ".pki" / "nssdb"
    store.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{store}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True, timeout=60)
    trust = ["-A", "-n", "QwenCam", "-t", "C,,", "-i", str(trusting)]
    subprocess.run([*certutil, *trust], check=True, timeout=60)
    arguments = [*QUIET, "--use-fake-device-for-media-stream"]
    if camera is not None:
        arguments.append(f"--use-file-for-fake-video-capture={camera}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=device.wrap(chromium_path(), folder=folder, HOME=str(folder)),
            args=arguments,
        )
        yield browser
        browser.close()
