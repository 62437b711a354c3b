"""Ways of releasing frames, compared: how old a frame is when it has been decoded, and how long
who wants a new one waits for it.

No platform: a peer connection of the media path in this process, a sender in another (aiortc) or in
Chromium. Loss and reordering happen where packets come in here, so every sender meets the same.
"""

import asyncio
import contextlib
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from aiortc.rtcdtlstransport import RTCDtlsTransport

from apps.contract import Refusal
from apps.frames.types import RawFrame
from apps.streaming import receiving
from apps.streaming.config import MediaConfig
from apps.streaming.host import MediaHost
from apps.streaming.peer import PeerSession
from deploy.benchmark import timecode
from deploy.benchmark.children import ROOT, Child
from deploy.benchmark.figures import spread
from deploy.benchmark.gated import GatedInbox, gated_decoder

Progress = Callable[[str, int, int], None]

FRAMERATES: Final = (30, 10, 5, 2)
FRAMES: Final = 25
MAX_SECONDS: Final = 8.0
MAX_PAUSE_SECONDS: Final = 0.1
KEYFRAME_PAUSE_SECONDS: Final = 0.5
"""Between wishes that ask for keyframes: Chromium makes none within 300 ms of the last."""

_SETTLE_SECONDS: Final = 1.5


@dataclass(frozen=True)
class Network:
    """What happens to packets on the way in."""

    name: str
    loss: float = 0.0
    swap: float = 0.0


NETWORKS: Final = (
    Network("no loss"),
    Network("3 % loss", loss=0.03),
    Network("5 % swapped", swap=0.05),
)


@contextlib.contextmanager
def _spoiled(network: Network) -> Iterator[None]:
    """Lose and swap incoming RTP packets from now on."""
    dice = random.Random(3)
    take = RTCDtlsTransport._handle_rtp_data
    held: list[tuple[bytes, int]] = []

    async def spoil(self: RTCDtlsTransport, data: bytes, arrival_time_ms: int) -> None:
        if dice.random() < network.loss:
            return
        if not held and dice.random() < network.swap:
            held.append((data, arrival_time_ms))
            return
        await take(self, data, arrival_time_ms)
        if held:
            await take(self, *held.pop())

    with patch.object(RTCDtlsTransport, "_handle_rtp_data", spoil):
        yield


@contextlib.contextmanager
def _release(kind: str) -> Iterator[None]:
    """Use aiortc's own jitter buffer for "stock", a decoder that is mostly shut for "gated"."""
    if kind == "stock":
        with patch.object(receiving, "TESTED_AIORTC", ()):
            yield
    elif kind == "gated":
        with gated_decoder():
            yield
    else:
        yield


@contextlib.asynccontextmanager
async def _aiortc_sender(host: MediaHost, framerate: int) -> AsyncIterator[None]:
    async with Child("sender", {"framerate": framerate}) as sender:
        offer = await sender.note_with("offer")
        await sender.say({"answer": await host.accept("s", offer["offer"])})
        yield


_CHROMIUM_OFFER: Final = """async (framerate) => {
    const [track] = timecodeCamera({width: 640, height: 360}).getVideoTracks();
    const peer = window.peer = new RTCPeerConnection();
    peer.addTransceiver(track, {
        direction: "sendonly",
        sendEncodings: [{maxFramerate: framerate, maxBitrate: 1_000_000}],
    });
    await peer.setLocalDescription();
    return peer.localDescription.sdp;
}"""
_CHROMIUM_ANSWER: Final = "(sdp) => peer.setRemoteDescription({type: 'answer', sdp})"


@contextlib.asynccontextmanager
async def _chromium_sender(host: MediaHost, framerate: int) -> AsyncIterator[None]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page()
        camera = ROOT / "deploy" / "benchmark" / "canvas_camera.js"
        await page.add_script_tag(content=camera.read_text())
        offer = await page.evaluate(_CHROMIUM_OFFER, framerate)
        await page.evaluate(_CHROMIUM_ANSWER, await host.accept("s", offer))
        yield
        await browser.close()


RELEASES: Final = ("stock", "marker", "gated")
SENDERS: Final = {"aiortc": _aiortc_sender, "Chromium": _chromium_sender}


async def compare_releases(progress: Progress, *, chromium: bool) -> list[dict[str, Any]]:
    """Return one row for each sender, release, frame rate and network."""
    senders = ["aiortc", "Chromium"] if chromium and shutil.which("chromium") else ["aiortc"]
    cells = [
        (sender, release, framerate, network)
        for sender in senders
        for release in RELEASES
        for framerate in FRAMERATES
        for network in NETWORKS
    ]
    rows = []
    for number, (sender, release, framerate, network) in enumerate(cells):
        with _release(release):
            rows.append(await _measure(sender, release, framerate, network))
        progress("ways of releasing frames", number + 1, len(cells))
    return rows


async def _measure(sender: str, release: str, framerate: int, network: Network) -> dict[str, Any]:
    host = MediaHost(MediaConfig())
    ages: list[int] = []
    waits: list[float] = []
    damaged = 0
    try:
        async with SENDERS[sender](host, framerate):
            peer = host.require("s")
            await peer.capture(max_age=1.0, timeout=15.0)
            await asyncio.sleep(_SETTLE_SECONDS)
            with _spoiled(network):
                async for frame, decoded_at, waited in _frames(peer):
                    waits.append(waited * 1000)
                    age = _age(frame, decoded_at)
                    damaged += age is None
                    ages += [] if age is None else [age]
    finally:
        await host.aclose()
    return {
        "sender": sender,
        "release": release,
        "framerate": framerate,
        "network": network.name,
        "age_ms": spread(ages),
        "wait_ms": spread(waits),
        "damaged": damaged,
    }


async def _frames(peer: PeerSession) -> AsyncIterator[tuple[RawFrame, float, float]]:
    """Wish for new frames at odd moments; yield each, when it was decoded, and the wait for it."""
    dice = random.Random(5)
    inbox = peer._inbox
    gate = inbox if isinstance(inbox, GatedInbox) else None
    deadline = time.monotonic() + MAX_SECONDS
    for _ in range(FRAMES):
        if time.monotonic() > deadline:
            return
        if gate is not None:
            gate.shut()
            await asyncio.sleep(KEYFRAME_PAUSE_SECONDS)
        await asyncio.sleep(dice.uniform(0.0, MAX_PAUSE_SECONDS))
        wished_at = time.monotonic()
        if gate is not None:
            gate.open()
        try:
            frame = await peer.capture(max_age=0.0, timeout=5.0)
        except Refusal:
            continue
        yield frame, time.time(), time.monotonic() - wished_at


def _age(frame: RawFrame, decoded_at: float) -> int | None:
    luma = frame.image.reformat(format="gray").to_ndarray().astype(np.uint8)
    try:
        return timecode.age_ms(timecode.read(luma), at=decoded_at)
    except timecode.Unreadable:
        return None
