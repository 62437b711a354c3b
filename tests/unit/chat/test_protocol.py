"""The socket's vocabulary: what is valid is built, all else is one clear error."""

import json

import pytest

from apps.chat import protocol
from apps.contract import Refusal


def parse(**data: object) -> protocol.ClientMessage:
    return protocol.parse(json.dumps(data), new_id="new")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"type": "chat", "content": "Hi", "id": "1"}, protocol.Chat(content="Hi", id="1")),
        ({"type": "chat", "content": "Hi"}, protocol.Chat(content="Hi", id="new")),
        (
            {"type": "chat", "content": "Hi", "keep_frame": True},
            protocol.Chat(content="Hi", id="new", keep_frame=True),
        ),
        (
            {"type": "chat", "content": "Hi", "frame": "0"},
            protocol.Chat(content="Hi", id="new", frame="0"),
        ),
        ({"type": "cancel", "id": "1"}, protocol.Cancel(id="1")),
        ({"type": "resume", "id": "1", "after": 3}, protocol.Resume(id="1", after=3)),
        ({"type": "offer", "sdp": "v=0"}, protocol.Offer(sdp="v=0")),
        ({"type": "candidate", "candidate": None}, protocol.Candidate(candidate=None)),
        ({"type": "live", "prompt": "?", "rate": 1}, protocol.Live(prompt="?", rate=1)),
        ({"type": "live_stop"}, protocol.LiveStop()),
        ({"type": "ping", "unknown": 1}, protocol.Ping()),
        ({"type": "ping", "echo": 5, "held": 0.5}, protocol.Ping(echo=5, held=0.5)),
    ],
)
def test_a_valid_message_is_built(data: dict, message: protocol.ClientMessage):
    assert parse(**data) == message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("[" * 100_000, "bad_json"),
        ("{}", "unknown_type"),
        ('{"type": "upload"}', "unknown_type"),
        ('{"type": ["chat"]}', "unknown_type"),
        ('{"type": "chat"}', "bad_request"),
        ('{"type": "chat", "content": ""}', "bad_request"),
        ('{"type": "chat", "content": "  "}', "bad_request"),
        ('{"type": "chat", "content": 5}', "bad_request"),
        ('{"type": "chat", "content": "x", "id": 5}', "bad_request"),
        ('{"type": "chat", "content": "x", "id": ""}', "bad_request"),
        ('{"type": "chat", "content": "x", "id": "a\\nb"}', "bad_request"),
        ('{"type": "chat", "content": "x", "keep_frame": 1}', "bad_request"),
        ('{"type": "chat", "content": "x", "frame": 5}', "bad_request"),
        ('{"type": "chat", "content": "x", "frame": ""}', "bad_request"),
        ('{"type": "cancel"}', "bad_request"),
        ('{"type": "resume", "id": "1", "after": -1}', "bad_request"),
        ('{"type": "resume", "id": "1", "after": true}', "bad_request"),
        ('{"type": "offer", "sdp": 1}', "bad_request"),
        ('{"type": "live", "prompt": "x", "rate": 0}', "bad_request"),
        ('{"type": "live", "prompt": "x", "rate": 1e9}', "bad_request"),
        ('{"type": "candidate", "candidate": 1}', "bad_request"),
        ('{"type": "ping", "echo": "5"}', "bad_request"),
        ('{"type": "ping", "held": true}', "bad_request"),
    ],
)
def test_an_invalid_message_is_one_clear_error(text: str, code: str):
    with pytest.raises(Refusal) as caught:
        protocol.parse(text, new_id="new")
    assert caught.value.code == code
    assert caught.value.detail.endswith(".")


def test_an_error_names_the_question_it_belongs_to():
    with pytest.raises(Refusal) as caught:
        parse(type="chat", content="", id="q1")
    assert caught.value.id == "q1"


def test_what_is_absent_is_left_out_on_the_wire():
    wire = json.loads(protocol.to_wire(protocol.Error(error="busy", detail="Wait.")))
    assert wire == {"type": "error", "error": "busy", "detail": "Wait."}


def test_text_goes_out_as_it_is():
    message = protocol.Token(id="1", seq=2, text="«красный» 🔴")
    assert json.loads(protocol.to_wire(message))["text"] == "«красный» 🔴"


def test_a_ping_that_echoes_the_last_pong_tells_the_round_trip():
    pong_at, now = 1_000_000.0, 1005.03
    assert protocol.Ping(echo=pong_at, held=5000.0).round_trip(now=now) == pytest.approx(0.03)
    assert protocol.Ping().round_trip(now=now) is None
    assert protocol.Ping(echo=pong_at).round_trip(now=now) is None


@pytest.mark.parametrize(
    "text",
    [
        r'{"type":"chat","content":"\ud800 hi"}',
        r'{"type":"live","prompt":"\udfff"}',
        '{"type":"resume","id":"a","after":100000000000000000000}',
        '{"type":"ping","echo":1e400,"held":1}',
        '{"type":"ping","echo":NaN,"held":1}',
        f'{{"type":"ping","echo":{"9" * 400},"held":1}}',
    ],
)
def test_what_json_can_say_and_nobody_can_use_is_refused(text: str):
    with pytest.raises(Refusal) as refusal:
        protocol.parse(text, new_id="new")
    assert refusal.value.code == "bad_request"


@pytest.mark.parametrize("kind", ["chat", "cancel", "resume"])
@pytest.mark.parametrize("name", ["\ud800", "\x00", "", "x" * 65, 5])
def test_an_id_that_is_none_is_not_said_back(kind: str, name: object):
    with pytest.raises(Refusal, match="id must be") as refusal:
        parse(type=kind, id=name, content="What?")
    assert refusal.value.id is None


def test_what_a_message_lacks_is_named_for_its_asker():
    with pytest.raises(Refusal) as failure:
        parse(type="chat", id="z")
    assert failure.value.id == "z"
    assert failure.value.detail == "A message of type chat needs content."
    with pytest.raises(Refusal, match=r"^frame must be"):
        parse(type="chat", content="x", frame=5)
