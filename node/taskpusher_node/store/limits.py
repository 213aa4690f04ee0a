"""What a store can do about limits."""

from typing import Protocol


class LimitStore(Protocol):
    """The part of a store that limits how many calls run at once and how often they begin.

    Over a limit jobs wait. A lower limit aborts nothing.
    """

    async def set_queue_limits(self, name: str, concurrency: int | None, rate: float | None, per: float) -> None:
        """Let a queue that is there run so many calls at once and begin `rate` calls in `per` seconds; None is any."""
