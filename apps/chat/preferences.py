"""How a user wants to be answered, and what that makes of a request to the model. Pure."""

from dataclasses import dataclass, replace

SHORTEST_TOKENS = 16
_LENGTHS = {
    "short": "Answer in one short sentence.",
    "long": "Answer in detail, in several sentences.",
}


@dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """What shapes an answer.

    Attributes:
        system_prompt: the model's instructions.
        max_tokens: longest answer, tokens.
        context_tokens: the model's context, prompt and answer together, tokens.
    """

    system_prompt: str
    max_tokens: int
    context_tokens: int


@dataclass(frozen=True, kw_only=True)
class AnswerPreferences:
    """What a user chose.

    Attributes:
        language: its English name; empty for that of the question.
        length: ``short``, ``normal`` or ``long``.
    """

    language: str = ""
    length: str = "normal"


def shaped(config: GenerationConfig, preferences: AnswerPreferences) -> GenerationConfig:
    """Return the configuration for who has these preferences; the same for the default ones."""
    wishes = [_LENGTHS.get(preferences.length, "")]
    if preferences.language:
        wishes.append(f"Answer in {preferences.language}.")
    return replace(
        config,
        system_prompt=" ".join(filter(None, [config.system_prompt, *wishes])),
        max_tokens=_bound(config, preferences.length),
    )


def _bound(config: GenerationConfig, length: str) -> int:
    """Return the longest answer: a third of the usual, or double, in tokens.

    Doubling never takes more than half of the context: the picture and the question need room.
    """
    usual = config.max_tokens
    if length == "short":
        return min(usual, max(SHORTEST_TOKENS, usual // 3))
    if length == "long":
        return max(usual, min(2 * usual, config.context_tokens // 2))
    return usual
