"""The pieces of a streamed chat completion, and the errors a model server may answer with."""

import json
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Delta:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Usage:
    """What the answer took, in tokens (0 where the server does not say), and why it ended."""

    prompt_tokens: int
    completion_tokens: int
    finish_reason: str


class ModelError(Exception):
    """The model gave no answer, or not all of it.

    `code` is model_unavailable, model_error or model_timeout. `detail` holds nothing of what the
    user or the server said. `retryable`: another attempt may succeed; `ModelServers` clears it
    where that would repeat tokens that went out. `dead`: nothing answers at the server's address.
    """

    def __init__(
        self, code: str, detail: str, *, retryable: bool = False, dead: bool = False
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.dead = dead

    @classmethod
    def unavailable(cls, detail: str, *, retryable: bool = True) -> Self:
        """The server broke off or is too busy."""
        return cls("model_unavailable", detail, retryable=retryable)

    @classmethod
    def unreachable(cls, detail: str) -> Self:
        """The server can't be reached or went away."""
        return cls("model_unavailable", detail, retryable=True, dead=True)

    @classmethod
    def unreadable(cls) -> Self:
        """The server sent something else than a chat completion."""
        return cls("model_error", "The model server sent something that is no answer.")


@dataclass(frozen=True)
class Chunk:
    """One event of the stream; a text of "" and zeros where it says nothing about them."""

    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @classmethod
    def parse(cls, event: bytes) -> Self:
        """Raises `ModelError` for an error event and for anything that is no chunk."""
        try:
            data = json.loads(event)
            if data.get("error"):
                raise _stream_error(data["error"])
            usage = data.get("usage") or {}
            choice: dict[str, Any] = next(iter(data.get("choices") or ()), {})
            return cls(
                text=str((choice.get("delta") or {}).get("content") or ""),
                finish_reason=str(choice.get("finish_reason") or ""),
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError.unreadable() from error

    def followed_by(self, chunk: "Chunk") -> "Chunk":
        """Both in one, without text: the later one's word counts where it has one."""
        return Chunk(
            finish_reason=chunk.finish_reason or self.finish_reason,
            prompt_tokens=chunk.prompt_tokens or self.prompt_tokens,
            completion_tokens=chunk.completion_tokens or self.completion_tokens,
        )


def refusal(status: int, body: str, *, model: str) -> ModelError:
    """What an HTTP status other than 200 means."""
    if status in {401, 403}:
        return ModelError("model_error", "The model server refused the API key.")
    if status == 404:
        return ModelError("model_error", f"The model server has no model named {model!r}.")
    if status == 429 or status >= 500:
        return ModelError.unavailable("The model server can't take the question now.")
    if _is_about_context(body):
        return _beyond_context()
    return ModelError("model_error", "The model server refused the question.")


def _stream_error(error: Any) -> ModelError:
    if _is_about_context(str(error)):
        return _beyond_context()
    return ModelError("model_error", "The model server failed while answering.")


def _beyond_context() -> ModelError:
    detail = "The question, its history and the picture are too long for the model's context."
    return ModelError("model_error", detail)


def _is_about_context(message: str) -> bool:
    """vLLM: "maximum context length", "maximum model length"; others: context_length_exceeded."""
    message = message.lower()
    return any(
        words in message for words in ("context length", "context_length", "maximum model length")
    )
