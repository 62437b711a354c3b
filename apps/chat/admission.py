"""Lets a person's question in, or says why not: rate, queue, id and place in one step.

One script is one trip to Redis, so a question is on its way to its frame sooner; and of two that
come at once for the last place in the queue one is refused.
"""

import time
from dataclasses import dataclass

from apps.chat.fairness import PLACE_FUNCTION, ROTATION
from apps.chat.questions import CREATE_FUNCTION, NewQuestion, QuestionStore
from apps.contract import ErrorCode
from apps.fleet.queue_depth import LIVE, RUNNING

RATE_TTL_SECONDS = 120


_ADMIT = f"""
{CREATE_FUNCTION}
{PLACE_FUNCTION}
local used = redis.call('INCR', KEYS[4])
redis.call('EXPIRE', KEYS[4], {RATE_TTL_SECONDS})
if used > tonumber(ARGV[9]) then return '{ErrorCode.RATE_LIMITED}' end
for _, name in ipairs({{KEYS[3], KEYS[5], KEYS[6]}}) do
    redis.call('ZREMRANGEBYSCORE', name, '-inf', ARGV[11])
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[10]) then return '{ErrorCode.BUSY}' end
local place = place_of(ARGV[7], KEYS[7])
if create() == 0 then return '{ErrorCode.BAD_REQUEST}' end
return place
"""


@dataclass(frozen=True, kw_only=True)
class AskLimits:
    """What one may ask.

    Attributes:
        chars: longest question, characters.
        per_minute: questions a minute of one asker, over all processes.
        depth: questions that may wait or run at once, of all askers; live mode's frames have what
            they leave of it.
        stale_seconds: after this time a question no longer counts as waiting.
    """

    chars: int
    per_minute: int
    depth: int
    stale_seconds: float


async def admit(questions: QuestionStore, new: NewQuestion, limits: AskLimits) -> int | ErrorCode:
    """Store a question and return its place in the fair order, 1 for the next of all.

    Or return why it is not let in: rate_limited, busy, or bad_request for an id that was used.
    One that is refused counts towards its asker's rate all the same.
    """
    keys, args = questions.creation(new)
    now = time.time()
    keys += [f"rate:ask:{new.asker}:{int(now // 60)}", LIVE, RUNNING, ROTATION]
    args += [limits.per_minute, limits.depth, now - limits.stale_seconds]
    answer: int | bytes = await questions.redis.register_script(_ADMIT)(keys=keys, args=args)
    return answer if isinstance(answer, int) else ErrorCode(answer.decode())
