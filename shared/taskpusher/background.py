"""A part of a daemon that works in a task of its own, from its start to its stop."""

import asyncio
from abc import ABC, abstractmethod


class Background(ABC):
    """Runs until it is stopped, beside all else."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin; returns the task, so that somebody notices if it breaks."""
        self._task = asyncio.create_task(self._run(), name=type(self).__name__.lower())
        return self._task

    async def stop(self) -> None:
        """End it where it stands, and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @abstractmethod
    async def _run(self) -> None:
        """Do the work."""
