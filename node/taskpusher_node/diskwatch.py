"""A disk watch is responsible for noticing that space runs out before it has: then the node takes no more jobs."""

import asyncio
from collections.abc import Callable

import structlog

from taskpusher.background import Background

from .status import Status
from .store.base import Health, Store

LOOK_EVERY_S = 1.0
RESERVE_MIN = 1 << 30
RESERVE_SHARE = 20  # a twentieth of the file system
RESERVE_SHARE_MAX = 5  # on a small one a GiB would be all of it
BACK_AT = 1.1  # times the limit that was undercut, so that the node does not go to and fro
STOP_SHARE = 4  # below a quarter of the reserve no call is started

log = structlog.get_logger()


class DiskWatch(Background):
    """Looks once a second. Below the reserve `status.disk_low` is set, below a quarter of it calls are held."""

    def __init__(
        self, store: Store, status: Status, hold: Callable[[bool], None], *, reserve: int | None, ballast: int
    ) -> None:
        self._store = store
        self._status = status
        self._hold = hold
        self._setting = reserve
        self._ballast = ballast
        self._low = False
        self._held = False
        self.missing_bytes = 0  # until the node is out of its trouble

    async def look(self) -> None:
        """Measure, and draw the consequences."""
        try:
            health = await self._store.measure()
            reserve = reserve_bytes(self._setting, health.disk_bytes)
            self._judge(health, reserve)
            await self._keep_ballast(health, reserve)
        except OSError as error:
            log.error("disk", error=str(error))

    def _judge(self, health: Health, reserve: int) -> None:
        free = health.free_bytes
        low = free < reserve * (BACK_AT if self._low else 1)
        held = free < reserve / STOP_SHARE * (BACK_AT if self._held else 1)
        self.missing_bytes = max(0, round(reserve * BACK_AT) - free) if low else 0
        self._status.disk_low = _reason(free, reserve, held=held) if low else None
        if (low, held) != (self._low, self._held):
            log.warning("disk", low=low, held=held, free_bytes=free, reserve_bytes=reserve)
        if held is not self._held:
            self._hold(held)
        self._low, self._held = low, held

    async def _keep_ballast(self, health: Health, reserve: int) -> None:
        """Make the ballast where there is room for it beside the reserve; one that is there is left."""
        if reserve == 0 or self._ballast == 0:
            await self._store.keep_ballast(0)
        elif health.free_bytes - self._ballast > reserve * BACK_AT:
            await self._store.keep_ballast(self._ballast)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()


def reserve_bytes(setting: int | None, disk_bytes: int) -> int:
    """Return how much is to stay free: as set, else the larger of 1 GiB and 5 %, at most a fifth of the file system."""
    if setting is not None:
        return setting
    return min(max(RESERVE_MIN, disk_bytes // RESERVE_SHARE), disk_bytes // RESERVE_SHARE_MAX)


def _reason(free: int, reserve: int, *, held: bool) -> str:
    text = f"{free >> 20} MiB of disk are free, and {reserve >> 20} MiB are to be: no new jobs are taken"
    return f"{text}, and no calls are started" if held else text
