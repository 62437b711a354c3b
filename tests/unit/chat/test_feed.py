"""Delivery to one socket: in order, without a gap, whatever the channel layer drops."""

import asyncio

import pytest
from redis.asyncio import Redis

from apps.chat.fairness import FairQueue
from apps.chat.feed import AnswerFeed
from apps.chat.protocol import Error, LiveText, Response, Token
from apps.chat.questions import NewQuestion, QuestionStore, State

OUTCOME = {
    "inference_time": 0.5,
    "ttft": 0.1,
    "frame": {"age_ms": 5, "width": 448, "height": 336, "captured_at": 1},
    "usage": {"prompt_tokens": 1, "completion_tokens": 2},
}


@pytest.fixture
async def questions(redis: Redis) -> QuestionStore:
    store = QuestionStore(redis, ttl=60)
    await store.create(NewQuestion(session_id="s", id="q", text="What?", asker="ann"))
    await take(store, "q")
    return store


async def take(store: QuestionStore, question_id: str) -> None:
    """Claim a question as a worker does."""
    turns = FairQueue(store.redis, grace=60, ttl=60)
    await turns.push("s", question_id, frame_id=question_id)
    taken = await turns.take(worker="w", lease_ms=60_000, now=1.0, per_asker=99)
    assert taken is not None
    assert taken.id == question_id


@pytest.fixture
def feed(questions: QuestionStore) -> AnswerFeed:
    feed = AnswerFeed("s", questions=questions)
    feed.follow("q")
    return feed


async def write(questions: QuestionStore, *texts: str) -> None:
    begun = len(await questions.batches("s", "q", after=0))
    for seq, text in enumerate(texts, start=begun + 1):
        await questions.append("s", "q", attempt=1, seq=seq, text=text)


async def test_batches_in_order_pass_through(questions: QuestionStore, feed: AnswerFeed):
    await write(questions, "A", " red")
    assert await feed.on_batch("q", seq=1, text="A") == [Token(id="q", seq=1, text="A")]
    assert await feed.on_batch("q", seq=2, text=" red") == [Token(id="q", seq=2, text=" red")]


async def test_a_dropped_event_is_made_good_by_the_next(questions: QuestionStore, feed: AnswerFeed):
    await write(questions, "A", " red", " star")
    sent = await feed.on_batch("q", seq=3, text=" star")
    assert [(token.seq, token.text) for token in sent] == [(1, "A"), (2, " red"), (3, " star")]


async def test_a_doubled_event_sends_nothing(questions: QuestionStore, feed: AnswerFeed):
    await write(questions, "A")
    await feed.on_batch("q", seq=1, text="A")
    assert await feed.on_batch("q", seq=1, text="A") == []


async def test_the_end_brings_what_was_dropped_and_the_whole_text(
    questions: QuestionStore, feed: AnswerFeed
):
    await write(questions, "A", " red", " star")
    await questions.finish("s", "q", state=State.DONE, outcome=OUTCOME)
    *tokens, response = await feed.on_finished("q")
    assert [token.seq for token in tokens] == [1, 2, 3]
    assert response == Response(id="q", text="A red star", **OUTCOME)
    assert await feed.on_finished("q") == []


async def test_a_2000_token_answer_is_whole_when_every_event_but_the_last_is_dropped(
    questions: QuestionStore, feed: AnswerFeed
):
    texts = [f"{number} " for number in range(2000)]
    await write(questions, *texts)
    await questions.finish("s", "q", state=State.DONE, outcome=OUTCOME)
    *tokens, response = await feed.on_finished("q")
    assert [token.seq for token in tokens] == list(range(1, 2001))
    assert "".join(token.text for token in tokens) == response.text == "".join(texts)


async def test_resume_sends_what_came_after(questions: QuestionStore):
    feed = AnswerFeed("s", questions=questions)
    await write(questions, "A", " red")
    assert [m.seq for m in await feed.resume("q", after=1)] == [2]
    await write(questions, " star")
    assert [m.seq for m in await feed.on_batch("q", seq=3, text=" star")] == [3]


async def test_resume_of_an_unknown_question_says_so(questions: QuestionStore):
    feed = AnswerFeed("stranger", questions=questions)
    (error,) = await feed.resume("q", after=0)
    assert isinstance(error, Error)
    assert (error.id, error.error) == ("q", "unknown_question")


async def test_a_failure_is_told_once(questions: QuestionStore, feed: AnswerFeed):
    outcome = {"error": "model_unavailable", "detail": "Down."}
    await questions.finish("s", "q", state=State.FAILED, outcome=outcome)
    assert await feed.on_finished("q") == [Error(id="q", **outcome)]
    assert await feed.on_finished("q") == []


async def test_an_answer_nobody_follows_is_not_sent(questions: QuestionStore):
    feed = AnswerFeed("s", questions=questions)
    await write(questions, "A")
    assert await feed.on_batch("q", seq=1, text="A") == []


async def test_a_live_answer_comes_whole(questions: QuestionStore):
    await questions.create(
        NewQuestion(session_id="s", id="l", text="What?", asker="ann", live=True)
    )
    feed = AnswerFeed("s", questions=questions)
    feed.follow("l")
    outcome = {**OUTCOME, "text": "A red star."}
    await take(questions, "l")
    await questions.finish("s", "l", state=State.DONE, outcome=outcome)
    (message,) = await feed.on_finished("l")
    assert message == LiveText(text="A red star.", inference_time=0.5, frame=OUTCOME["frame"])


async def test_an_end_is_told_once_whoever_asks_at_the_same_time(
    questions: QuestionStore, feed: AnswerFeed
):
    await write(questions, "A")
    await questions.finish("s", "q", state=State.DONE, outcome=OUTCOME)
    told = await asyncio.gather(*(feed.on_finished("q") for _ in range(5)))
    assert sorted(len(messages) for messages in told) == [0, 0, 0, 0, 2]


async def test_what_is_dropped_while_it_is_looked_up_is_not_told(
    questions: QuestionStore, feed: AnswerFeed
):
    await write(questions, "A")
    telling = asyncio.create_task(feed.on_finished("q"))
    await asyncio.sleep(0)
    feed.drop("q")
    assert await telling == []
    assert feed.followed == []
