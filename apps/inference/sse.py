"""Server-sent events, as far as a chat completion stream uses them (WHATWG HTML, 9.2)."""

MAX_EVENT_BYTES = 1 << 20


class EventTooLarge(ValueError):
    """An event exceeds `MAX_EVENT_BYTES`."""


class EventReader:
    """Bytes in, the data of whole events out. Fields other than `data` are ignored."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that ends within `chunk`."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        events = [event for line in lines if (event := self._take(line)) is not None]
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return events

    def _take(self, line: bytes) -> bytes | None:
        """Takes one line; an empty one ends the event."""
        line = line.removesuffix(b"\r")
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            return None
        if line or not self._data:
            return None
        event = b"\n".join(self._data)
        self._data = []
        return event
