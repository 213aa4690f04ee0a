"""Backups of an open store: one at a time, in a thread, and given up when the store closes."""

import asyncio
import threading
from pathlib import Path

from ..base import Backup, BackupRefused
from .backup import make_backup
from .book import Book
from .commit import Commit


class Backups:
    """Has backups made behind traffic."""

    def __init__(self, book: Book, commit: Commit) -> None:
        self._book = book
        self._commit = commit
        self._task: asyncio.Task[Backup] | None = None
        self._given_up = threading.Event()

    async def make(self, target: Path) -> Backup:
        """Copy this moment into a new folder."""
        if self._task is not None:
            raise BackupRefused("another backup is being made")
        self._task = asyncio.create_task(self._make(target))
        self._task.add_done_callback(self._done)
        return await asyncio.shield(self._task)  # its files are being copied, whoever waits for it

    async def give_up(self) -> None:
        """End one that is being made; no other one begins."""
        self._given_up.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _make(self, target: Path) -> Backup:
        await self._commit.durable()
        jobs = sum(sum(counts) for counts in self._book.counts.values())
        size = await asyncio.to_thread(make_backup, self._book.db, target, self._given_up.is_set)
        return Backup(str(target), size, jobs)

    def _done(self, made: asyncio.Task[Backup]) -> None:
        self._task = None
        if not made.cancelled():
            made.exception()  # whoever waited for it has gone, or was told
