"""What comes bit by bit and is waited for: texts of an answer, answers of live mode."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Feed(Generic[Item]):
    """Items in the order they came. A second iteration goes on where the first one stopped.

    Args:
        bound: the number of items kept; beyond it the oldest is dropped. `None`: all are kept.
    """

    def __init__(self, *, bound: int | None = None) -> None:
        self._items: deque[Item] = deque(maxlen=bound)
        self._over = False
        self._error: Exception | None = None
        self._changed = asyncio.Event()

    def put(self, item: Item) -> None:
        """Add an item."""
        self._items.append(item)
        self._changed.set()

    def stop(self, error: Exception | None = None) -> None:
        """End the iteration after the items that are there, with this error if there is one."""
        self._over, self._error = True, error
        self._changed.set()

    def go_on(self) -> None:
        """Let an iteration wait for more again."""
        self._over, self._error = False, None

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Yield each item as it comes."""
        while True:
            while self._items:
                yield self._items.popleft()
            if self._error is not None:
                raise self._error
            if self._over:
                return
            self._changed.clear()
            await self._changed.wait()
