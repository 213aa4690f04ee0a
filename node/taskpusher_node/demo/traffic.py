"""The traffic: what the shop asks of its node over HTTP, first in one go, then at a steady rate."""

import asyncio
from time import monotonic
from typing import Any

import aiohttp

from .work import Job, Work

_BEAT_S = 0.2
_AT_ONCE_MAX = 400  # also where the machine slept meanwhile
_CANCEL_EVERY = 20  # beats
_CANCELLED_AT_FIRST = 12
_QUEUES = {
    "mail": {"defaults": {"timeout": 30}},
    "reports": {"concurrency": 2},
    "crm": {"rate": 5},
    "newsletter": {},
}


class Traffic:
    """Pushes jobs to the node that `http` is a session with."""

    def __init__(self, http: aiohttp.ClientSession, work: Work) -> None:
        self._http = http
        self._work = work

    async def fill(self, held: str) -> None:
        """Declare queues, pause one, hold a host back, and push what the page shows first."""
        for name, settings in _QUEUES.items():
            await self._ask("PUT", f"queues/{name}", json=settings)
        await self._ask("POST", "queues/newsletter/pause")
        await self._ask("POST", f"targets/{held}/hold")
        await self._push(self._work.to_begin_with())
        await self._cancel(_CANCELLED_AT_FIRST)

    async def go_on(self, rate: int, for_s: float) -> None:
        """Push so many jobs a second for so many seconds."""
        begin = monotonic()
        pushed = beats = 0
        while (left_s := begin + for_s - monotonic()) > 0:
            due = int((for_s - left_s) * rate) - pushed
            if due:
                pushed += due
                beats += 1
                await self._push(self._work.some(min(due, _AT_ONCE_MAX)))
                if beats % _CANCEL_EVERY == 0:
                    await self._cancel(1)
            await asyncio.sleep(min(_BEAT_S, left_s))

    async def _push(self, jobs: list[Job]) -> None:
        await self._ask("POST", "add", json=jobs)

    async def _cancel(self, n: int) -> None:
        """Cancel the reminders that are due next: their customers have come back."""
        await self._ask("POST", "jobs/scheduled/cancel", params={"queue": "reminders", "limit": n})

    async def _ask(self, method: str, path: str, **given: Any) -> None:
        """Ask the node for something; one that stops, drains or has too much to do is asked for the next thing."""
        try:
            async with self._http.request(method, path, **given) as answer:
                if answer.status < 500:  # noqa: PLR2004
                    answer.raise_for_status()
        except (aiohttp.ClientConnectionError, TimeoutError):
            return
