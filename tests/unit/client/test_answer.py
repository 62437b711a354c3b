"""The client's answers: whole and in order, whatever comes twice, late or not at all.

Also guards that the client can be taken: it imports nothing of the platform.
"""

import ast
import asyncio
import sys

import pytest

from deploy.client.answer import Answer
from deploy.client.errors import ConnectionLost, Refused
from deploy.client.feed import Feed
from tests.stack import ROOT

NEEDED = {"aiortc", "httpx", "websockets"}


def token(seq: int, text: str) -> dict:
    return {"type": "token", "id": "q", "seq": seq, "text": text}


async def texts(answer: Answer) -> list[str]:
    return [text async for text in answer]


async def test_batches_that_come_twice_or_too_early_are_not_taken():
    answer = Answer("q")
    assert not answer.take(token(1, "A "))
    assert not answer.take(token(1, "A "))
    assert answer.take(token(3, "star"))
    assert answer.last == 1
    assert not answer.take(token(2, "red "))
    assert not answer.take({"type": "response", "id": "q", "text": "A red star."})
    assert await texts(answer) == ["A ", "red ", "star."]
    assert answer.ended
    assert (await answer.whole())["text"] == "A red star."


async def test_an_error_comes_after_the_text_that_was_there():
    answer = Answer("q")
    answer.take(token(1, "A "))
    answer.take({"type": "error", "id": "q", "error": "cancelled", "detail": "Stopped."})
    iteration = aiter(answer)
    assert await anext(iteration) == "A "
    with pytest.raises(Refused, match="Stopped") as refused:
        await anext(iteration)
    assert refused.value.code == "cancelled"


async def test_a_lost_socket_wakes_who_waits_and_another_goes_on():
    answer = Answer("q")
    waiting = asyncio.create_task(answer.whole())
    await asyncio.sleep(0)
    answer.lose(ConnectionLost(1012))
    with pytest.raises(ConnectionLost, match="1012"):
        await waiting
    answer.resume()
    answer.take({"type": "response", "id": "q", "text": "Back."})
    assert await texts(answer) == ["Back."]


async def test_a_bounded_feed_keeps_the_newest():
    feed: Feed[int] = Feed(bound=1)
    feed.put(1)
    feed.put(2)
    feed.stop()
    assert [item async for item in feed] == [2]


def imported(source: str) -> set[str]:
    """Return the top packages that a module imports."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named = [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {
        name.partition(".")[0] for name in plain + named if not name.startswith("deploy.client")
    }


def test_nothing_of_the_platform_is_imported():
    modules = list((ROOT / "deploy" / "client").glob("*.py"))
    found = set().union(*(imported(module.read_text()) for module in modules))
    assert found - sys.stdlib_module_names == NEEDED
