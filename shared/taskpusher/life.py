"""Tells the service manager how a daemon is: ready, in words, alive while the loop turns, not yet done stopping."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Protocol

from .phase import Phase
from .systemd import ServiceManager

TELL_EVERY_S = 1.0
EXTEND_EVERY_S = 5.0
EXTEND_BY_S = 30.0  # a loop that hangs for longer is killed, also while it starts or stops

_TAKES_LONG = frozenset({Phase.STARTING, Phase.STOPPING})


class Living(Protocol):
    """What is told of."""

    base: Phase

    @property
    def phase(self) -> Phase:
        """The one phase that matters most."""


class Life:
    """Follows a status. `start` begins; nothing happens where no service manager listens."""

    def __init__(self, status: Living, manager: ServiceManager, words: Callable[[], str]) -> None:
        self._status = status
        self._manager = manager
        self._words = words
        self._told = ""
        self._extended = -inf
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tell."""
        if self._manager.listens:
            self._task = asyncio.create_task(self._run(), name="life")

    def ready(self) -> None:
        """The daemon does its work."""
        self._tell_words()
        self._manager.ready()

    def stopping(self) -> None:
        """The daemon has begun to stop."""
        self._manager.stopping()
        self._tell_words()
        self._extended = -inf
        self._ask_for_time()

    def reloading(self) -> None:
        """The settings are read again; before the daemon is ready a service manager waits for something else."""
        if self._status.base is Phase.READY:
            self._manager.reloading()

    def reloaded(self) -> None:
        """They have been read."""
        if self._status.base is Phase.READY:
            self._manager.ready()

    async def stop(self) -> None:
        """Tell the last words, and no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._tell_words()
        self._manager.close()

    async def _run(self) -> None:
        every_s = self._manager.watchdog_s / 2 if self._manager.watchdog_s is not None else inf
        beat = monotonic() if every_s < inf else inf
        while True:
            if monotonic() >= beat:
                self._manager.alive()
                beat = monotonic() + every_s
            self._tell_words()
            self._ask_for_time()
            await asyncio.sleep(min(TELL_EVERY_S, max(0.0, beat - monotonic())))

    def _tell_words(self) -> None:
        words = self._words()
        if words != self._told:
            self._manager.status(words)
            self._told = words

    def _ask_for_time(self) -> None:
        if self._status.phase in _TAKES_LONG and monotonic() - self._extended >= EXTEND_EVERY_S:
            self._manager.extend(EXTEND_BY_S)
            self._extended = monotonic()
