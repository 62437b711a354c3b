"""How much waits for the workers, counted over the whole platform."""

from dataclasses import dataclass

from redis.asyncio import Redis

QUEUE = "questions:waiting"
RUNNING = "questions:running"
LIVE = "questions:live"
SECONDS = "questions:seconds"
"""Sorted sets of ``session:question`` by the time asked (waiting or running; running; the same of
live mode), and a list of the latest answers' times."""


@dataclass(frozen=True, kw_only=True)
class Depth:
    """What waits or runs, and how fast it goes.

    Attributes:
        questions, live: waiting or running, of people and of live mode.
        running: of both, being answered now.
        seconds: an answer's time of late; 0 when there was none.
    """

    questions: int
    live: int
    running: int
    seconds: float

    @property
    def wait(self) -> float:
        """In how many seconds all of it will be answered; 0 when nobody knows."""
        return (self.questions + self.live) * self.seconds / max(1, self.running)


async def read_depth(redis: Redis, *, older_than: float) -> Depth:
    """Return what waits or runs; questions asked before ``older_than`` are dropped.

    Args:
        older_than: s since the epoch; nothing that old can still be answered.
    """
    names = (QUEUE, LIVE, RUNNING)
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.zremrangebyscore(name, "-inf", older_than)
        for name in names:
            pipe.zcard(name)
        pipe.lrange(SECONDS, 0, -1)
        *_, questions, live, running, seconds = await pipe.execute()
    times = [float(item) for item in seconds]
    return Depth(
        questions=questions,
        live=live,
        running=running,
        seconds=sum(times) / len(times) if times else 0.0,
    )
