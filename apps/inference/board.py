"""What the worker processes tell each other about the model servers."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

MOST_HOMES = 4096


@dataclass(frozen=True)
class ServerNews:
    """One process's view of a server: answers it has it give, and whether it finds it up."""

    open: int
    up: bool


class ServerBoard(Protocol):
    """Shared by all worker processes. No method raises: without the others, each goes on alone."""

    async def exchange(self, news: Mapping[str, ServerNews]) -> Mapping[str, int]:
        """Tell this process's news by server name; returns the other processes' answers."""

    async def home(self, session: str) -> str:
        """The name of the server that answered the session last, "" when unknown."""

    async def settle(self, session: str, name: str) -> None:
        """Note which server answers the session."""


class OwnBoard:
    """The board of a process that is alone. Forgets the oldest session beyond `MOST_HOMES`."""

    def __init__(self) -> None:
        self._homes: OrderedDict[str, str] = OrderedDict()

    async def exchange(self, news: Mapping[str, ServerNews]) -> Mapping[str, int]:
        """Nobody else asks the servers."""
        return {}

    async def home(self, session: str) -> str:
        """As the protocol says."""
        return self._homes.get(session, "")

    async def settle(self, session: str, name: str) -> None:
        """As the protocol says."""
        self._homes[session] = name
        self._homes.move_to_end(session)
        if len(self._homes) > MOST_HOMES:
            self._homes.popitem(last=False)
