"""Which settings may change while the platform runs, and what values they take.

Pure: knows no Django. The environment gives each setting's default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

Value = bool | int | float | str
Kind = Literal["flag", "integer", "number", "text"]


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """The values in force at one moment.

    Attributes:
        frame_sample_rate: live mode's answers a second at most.
        response_max_tokens: longest answer, tokens.
        notice: shown on the camera page while not empty.
        accept_sessions: false while draining: no new session opens, those there are go on.
    """

    frame_sample_rate: float
    response_max_tokens: int
    system_prompt: str
    enable_face_blur: bool
    enable_nsfw_filter: bool
    max_sessions: int
    max_sessions_per_user: int
    max_sessions_per_address: int
    max_questions_per_minute: int
    max_answers_per_user: int
    max_queue_depth: int
    notice: str
    accept_sessions: bool


class InvalidSetting(ValueError):
    """The name is unknown or the value not one the setting takes; the text says so."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One setting, as the console shows and checks it.

    Attributes:
        low: least number, or fewest characters of a text.
        high: greatest number, or most characters of a text.
    """

    name: str
    kind: Kind
    label: str
    help: str
    low: float = 0
    high: float = 1

    def checked(self, value: object) -> Value:
        """Return `value` as this setting takes it, or raise `InvalidSetting`."""
        if self.kind == "flag":
            return self._flag(value)
        if self.kind == "text":
            return self._text(value)
        return self._number(value)

    def _flag(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidSetting(f"{self.label} must be on or off.")
        return value

    def _text(self, value: object) -> str:
        text = value.strip() if isinstance(value, str) else None
        if text is None or not self.low <= len(text) <= self.high:
            raise InvalidSetting(
                f"{self.label} must have {self.low:.0f} to {self.high:.0f} characters."
            )
        if any(not sign.isprintable() and sign not in "\n\t" for sign in text):
            raise InvalidSetting(f"{self.label} must not contain control characters.")
        return text

    def _number(self, value: object) -> int | float:
        whole = self.kind == "integer"
        kinds = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise InvalidSetting(f"{self.label} must be a {'whole ' if whole else ''}number.")
        if not self.low <= value <= self.high:  # False for NaN as well
            raise InvalidSetting(f"{self.label} must be from {self.low:g} to {self.high:g}.")
        return value if whole else float(value)


_ALL = (
    Definition(
        name="accept_sessions",
        kind="flag",
        label="Accept new sessions",
        help="Off drains the platform: sessions there are go on, no new one opens.",
    ),
    Definition(
        name="notice",
        kind="text",
        label="Maintenance notice",
        help="Shown to everybody on the camera page; empty shows none.",
        high=300,
    ),
    Definition(
        name="system_prompt",
        kind="text",
        label="System prompt",
        help="The model's instructions, before every conversation.",
        high=4000,
    ),
    Definition(
        name="response_max_tokens",
        kind="integer",
        label="Longest answer",
        help="Tokens; about four letters each.",
        low=1,
        high=8192,
    ),
    Definition(
        name="frame_sample_rate",
        kind="number",
        label="Live mode's rate",
        help="Answers a second at most.",
        low=0.05,
        high=30,
    ),
    Definition(
        name="enable_face_blur",
        kind="flag",
        label="Blur faces",
        help="Before a frame leaves the process that received it.",
    ),
    Definition(
        name="enable_nsfw_filter",
        kind="flag",
        label="Refuse indecent frames",
        help="Questions about such a frame are not answered.",
    ),
    Definition(
        name="max_sessions",
        kind="integer",
        label="Sessions",
        help="Live at once, of everybody.",
        low=1,
        high=100_000,
    ),
    Definition(
        name="max_sessions_per_user",
        kind="integer",
        label="Sessions of one user",
        help="Live at once.",
        low=1,
        high=1000,
    ),
    Definition(
        name="max_sessions_per_address",
        kind="integer",
        label="Anonymous sessions of one address",
        help="Live at once; counts only where no login is required.",
        low=1,
        high=100_000,
    ),
    Definition(
        name="max_questions_per_minute",
        kind="integer",
        label="Questions a minute",
        help="Of one user.",
        low=1,
        high=10_000,
    ),
    Definition(
        name="max_answers_per_user",
        kind="integer",
        label="Answers at once of one user",
        help="Further questions wait; fewer than the workers give at once leave others a place.",
        low=1,
        high=10_000,
    ),
    Definition(
        name="max_queue_depth",
        kind="integer",
        label="Questions at once",
        help="Waiting or being answered, of everybody; more are told that the model is busy.",
        low=1,
        high=100_000,
    ),
)
DEFINITIONS: Mapping[str, Definition] = {definition.name: definition for definition in _ALL}

# A setting without a definition could be neither shown nor changed, and nobody would notice.
if set(DEFINITIONS) != {field.name for field in fields(LiveSettings)}:
    raise AssertionError("Every live setting needs exactly one definition.")


def definition(name: str) -> Definition:
    """Return the definition of that name, or raise `InvalidSetting`."""
    if name not in DEFINITIONS:
        raise InvalidSetting(f"There is no live setting named {name!r}.")
    return DEFINITIONS[name]
