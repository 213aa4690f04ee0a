"""Wakes the store when something is due: delayed jobs, retries, ttls, queues that resume by themselves."""

import asyncio
from collections.abc import Callable

import structlog

from taskpusher.background import Background

from .store.base import Store, StoreBusy, StoreError

LOOK_EVERY_S = 1.0  # the wall clock may step, so a wait is never longer than this

log = structlog.get_logger()


class Scheduler(Background):
    """Sleeps until the next due time the store knows of, at most a second."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._next_ms: int | None = None
        self._sooner = asyncio.Event()
        store.events.due = self._due

    def _due(self, at_ms: int) -> None:
        if self._next_ms is None or at_ms < self._next_ms:
            self._next_ms = at_ms
            self._sooner.set()

    async def _run(self) -> None:
        while True:
            self._next_ms = None
            try:
                found_ms = await self._store.promote(self._now_ms())
            except StoreBusy:
                found_ms = None
            except StoreError as error:
                log.error("promote", error=str(error))
                return
            if found_ms is not None:
                self._due(found_ms)
            await self._sleep()

    async def _sleep(self) -> None:
        while True:
            self._sooner.clear()
            wait_s = LOOK_EVERY_S
            if self._next_ms is not None:
                wait_s = min(wait_s, (self._next_ms - self._now_ms()) / 1000)
            if wait_s <= 0:
                await asyncio.sleep(0)
                return
            try:
                async with asyncio.timeout(wait_s):
                    await self._sooner.wait()
            except TimeoutError:
                return
