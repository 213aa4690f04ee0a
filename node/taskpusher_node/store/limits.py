"""What a store can do about limits: of keys that jobs name, and of queues."""

from typing import Protocol

from msgspec import Struct

from taskpusher.job import Limit


class LimitView(Struct, frozen=True):
    """A limit key: its numbers, how many of its calls run and of its jobs wait."""

    limit: Limit
    pinned: bool  # by hand: adds do not change the numbers
    running: int
    waiting: int


class LimitStore(Protocol):
    """The part of a store that limits how many calls run at once and how often they begin.

    Over a limit jobs wait. A lower limit aborts nothing.
    """

    def limits_held(self) -> dict[str, int]:
        """Return how often a limit key or a queue with ready jobs was held back: `limit` for a place, `rate`."""

    async def set_queue_limits(self, name: str, concurrency: int | None, rate: float | None, per: float) -> None:
        """Let a queue that is there run so many calls at once and begin `rate` calls in `per` seconds; None is any."""

    def limits(self, *, after: str | None, n: int) -> list[LimitView]:
        """Return at most `n` limit keys that are pinned or have jobs or a bucket that fills, by key, behind `after`."""

    def limit(self, key: str) -> LimitView | None:
        """Return one limit key."""

    def limits_known(self) -> int:
        """Return how many limit keys there are."""

    async def pin_limit(self, limit: Limit) -> bool:
        """Fix the numbers of a key, over restarts too; False where it would be one more than allowed."""

    async def unpin_limit(self, key: str) -> None:
        """Let the next add of a key change its numbers again; a key with no job and a full bucket is forgotten."""


class ShutGate(Struct, frozen=True):
    """What a ready job waits for: that calls of its limit key, or with `key` None of its queue, end or may begin."""

    key: str | None
    concurrency: int | None
    running: int
    held_by: tuple[str, ...]  # uids of a few that run
    rate: float | None
    per: float
    next_token_ms: int | None  # None: it has one
