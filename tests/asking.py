"""A user who asks one question after the other, whatever happens to the server meanwhile."""

import asyncio
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

import numpy as np

from deploy.client import ConnectionLost, Refused
from tests.camera_client import CameraClient

PAUSE_SECONDS = 0.3


class Asking:
    """A user who asks the same of the same picture again and again.

    Attributes:
        asked: the questions' ids.
        closed: close codes of the sockets that were lost.
    """

    def __init__(self, camera: CameraClient, *, question: str, picture: np.ndarray) -> None:
        self.camera = camera
        self._question = question
        self._picture = picture
        self.asked: list[str] = []
        self.closed: list[int] = []
        self._over = asyncio.Event()

    async def go_on(self) -> None:
        """Ask until `end` is called; come back whenever the socket is closed, as the page does."""
        while not self._over.is_set():
            question = uuid4().hex
            self.asked.append(question)
            with suppress(ConnectionLost):
                await self.camera.send(type="chat", id=question, content=self._question)
            await self._until_ended(question)
            await asyncio.sleep(PAUSE_SECONDS)

    def end(self) -> None:
        """Let the question that is being asked be the last."""
        self._over.set()

    async def _until_ended(self, question: str) -> None:
        deadline = time.monotonic() + 120
        while not self._heard("response", question) and not self._heard("error", question):
            assert time.monotonic() < deadline, "A question has no end."
            if self.camera.close_code is not None:
                await self._come_back(question)
            await asyncio.sleep(0.02)

    async def _come_back(self, question: str) -> None:
        self.closed.append(self.camera.close_code or 0)
        while True:
            try:
                await self.camera.open_socket()
                break
            except (OSError, Refused):  # Not yet: ConnectionLost is an OSError too.
                await asyncio.sleep(0.2)
        await self.camera.drop_camera()
        await self.camera.start_camera(self._picture)
        since = len(self.camera.messages)
        await self.camera.send(type="resume", id=question, after=0)
        known = {"id": question, "since": since}
        told = await self.camera.wait_for("token", "queued", "response", "error", **known)
        if told.get("error") == "unknown_question":  # It never arrived.
            self.camera.messages.remove(told)
            await self.camera.send(type="chat", id=question, content=self._question)

    def _heard(self, kind: str, question: str) -> bool:
        return any(m["type"] == kind and m.get("id") == question for m in self.camera.messages)

    def ends(self) -> list[Any]:
        """Return the text or the error of each question."""
        found = {
            m["id"]: m.get("text") or m.get("error")
            for m in self.camera.messages
            if m["type"] in {"response", "error"}
        }
        return [found.get(question) for question in self.asked]
