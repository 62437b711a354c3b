"""The benchmark's gated decoder: shut, it lets nothing pass; a wish asks for a keyframe."""

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from apps.streaming.decoder import Resync
from apps.streaming.ledger import StreamLedger
from apps.streaming.receiving import Parcel
from deploy.benchmark.gated import GatedInbox

VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)


def parcel(number: int) -> Parcel:
    return VP8, JitterFrame(data=b"frame", timestamp=number)


def inbox() -> GatedInbox:
    return GatedInbox(ledger=StreamLedger(on_refused=lambda: None))


def taken(box: GatedInbox) -> JitterFrame:
    found = box.get()
    assert found is not None
    return found[1]


def test_what_comes_while_it_is_shut_is_dropped_and_a_wish_begins_anew():
    box = inbox()
    box.put(parcel(1))
    assert taken(box).timestamp == 1
    box.shut()
    box.put(parcel(2))
    box.open()
    box.put(parcel(3))
    assert isinstance(taken(box), Resync)
    assert taken(box).timestamp == 3


def test_an_open_one_asks_for_nothing():
    box = inbox()
    box.put(parcel(1))
    box.open()
    assert taken(box).timestamp == 1
    box.put(parcel(2))
    assert taken(box).timestamp == 2
