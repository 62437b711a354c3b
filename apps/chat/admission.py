"""Lets a person's question in, or says why not: rate, queue, id and place in one step.

One script is one trip to Redis, so a question is on its way to its frame sooner; and of two that
come at once for the last place in the queue one is refused.
"""

import time
from enum import StrEnum

from apps.chat.fairness import PLACE_FUNCTION, ROTATION
from apps.chat.questions import CREATE_FUNCTION, LIVE, RUNNING, QuestionStore

RATE_TTL_SECONDS = 120


class Refusal(StrEnum):
    """Why a question is not let in, as its error code."""

    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    ID_USED = "bad_request"


_ADMIT = f"""
{CREATE_FUNCTION}
{PLACE_FUNCTION}
local used = redis.call('INCR', KEYS[4])
redis.call('EXPIRE', KEYS[4], {RATE_TTL_SECONDS})
if used > tonumber(ARGV[9]) then return '{Refusal.RATE_LIMITED}' end
for _, name in ipairs({{KEYS[3], KEYS[5], KEYS[6]}}) do
    redis.call('ZREMRANGEBYSCORE', name, '-inf', ARGV[11])
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[10]) then return '{Refusal.BUSY}' end
local place = place_of(ARGV[7], KEYS[7])
if create() == 0 then return '{Refusal.ID_USED}' end
return place
"""


async def admit(
    questions: QuestionStore,
    session_id: str,
    question_id: str,
    *,
    text: str,
    asker: str,
    keep_frame: bool,
    per_minute: int,
    depth: int,
    stale_seconds: float,
) -> int | Refusal:
    """Store a question and return its place in the fair order, 1 for the next of all.

    One that is refused counts towards its asker's rate all the same.

    Args:
        asker: whose questions are counted together and take turns as one, such as a user's id.
        keep_frame: its frame may be asked about again.
        per_minute: questions a minute of one asker, over all processes.
        depth: questions that may wait or run at once, of all askers.
        stale_seconds: after this time a question no longer counts as waiting.
    """
    keys, args = questions.creation(
        session_id, question_id, text=text, live=False, asker=asker, keep_frame=keep_frame
    )
    now = time.time()
    keys += [f"rate:ask:{asker}:{int(now // 60)}", LIVE, RUNNING, ROTATION]
    args += [per_minute, depth, now - stale_seconds]
    answer: int | bytes = await questions.redis.register_script(_ADMIT)(keys=keys, args=args)
    return answer if isinstance(answer, int) else Refusal(answer.decode())
