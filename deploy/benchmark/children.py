"""The benchmark's own processes: model and clients. Each tells what it does in JSON lines."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
PASSWORD_VARIABLE = "QWENCAM_BENCHMARK_PASSWORD"
"""A password goes through the environment: everybody on the machine can read command lines."""

_LINE_LIMIT = 1 << 20


class Child:
    """One process running a module of this package; leave the context to end it."""

    def __init__(
        self,
        module: str,
        config: dict[str, Any],
        *,
        on_note: Callable[[dict[str, Any]], None] = lambda note: None,
    ) -> None:
        told = {name: value for name, value in config.items() if name != "password"}
        self._environment = {**os.environ, PASSWORD_VARIABLE: config.get("password", "")}
        self._command = [sys.executable, "-m", f"deploy.benchmark.{module}", json.dumps(told)]
        self._on_note = on_note
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._over = False
        self.notes: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """Close its standard input and wait; kill it if that is no use, or if something failed."""
        if self._process is None or self._reader is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(0 if failure else 30):
                await asyncio.shield(self._reader)
        except TimeoutError:
            with suppress(ProcessLookupError):  # It has just ended by itself.
                self._process.kill()
        await self._process.wait()

    async def note_with(self, name: str, *, patience: float = 300) -> dict[str, Any]:
        """Return the first note that has a field of this name."""

        def match() -> dict[str, Any] | None:
            return next((note for note in self.notes if name in note), None)

        async with asyncio.timeout(patience), self._news:
            await self._news.wait_for(lambda: match() is not None or self._over)
        found = match()
        if found is None:
            raise RuntimeError(f"{self._command[2]} ended early: its message is above.")
        return found

    async def say(self, message: dict[str, Any]) -> None:
        """Send a line to its standard input."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            await self._process.stdin.drain()

    def signal(self, number: int) -> None:
        """Send it a signal, such as SIGSTOP."""
        if self._process is not None:
            self._process.send_signal(number)

    async def finish(self) -> None:
        """Wait until it has ended by itself."""
        if self._process is not None and self._reader is not None:
            await asyncio.shield(self._reader)  # It goes on reading if we are stopped here.
            if await self._process.wait():
                raise RuntimeError(f"{self._command[2]} failed: its message is above.")

    async def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        async for line in self._process.stdout:
            note = json.loads(line)
            async with self._news:
                self.notes.append(note)
                self._news.notify_all()
            self._on_note(note)
        async with self._news:
            self._over = True
            self._news.notify_all()
