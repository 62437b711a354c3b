"""A worker announces itself though the database is away when it starts."""

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from apps.chat import tasks


class Loop:
    """Stands in for the worker's loop."""

    pool = 0
    ran = 0

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        work.close()
        self.ran += 1


def test_a_worker_starts_without_the_database(monkeypatch: pytest.MonkeyPatch):
    def away() -> None:
        raise OperationalError

    loop = Loop()
    monkeypatch.setattr(tasks, "worker_loop", lambda: loop)
    monkeypatch.setattr(tasks, "refresh", away)
    tasks.start_loop(sender=SimpleNamespace(controller=SimpleNamespace(concurrency=32)))
    assert (loop.pool, loop.ran) == (32, 1)
