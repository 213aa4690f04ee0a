"""How late the event loop is: what keeps every answer waiting."""

import asyncio
from time import monotonic

from .background import Background
from .histogram import FAST_S, Histogram

LAG_EVERY_S = 0.25


class LoopLag(Background):
    """How much later than asked the loop wakes a task, looked at a few times a second."""

    def __init__(self) -> None:
        self.seconds = Histogram(FAST_S)

    async def _run(self) -> None:
        while True:
            due = monotonic() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self.seconds.observe(max(0.0, monotonic() - due))
