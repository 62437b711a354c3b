"""What a stream is read as: whatever the wire's cuts, the same events."""

import pytest

from apps.contract import Refusal
from apps.inference.completion import MAX_EVENT_BYTES, Chunk, EventReader

STREAM = b': hi\n\ndata: {"a":1}\n\nevent: x\r\ndata: b\r\ndata:c\r\n\r\nid: 3\n\ndata: [DONE]\n\n'
EVENTS = [b'{"a":1}', b"b\nc", b"[DONE]"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_cuts_do_not_matter(size):
    reader = EventReader()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


def test_an_unfinished_event_is_kept_back():
    assert EventReader().feed(b"data: x\n") == []


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: " + b"x" * 65_536 + b"\n"])
def test_an_event_has_a_bound(piece):
    reader = EventReader()
    with pytest.raises(Refusal) as error:
        for _ in range(MAX_EVENT_BYTES // 65_536 + 1):
            reader.feed(piece)
    assert error.value.code == "model_error"


def test_what_a_later_chunk_does_not_say_stands():
    chunks = [Chunk("yes", finish_reason="stop"), Chunk(prompt_tokens=7), Chunk("no")]
    last = Chunk()
    for chunk in chunks:
        last = last.followed_by(chunk)
    assert last == Chunk(finish_reason="stop", prompt_tokens=7)
