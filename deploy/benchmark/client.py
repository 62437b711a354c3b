"""The benchmark's camera users, in a process of their own so that their work is not the server's.

    python -m deploy.benchmark.client '{"role": "ask", "urls": […]}'

Prints JSON lines; ends when its work is done, or (role `hold`) when standard input closes. Roles:
`ask` (one timecoded stream, question after question), `crowd` (many users asking at once), `flood`
(some asking one question each beside one who asks many), `hold` (many streams of a clip encoded
beforehand, with a live prompt if wanted), `churn` (connect and disconnect).
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from deploy.benchmark.children import PASSWORD_VARIABLE
from deploy.benchmark.pictures import SHAPES, ClipTrack, TimecodedTrack, encoded_clip
from deploy.client import Camera, Message, Refused, open_session

ANSWER_SECONDS = 60.0
LEAD_SECONDS = 0.2
"""How long a flood has been asked before others ask."""

TOGETHER = 4


def tell(**fields: object) -> None:
    """Print one line."""
    print(json.dumps(fields), flush=True)


@asynccontextmanager
async def user(
    config: dict[str, Any], on_message: Callable[[Message, float], None], *, number: int = 0
) -> AsyncIterator[Camera]:
    """A user as the command line says; its number picks among several web servers."""
    url = config["urls"][number % len(config["urls"])]
    async with (
        open_session(url, username=config["username"], password=config["password"]) as session,
        Camera(session, on_message=on_message) as camera,
    ):
        yield camera


class Asker:
    """Asks one question after the other and notes when what came."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._open: dict[str, dict[str, Any]] = {}
        self._done: dict[str, asyncio.Event] = {}

    def hear(self, message: Message, at: float) -> None:
        """Take a message of the server."""
        note = self._open.get(message.get("id", ""))
        if note is None:
            return
        if message["type"] in ("token", "response"):
            note.setdefault("first_at", at)
        if message["type"] == "response":
            note.update(ended_at=at, frame=message["frame"], usage=message["usage"])
        elif message["type"] == "error":
            note.update(error=message["error"])
        if message["type"] in ("response", "error"):
            self._done[message["id"]].set()

    async def run(self) -> None:
        """Ask all questions."""
        shape = SHAPES[self._config["shape"]]
        async with user(self._config, self.hear) as camera:
            await camera.stream(TimecodedTrack(shape), codec=self._config["codec"])
            await asyncio.sleep(self._config["beats"])
            tell(ready=True)
            for number in range(self._config["questions"]):
                await asyncio.sleep(random.uniform(*self._config["pause"]))
                await self.ask(camera, f"{self._config['name']}-{number}")

    async def run_with(self, clip: list[bytes], ready: asyncio.Barrier) -> None:
        """Ask all questions, without a pause unless one is wanted, once all users are ready."""
        shape = SHAPES[self._config["shape"]]
        async with user(self._config, self.hear) as camera:
            await camera.stream(ClipTrack(clip, shape.framerate))
            await ready.wait()
            for number in range(self._config["questions"]):
                await asyncio.sleep(random.uniform(*self._config.get("pause", (0.0, 0.0))))
                await self.ask(camera, f"{self._config['name']}-{number}")
            await ready.wait()

    async def ask(self, camera: Camera, mark: str) -> None:
        """Ask one question and tell when what of its answer came."""
        note: dict[str, Any] = {"mark": mark}
        self._open[mark], self._done[mark] = note, asyncio.Event()
        text = f"{self._config.get('text', 'What do you see?')} [{mark}]"
        note["sent_at"] = time.time()
        await camera.send(type="chat", id=mark, content=text)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._done[mark].wait()
        except TimeoutError:
            note["error"] = "no_answer"
        del self._open[mark]
        tell(**note)


async def ask(config: dict[str, Any]) -> None:
    """Ask with one camera."""
    await Asker(config).run()


async def hold(config: dict[str, Any]) -> None:
    """Keep streams open until standard input closes."""
    shape, codec = SHAPES[config["shape"]], config["codec"]
    clip = encoded_clip(shape, codec=codec)
    answers = 0

    def hear(message: Message, at: float) -> None:
        nonlocal answers
        answers += message["type"] == "live"

    async with AsyncExitStack() as open_users:
        for number in range(config["streams"]):
            camera = await open_users.enter_async_context(user(config, hear, number=number))
            await camera.stream(ClipTrack(clip, shape.framerate), codec=codec)
            if config.get("live"):
                await camera.send(type="live", prompt="What do you see?", rate=config["live"])
            tell(open=True)
        tell(ready=True)
        began = time.monotonic()
        await asyncio.to_thread(sys.stdin.read)
        tell(live_answers=answers, seconds=time.monotonic() - began)


async def crowd(config: dict[str, Any]) -> None:
    """Ask with many users at once, each one question after the other, all from the same start."""
    ready = asyncio.Barrier(config["questioners"])
    clip = encoded_clip(SHAPES[config["shape"]])
    async with asyncio.TaskGroup() as group:
        for number in range(config["questioners"]):
            asker = Asker({**config, "name": f"{config['name']}-{number}"})
            group.create_task(asker.run_with(clip, ready))


async def flood(config: dict[str, Any]) -> None:
    """Ask one question with each of some askers, first alone, then beside one who asks many."""
    clip = encoded_clip(SHAPES[config["shape"]])
    async with AsyncExitStack() as open_users:
        askers = []
        for _ in range(1 + config["others"]):
            asker = Asker(config)
            camera = await open_users.enter_async_context(user(config, asker.hear))
            await camera.stream(ClipTrack(clip, SHAPES[config["shape"]].framerate))
            askers.append((asker, camera))
        flooder, *others = askers

        async def each_asks(kind: str) -> None:
            await asyncio.gather(
                *(asker.ask(camera, f"{kind}-{n}") for n, (asker, camera) in enumerate(others))
            )

        await each_asks("warm")
        await each_asks("alone")
        asker, camera = flooder
        async with asyncio.TaskGroup() as group:
            for number in range(config["flood"]):
                group.create_task(asker.ask(camera, f"flood-{number}"))
            await asyncio.sleep(LEAD_SECONDS)
            await each_asks("beside")


async def churn(config: dict[str, Any]) -> None:
    """Connect and disconnect again and again, a few at a time."""
    shape = SHAPES[config["shape"]]
    clip = encoded_clip(shape, seconds=1)
    room = asyncio.Semaphore(TOGETHER)

    async def once() -> None:
        async with room, user(config, lambda message, at: None) as camera:
            await camera.stream(ClipTrack(clip, shape.framerate))
        tell(open=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(config["times"]):
            group.create_task(once())


def main() -> None:
    """Do what the command line's JSON says."""
    config = {"password": os.environ.get(PASSWORD_VARIABLE, ""), **json.loads(sys.argv[1])}
    roles: dict[str, Callable[[dict[str, Any]], Coroutine[Any, Any, None]]] = {
        "ask": ask,
        "crowd": crowd,
        "flood": flood,
        "hold": hold,
        "churn": churn,
    }
    try:
        asyncio.run(roles[config["role"]](config))
    except* (Refused, OSError, httpx.HTTPError) as errors:
        sys.exit(f"A benchmark client could not go on: {_first(errors)}")


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    main()
