"""A stand-in for the model server that tells when each request came and what time its frame shows.

Run as a process of its own, so that its clock readings wait for nobody:

    python -m deploy.benchmark.model '{"first_token": 0.2, "token": 0.02, "tokens": 16}'

Prints its base URL as JSON, then one JSON object a request. A question names itself by a mark such
as `[q-17]` at its end.
"""

import base64
import json
import re
import sys
import threading
from typing import Any, Final

import simplejpeg

from deploy.benchmark import timecode
from deploy.stand_in_model import Note, Script, StandInModel

_MARK: Final = re.compile(r"\[([\w-]+)\]\s*$")


def mark_of(request: dict[str, Any]) -> str:
    """Return the mark of the request's question, empty without one."""
    found = _MARK.search(_last_part(request, "text").get("text", ""))
    return found[1] if found else ""


def painted_code(request: dict[str, Any]) -> int | None:
    """Return the timecode in the request's picture, None when it can't be read."""
    url = _last_part(request, "image_url").get("image_url", {}).get("url", "")
    try:
        jpeg = base64.b64decode(url.partition(",")[2])
        return timecode.read(simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[:, :, 0])
    except (ValueError, timecode.Unreadable):
        return None


def _last_part(request: dict[str, Any], kind: str) -> dict[str, Any]:
    content = request["messages"][-1]["content"]
    parts = [part for part in content if isinstance(part, dict) and part.get("type") == kind]
    return parts[-1] if parts else {}


class ReportingModel(StandInModel):
    """Prints one line a request, and keeps none."""

    def __init__(self, pace: dict[str, float]) -> None:
        """Take `pace`: seconds to the first token, seconds a token, number of tokens."""
        script = Script(
            tokens=[f"word{number} " for number in range(int(pace["tokens"]))],
            prompt_tokens=200,
            first_token_seconds=pace["first_token"],
            token_seconds=pace["token"],
        )
        super().__init__(script, name="stand-in", keep_alive=True)
        self._lock = threading.Lock()

    def tell(self, **fields: object) -> None:
        """Print one line, one thread at a time."""
        with self._lock:
            print(json.dumps(fields), flush=True)

    def arrived(self, request: dict[str, Any], *, at: float) -> Note:
        """Read the picture while the first token is not due yet."""
        code = painted_code(request)
        age = None if code is None else timecode.age_ms(code, at=at)
        return {"mark": mark_of(request), "arrived_at": at, "age_ms": age}

    def answered(self, note: Note, *, first_at: float, ended_at: float) -> None:
        """Tell of an answer."""
        self.tell(**note, first_at=first_at, ended_at=ended_at)

    def left(self, note: Note) -> None:
        """Tell of one who hung up."""
        self.tell(**note, gone=True)


def main() -> None:
    """Serve until standard input closes."""
    model = ReportingModel(json.loads(sys.argv[1]))
    model.start()
    model.tell(base_url=model.base_url)
    sys.stdin.read()
    model.stop()


if __name__ == "__main__":
    main()
