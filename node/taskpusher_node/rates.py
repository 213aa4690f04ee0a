"""How much happens a second, from counters that only grow: looked at once a second, over the last minute."""

import asyncio
from collections import deque
from time import monotonic

from msgspec import structs

from .store.base import Totals

WINDOW_S = 60


class Rates:
    """Remembers the store's totals of the last minute."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._seen: deque[tuple[float, Totals]] = deque([(monotonic(), structs.replace(totals))], WINDOW_S + 1)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="rates")

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def per_second(self) -> dict[str, float]:
        """Return added, completed and errors a second over the last minute, or since the start."""
        then, before = self._seen[0]
        seconds = max(monotonic() - then, 1.0)
        return {
            name: round((getattr(self._totals, name) - getattr(before, name)) / seconds, 3)
            for name in ("added", "completed", "errors")
        }

    def finished_per_second(self) -> float:
        """Return how many jobs ended a second, by their calls."""
        rates = self.per_second()
        return rates["completed"] + rates["errors"]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._seen.append((monotonic(), structs.replace(self._totals)))
