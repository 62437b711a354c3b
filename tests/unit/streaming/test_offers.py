"""Which offers are answered.

Guards: video only, one track, VP8 or H.264; no remote candidate survives, wherever and however
it is written (aioice would send checks to private addresses); hostile texts get a clear error
quickly, whatever exception aiortc's parser would raise.
"""

import contextlib
import random
import time

import pytest
from aiortc.sdp import SessionDescription

from apps.contract import Refusal
from apps.streaming.offers import MAX_OFFER_BYTES, vet_offer
from tests.unit.streaming.camera import stand_in_offer


@pytest.fixture
async def offer() -> str:
    return await stand_in_offer()


def refusal(sdp: str) -> str:
    with pytest.raises(Refusal) as refused:
        vet_offer(sdp)
    assert refused.value.detail.endswith(".")
    return refused.value.code


def media(sdp: str) -> str:
    """The media section of a one-track offer."""
    return sdp[sdp.index("m=") :]


def test_a_cameras_offer_passes(offer: str):
    cleaned = SessionDescription.parse(vet_offer(offer))
    assert [m.kind for m in cleaned.media] == ["video"]


@pytest.mark.parametrize(
    "line",
    [
        "a=candidate:1 1 udp 2130706431 10.0.0.1 22 typ host",
        "a=candidate:1 1 udp 2130706431 printer.local 9100 typ host",
        "a=end-of-candidates",
        "A=CANDIDATE:1 1 udp 2130706431 10.0.0.1 22 typ host",
        "a=remote-candidates:1 10.0.0.1 22",
    ],
)
@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
@pytest.mark.parametrize("place", ["session", "media"])
def test_no_candidate_survives(offer: str, line: str, line_end: str, place: str):
    before = offer.index("m=") if place == "session" else len(offer)
    cleaned = vet_offer(offer[:before] + "a=x-note:1" + line_end + line + "\r\n" + offer[before:])
    assert "candidate" not in cleaned.lower()
    assert "10.0.0.1" not in cleaned
    parsed = SessionDescription.parse(cleaned)
    assert not parsed.media[0].ice_candidates
    assert not parsed.media[0].ice_candidates_complete


def test_audio_is_refused(offer: str):
    audio = media(offer).replace("m=video", "m=audio").replace("a=mid:0", "a=mid:1")
    assert refusal(offer + audio) == "audio_refused"
    assert refusal(offer.replace("m=video", "m=audio")) == "audio_refused"


def test_data_channels_are_refused(offer: str):
    channel = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"
    assert refusal(offer + channel) == "data_channel_refused"


def test_a_second_video_is_refused(offer: str):
    assert refusal(offer + media(offer).replace("a=mid:0", "a=mid:1")) == "too_many_tracks"


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_a_track_that_sends_nothing_is_no_video(offer: str, direction: str):
    assert refusal(offer.replace("a=sendonly", f"a={direction}")) == "video_missing"


def test_no_media_is_no_video(offer: str):
    assert refusal(offer[: offer.index("m=")]) == "video_missing"


def test_other_codecs_are_refused(offer: str):
    assert refusal(offer.replace("VP8/", "VP9/")) == "codec_unsupported"


@pytest.mark.parametrize("prefix", ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"])
def test_an_offer_needs_its_credentials(offer: str, prefix: str):
    kept = [line for line in offer.splitlines() if not line.startswith(prefix)]
    assert refusal("\r\n".join(kept) + "\r\n") == "offer_invalid"


def test_an_unknown_fingerprint_is_refused(offer: str):
    assert refusal(offer.replace("a=fingerprint:sha-", "a=fingerprint:md")) == "offer_invalid"


def test_too_large_an_offer_is_refused(offer: str):
    assert refusal(offer + "a=x:" + "y" * MAX_OFFER_BYTES) == "offer_too_large"
    assert refusal("v=0\r\n" + "ü" * (MAX_OFFER_BYTES // 2)) == "offer_too_large"


def test_an_offer_that_multiplies_in_the_parser_is_refused_at_once(offer: str):
    """2,000 codecs times 2,000 feedback lines would be four million objects."""
    bomb = offer + "a=rtpmap:99 a/1\r\n" * 1900 + "a=rtcp-fb:* b\r\n" * 1900
    started = time.thread_time()
    assert refusal(bomb) == "offer_invalid"
    assert time.thread_time() - started < 0.05


@pytest.mark.parametrize(
    "garbage",
    ["", " \r\n", "m=video", "m=video x y z", "\x00" * 100, "{}", "\ud800", "v=0\r\nm=\r\n"],
)
def test_garbage_is_refused(garbage: str):
    assert refusal(garbage) == "offer_invalid"


def test_a_mutilated_offer_passes_or_is_refused_but_never_crashes(offer: str):
    dice = random.Random(7)
    lines = offer.splitlines()
    for _ in range(500):
        mutant = list(lines)
        for _ in range(dice.randint(1, 4)):
            spot = dice.randrange(len(mutant))
            cut = dice.randint(0, len(mutant[spot]))
            mutant[spot] = dice.choice(["", mutant[spot][:cut], mutant[spot][cut:], "a=x y:z"])
        with contextlib.suppress(Refusal):
            vet_offer("\r\n".join(mutant) + "\r\n")
