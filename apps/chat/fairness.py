"""Whose question is answered next: askers take turns, and people come before live mode.

Each asker's questions wait in a list of their own, first come first served. The askers that have
any stand in a rotation: the first gives its oldest question and goes to the end. So somebody who
asks fifty questions at once delays everybody else by one at most in each round; and since nobody
has more than so many answers at once, others find a free place. Live mode's frames wait in one
list, served when no question waits; a session has one there at most, and those under way take no
place from their asker's questions.

A Celery task means only that there is work: whoever runs it takes the question whose turn it is.
Where only askers with all their answers under way have questions left, the task is parked: the
end of an answer calls it back.
"""

import json
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from apps.chat import metrics
from apps.chat.questions import LEASE, QUESTION, Question, member
from apps.contract import ErrorCode, Refusal
from apps.fleet import presence
from apps.fleet.queue_depth import LIVE, QUEUE, RUNNING

ROTATION = "turns:askers"
LIVE_FRAMES = "turns:live"
OF_ASKER = "turns:of:"
PARKED = "turns:parked"

_LEFT = Refusal(ErrorCode.ASKER_LEFT, "The page was closed before the answer began.")
ASKER_LEFT = json.dumps(_LEFT.as_dict(), separators=(",", ":"))
"""The outcome of a question whose asker did not wait for it."""

# The keys of a question are made from its name: this Redis is no cluster.
_PUSH = f"""
if redis.call('HGET', KEYS[1], 'state') ~= 'waiting' then return 0 end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'frame_id', ARGV[2]) end
redis.call('SET', KEYS[4], 1, 'PX', ARGV[3])
local list = KEYS[3]
if redis.call('HGET', KEYS[1], 'live') == '0' then
    local asker = redis.call('HGET', KEYS[1], 'asker')
    list = '{OF_ASKER}' .. asker
    if redis.call('EXISTS', list) == 0 then redis.call('RPUSH', KEYS[2], asker) end
end
redis.call('RPUSH', list, ARGV[1])
redis.call('EXPIRE', list, ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
"""
_TAKE = f"""
local left = 0
local function claim(name)
    local question = '{QUESTION}' .. name
    if redis.call('HGET', question, 'state') ~= 'waiting' then return false end
    local colon = string.find(name, ':', 1, true)
    local session = string.sub(name, 1, colon - 1)
    if redis.call('EXISTS', '{presence.SOCKET}' .. session, '{presence.LATELY}' .. session) == 0
    then
        redis.call('HSET', question, 'state', 'failed', 'outcome', ARGV[4])
        redis.call('ZREM', KEYS[4], name)
        redis.call('ZREM', KEYS[5], name)
        left = left + 1
        return false
    end
    redis.call('HSET', question, 'state', 'running')
    redis.call('SET', '{LEASE}' .. name, ARGV[1], 'PX', ARGV[2])
    redis.call('ZADD', KEYS[3], ARGV[3], name)
    return {{left, session, string.sub(name, colon + 1), redis.call('HGETALL', question)}}
end
local answers = {{}}
for _, name in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    local asker, live = unpack(redis.call('HMGET', '{QUESTION}' .. name, 'asker', 'live'))
    if asker and live == '0' and redis.call('EXISTS', '{LEASE}' .. name) == 1 then
        answers[asker] = (answers[asker] or 0) + 1
    end
end
for _ = 1, redis.call('LLEN', KEYS[1]) do
    local asker = redis.call('LPOP', KEYS[1])
    local list = '{OF_ASKER}' .. asker
    local taken = false
    while not taken and (answers[asker] or 0) < tonumber(ARGV[5]) do
        local name = redis.call('LPOP', list)
        if not name then break end
        taken = claim(name)
    end
    if redis.call('EXISTS', list) == 1 then redis.call('RPUSH', KEYS[1], asker) end
    if taken then return taken end
end
while true do
    local name = redis.call('LPOP', KEYS[2])
    if not name then break end
    local taken = claim(name)
    if taken then return taken end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('INCR', KEYS[6])
    redis.call('EXPIRE', KEYS[6], ARGV[6])
end
return {{left}}
"""
_UNPARK = """
if tonumber(redis.call('GET', KEYS[1]) or '0') <= 0 then return 0 end
redis.call('DECR', KEYS[1])
return 1
"""
# Before the asker's next question come its own that wait, and of every other asker one for each
# round until then: those who stand before it in the rotation have a turn in the last round too.
PLACE_FUNCTION = f"""
local function place_of(asker, rotation)
    local own = redis.call('LLEN', '{OF_ASKER}' .. asker)
    local passed, place = false, own + 1
    for _, other in ipairs(redis.call('LRANGE', rotation, 0, -1)) do
        if other == asker then
            passed = true
        else
            local rounds = passed and own or own + 1
            place = place + math.min(redis.call('LLEN', '{OF_ASKER}' .. other), rounds)
        end
    end
    return place
end
"""


@dataclass(frozen=True)
class FairQueue:
    """The waiting questions of all askers; safe to make many times over one client.

    Attributes:
        redis: client with bytes in and out.
        grace: how long an asker may be away before its question is dropped, s.
        ttl: seconds that nothing here outlives.
    """

    redis: Redis
    grace: float
    ttl: int

    async def push(self, session_id: str, question_id: str, *, frame_id: str = "") -> bool:
        """Queue a waiting question; ``False`` when it has ended meanwhile or is unknown.

        Args:
            frame_id: names its stored frame, empty when it has one already.
        """
        async with self.redis.pipeline(transaction=False) as trip:
            self.add_push(trip, session_id, question_id, frame_id=frame_id)
            (waits,) = await trip.execute()
        return bool(waits)

    def add_push(self, trip: Pipeline, session_id: str, question_id: str, *, frame_id: str) -> None:
        """Have ``push`` done by a pipeline, whose result for it is 1 or 0."""
        name = member(session_id, question_id)
        lately = f"{presence.LATELY}{session_id}"
        grace_ms = max(1, round(self.grace * 1000))
        keys = [f"{QUESTION}{name}", ROTATION, LIVE_FRAMES, lately]
        # Not by its hash: redis-py would make a trip of its own to ask whether Redis knows it.
        trip.eval(_PUSH, len(keys), *keys, name, frame_id, grace_ms, self.ttl)

    async def take(
        self, *, worker: str, lease_ms: int, now: float, per_asker: int
    ) -> Question | None:
        """Claim the question whose turn it is, or ``None``.

        Those that have ended are passed over; those whose asker has left end here.

        Args:
            worker: written into the lease.
            now: s since the epoch.
            per_asker: answers to questions that one asker may have under way.
        """
        script = self.redis.register_script(_TAKE)
        keys = [ROTATION, LIVE_FRAMES, RUNNING, QUEUE, LIVE, PARKED]
        args: list[str | int | float] = [
            worker,
            lease_ms,
            now,
            ASKER_LEFT,
            per_asker,
            self.ttl,
        ]
        taken: Any
        left, *taken = await script(keys=keys, args=args)
        metrics.ASKERS_LEFT.inc(left)
        if not taken:
            return None
        session_id, question_id, fields = taken
        raw = dict(zip(fields[::2], fields[1::2], strict=True))
        return Question.read(session_id.decode(), question_id.decode(), raw)

    async def unpark(self) -> bool:
        """After an answer: return whether a call that found no turn is to be made again."""
        return bool(await self.redis.register_script(_UNPARK)(keys=[PARKED]))
