"""A janitor is responsible for deleting finished jobs: the old ones, those too many, and early ones on a low disk."""

import asyncio
from collections.abc import Callable
from math import ceil
from time import monotonic

import structlog

from taskpusher.background import Background

from .config import Config
from .diskwatch import DiskWatch
from .lifecycle import FINISHED, State
from .status import Status
from .store.base import Pruned, Store, StoreBusy, StoreError, Why

LOOK_EVERY_S = 1.0
BUSY_S = 1.0  # after the store has refused
TURN_S = 0.1  # one go deletes at most what falls to this time
REST_S = 0.01  # between two goes, at least
RATE_MIN = 1_000  # jobs a second
RATE_SHARE = 1.2  # of the rate at which jobs finish
RECLAIM_AFTER = 100_000  # deleted jobs
STEP_MAX_S = 600.0  # of the wall clock against the monotonic one, from one look to the next
STEP_PAUSE_S = 3_600.0
FREE_AT_ONCE = 1_000  # jobs, or a tenth of all finished ones: then the disk is looked at again
FREE_SHARE = 10

_EVER = dict.fromkeys(FINISHED, 2**62)

log = structlog.get_logger()


class Janitor(Background):
    """Deletes a little faster than jobs finish, in small goes, so that neither disk nor loop is busy with it.

    `finish_rate` is how many jobs a second ended of late.
    """

    def __init__(
        self,
        store: Store,
        config: Config,
        status: Status,
        disk: DiskWatch,
        *,
        finish_rate: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._keep_ms = {
            State.COMPLETED: round(config.retention * 1000),
            State.ERROR: round(config.retention_errors * 1000),
            State.CANCELLED: round(config.retention_errors * 1000),
        }
        self._keep_n = config.retention_count
        self._status = status
        self._disk = disk
        self._finish_rate = finish_rate
        self._now_ms = now_ms
        self._ahead_s = now_ms() / 1000 - monotonic()  # the wall clock, of the monotonic one
        self._no_age_until = 0.0  # monotonic
        self._to_free = 0  # jobs still to delete before the disk is looked at again
        self._deleted = 0  # since space was last reclaimed

    async def _run(self) -> None:
        while True:
            try:
                wait_s = await self._go()
            except StoreBusy:
                wait_s = BUSY_S
            except StoreError as error:
                log.error("prune", error=str(error))
                return
            await asyncio.sleep(wait_s)

    async def _go(self) -> float:
        """Delete once; returns how long to rest."""
        now_ms = self._now_ms()
        self._watch_clock(now_ms)
        rate = max(RATE_MIN, RATE_SHARE * self._finish_rate())
        pruned = await self._prune(ceil(rate * TURN_S), now_ms)
        self._deleted += pruned.n
        if self._deleted >= RECLAIM_AFTER:
            await self._reclaim()
        return max(REST_S, pruned.n / rate) if pruned.more else LOOK_EVERY_S

    async def _prune(self, n: int, now_ms: int) -> Pruned:
        """Delete at most `n` jobs for the first reason there is, by a time that was looked at before it."""
        if self._disk.missing_bytes:
            pruned = await self._free_disk(n)
            if pruned.n:
                return pruned
        too_many = self._finished() - self._keep_n if self._keep_n else 0
        if too_many > 0:
            return await self._store.prune(Why.COUNT, _EVER, min(n, too_many))
        if monotonic() < self._no_age_until:
            return Pruned(0, more=False)
        return await self._store.prune(Why.AGE, {s: now_ms - ms for s, ms in self._keep_ms.items() if ms}, n)

    async def _free_disk(self, n: int) -> Pruned:
        """Delete as many jobs as take the missing space, at most a tenth of them; then look at the disk again."""
        if not self._to_free:
            self._to_free = self._jobs_in(self._disk.missing_bytes)
        pruned = await self._store.prune(Why.DISK, _EVER, min(n, self._to_free))
        self._to_free -= pruned.n
        if not self._to_free or not pruned.more:
            self._to_free = 0
            await self._reclaim()
            await self._disk.look()
        return pruned

    def _jobs_in(self, n_bytes: int) -> int:
        jobs = sum(self._store.counts().values())
        bytes_a_job = max(1, sum(self._store.health().sizes.values()) // max(1, jobs))
        return max(1, min(n_bytes // bytes_a_job, max(FREE_AT_ONCE, self._finished() // FREE_SHARE)))

    def _finished(self) -> int:
        return sum(n for state, n in self._store.counts().items() if state in FINISHED)

    async def _reclaim(self) -> None:
        self._deleted = 0
        try:
            await self._store.reclaim()
        except StoreError as error:
            log.error("reclaim", error=str(error))  # nothing is lost by it; a broken store fails at its next write

    def _watch_clock(self, now_ms: int) -> None:
        """After a step of the clock nobody knows what is old: a person gets an hour to look before it counts."""
        ahead_s = now_ms / 1000 - monotonic()
        step_s, self._ahead_s = ahead_s - self._ahead_s, ahead_s
        if abs(step_s) > STEP_MAX_S:
            self._no_age_until = monotonic() + STEP_PAUSE_S
            text = f"the clock stepped by {step_s:.0f} s: for an hour no jobs are deleted for their age"
            self._status.warn("clock", text)
            log.warning("clock", step_s=round(step_s), pause_s=STEP_PAUSE_S)
        elif self._no_age_until and monotonic() >= self._no_age_until:
            self._no_age_until = 0.0
            self._status.all_clear("clock")
