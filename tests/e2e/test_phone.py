"""A phone in the same network, a minute after the clone: `quickstart.sh --https`.

The browser runs in a network namespace of its own, trusts the authority that the quickstart made as
its user would, and finds page, WebSocket and media by the printed address.
"""

import os
import re
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from deploy.stand_in_model import Script, StandInModel
from tests.e2e.browser import ask, log_in
from tests.e2e.phone import PHONE, browser_of
from tests.phone_network import Device, two_devices
from tests.stack import Stack

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces")


@pytest.fixture(scope="module")
def devices() -> Iterator[tuple[Device, Device]]:
    with two_devices() as devices:
        yield devices


@pytest.fixture(scope="module")
def home(devices: tuple[Device, Device]) -> Device:
    return devices[0]


@pytest.fixture(scope="module")
def model(home: Device) -> Iterator[StandInModel]:
    """A model server on the platform's device."""
    model = home.call(StandInModel)
    model.script = Script(tokens=["A ", "star."])
    model.start()
    yield model
    model.stop()


@pytest.fixture(scope="module")
def stack(
    home: Device, model: StandInModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    data = tmp_path_factory.mktemp("phone") / "data"
    stack = Stack(data, "--https", VLLM_BASE_URL=model.base_url)
    stack.prefix = home.prefix
    stack.start(patience=300)
    yield stack
    assert stack.stop() == []


@pytest.fixture(scope="module")
def url(home: Device, stack: Stack) -> str:
    return f"https://{home.address}:{stack.port}"


@pytest.fixture
def phone(devices: tuple[Device, Device], stack: Stack, tmp_path: Path) -> Iterator[Page]:
    """Chromium at the other end, whose user has trusted the downloaded authority."""
    authority = stack.data_dir / "https" / "authority.crt"
    with browser_of(devices[1], trusting=authority, folder=tmp_path) as browser:
        yield browser.new_context(**PHONE).new_page()


def test_its_camera_is_answered(phone: Page, url: str):
    log_in(phone, url)
    assert phone.evaluate("isSecureContext")
    phone.get_by_test_id("start-camera").click()
    expect(phone.get_by_test_id("stop-camera")).to_be_visible()
    assert ask(phone, "What do you see?") == "A star."


def test_it_is_told_where_to_go_and_whom_to_trust(home: Device, stack: Stack, url: str):
    said = stack.output.read_text()
    (address,) = re.findall(r"^Phone  (https://\S+/)$", said, re.MULTILINE)
    assert f"Open   {address}" in said
    assert "▀" in said  # The QR code.
    authority = stack.data_dir / "https" / "authority.crt"
    told = subprocess.run(
        ["openssl", "x509", "-in", authority, "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip().partition("=")[2] in said
    trusting = ssl.create_default_context(cafile=authority)
    for place in (address, f"{url}/", f"https://localhost:{stack.port}/"):
        downloaded = home.call(
            partial(httpx.get, f"{place}authority.crt", verify=trusting, trust_env=False)
        )
        assert downloaded.content == authority.read_bytes()
        assert downloaded.headers["Content-Type"] == "application/x-x509-ca-cert"


def test_keys_are_their_users_alone(stack: Stack):
    modes = {
        file.name: file.stat().st_mode & 0o777 for file in (stack.data_dir / "https").iterdir()
    }
    assert (modes["authority.key"], modes["site.key"]) == (0o600, 0o600)
