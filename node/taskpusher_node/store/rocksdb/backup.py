"""Copies of a whole store: made of one moment while the node runs, and turned into a store of their own again."""

import asyncio
import os
import secrets
import shutil
import threading
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

from msgspec import structs

from taskpusher.job import DEFAULT_QUEUE

from ..base import Backup, BackupRefused, Pause, StoreFailed, StoreRefused
from . import disk, keys, records
from .db import CURRENT, LOCK, REPAIR_PART, RESTORE_PART, Batch, Database, locked
from .disk import size_of

RESTORED_BY = "restore"  # who paused the queues of a restored store
SPARE_BYTES = 64 << 20  # left free by a backup
_UNFINISHED = "backup.part"  # in the store: a checkpoint on its own file system is made of links, in a moment
_PART = ".{}.part"  # no backup can have such a name
_NOT_COPIED = frozenset({LOCK, disk.BALLAST})  # who closes a file, lets go of his process's lock of it


class Backups:
    """Makes backups while the node runs, one at a time."""

    def __init__(self, db: Database, durable: Callable[[], Awaitable[None]]) -> None:
        self._db = db
        self._durable = durable
        self._under_way: asyncio.Task[Backup] | None = None
        self._given_up = threading.Event()

    async def make(self, target: Path, count_jobs: Callable[[], int]) -> Backup:
        """Copy this moment into a new folder."""
        if self._under_way is not None:
            raise BackupRefused("another backup is being made")
        self._under_way = asyncio.create_task(self._make(target, count_jobs))
        self._under_way.add_done_callback(self._done)
        return await asyncio.shield(self._under_way)  # its files are being copied, whoever waits for it

    async def give_up(self) -> None:
        """End the one under way; none is made after it."""
        self._given_up.set()
        if self._under_way is not None:
            await asyncio.wait([self._under_way])

    async def _make(self, target: Path, count_jobs: Callable[[], int]) -> Backup:
        await self._durable()
        jobs = count_jobs()
        size = await asyncio.to_thread(make_backup, self._db, target, self._given_up.is_set)
        return Backup(str(target), size, jobs)

    def _done(self, made: asyncio.Task[Backup]) -> None:
        self._under_way = None
        if not made.cancelled():
            made.exception()  # whoever waited for it has gone, or was told


def make_backup(db: Database, target: Path, given_up: Callable[[], bool]) -> int:
    """Make a backup in a new folder, whole and durable; returns its bytes. For a thread: it holds the GIL only briefly.

    Where the folder is on the store's file system it shares the tables with it, which never change.
    """
    part = target.with_name(_PART.format(target.name))
    forget_unfinished(db.path)
    checkpoint = db.path / _UNFINISHED
    try:
        if target.exists():
            raise BackupRefused(f"{target} is there already")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if target.parent.samefile(db.path):  # whose names mean something
            raise BackupRefused(f"{target.parent} is the store itself: backups belong into another folder")
        db.checkpoint(checkpoint)
        size = size_of(checkpoint)
        if target.parent.stat().st_dev == checkpoint.stat().st_dev:
            sync(checkpoint)
            checkpoint.rename(target)
        else:
            check_space(target.parent, size)
            shutil.rmtree(part, ignore_errors=True)  # of a node that was killed
            copy(checkpoint, part, given_up)
            part.rename(target)
        _sync_one(target.parent)
    except OSError as error:
        raise BackupRefused(f"{target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        forget_unfinished(db.path)
    return size


def forget_unfinished(store: Path) -> None:
    """Remove what a backup, or a repair of which nothing was used yet, left behind when it was cut short."""
    for part in (_UNFINISHED, REPAIR_PART):
        shutil.rmtree(store / part, ignore_errors=True)


def restore(backup: Path, store: Path, now_ms: int) -> tuple[str, int]:
    """Make a store of a backup, in a new or empty folder; returns its name and how many jobs it has.

    All queues stand still, for what ran since the backup was made would run again; it has an id of its own, and what
    ran at that moment is nobody's crash. A store that no process has open is as good as a backup. Raises BackupRefused,
    StoreDamaged, StoreFailed, StoreLocked, StoreRefused.
    """
    if not (backup / CURRENT).is_file():
        raise StoreRefused(f"{backup} is no backup of a store")
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(store.iterdir()):
            raise StoreRefused(f"{store} is not empty: give a new folder")
        check_space(store, size_of(backup))
        part = store / RESTORE_PART
        with locked(backup) if (backup / LOCK).exists() else nullcontext():
            copy(backup, part)
        name, jobs = _make_new(part, now_ms)
        move_in(part, store)
    except OSError as error:
        raise StoreFailed(f"cannot restore to {store}: {error.strerror or error}") from error
    return name, jobs


def move_in(part: Path, store: Path) -> None:
    """Make a folder of the store the store itself. CURRENT comes last: before it, no node opens what is there."""
    sync(part)
    for file in sorted(part.iterdir(), key=lambda file: file.name == CURRENT):
        file.rename(store / file.name)
    part.rmdir()
    _sync_one(store)


def move_aside(store: Path, kept: Path) -> None:
    """Move the files of a store away. CURRENT goes first: after it, no node opens what is there."""
    for file in sorted(store.iterdir(), key=lambda file: file.name != CURRENT):
        if file.is_file():
            file.rename(kept / file.name)
    _sync_one(kept)
    _sync_one(store)


def _make_new(path: Path, now_ms: int) -> tuple[str, int]:
    """Give a copied store an id of its own and pause what would run."""
    db = Database(path)
    try:
        counts = {key[1:]: records.decode_counts(value) for key, value in db.all(b"c")}
        queues = {key[1:]: records.decode_queue(value) for key, value in db.all(b"q")}
        batch = Batch()
        batch.put(keys.STORE_ID, secrets.token_bytes(keys.STORE_ID_BYTES))
        batch.put(keys.BOOT, b"before the backup was restored")
        batch.delete(keys.CLEAN)
        for queue in {*counts, *queues, DEFAULT_QUEUE.encode()}:
            record = queues.get(queue, records.QueueRecord())
            if record.pause is None or record.pause.until_ms is not None:
                record = structs.replace(record, pause=Pause(RESTORED_BY, now_ms))
                batch.put(b"q" + queue, records.encode(record))
        db.write(batch)
        db.flush_log()
        name = db.get(keys.NAME) or b""
    finally:
        db.close()
    return name.decode(), sum(map(sum, counts.values()))


def copy(source: Path, target: Path, given_up: Callable[[], bool] = lambda: False) -> None:
    """Copy a folder of files, durably."""
    target.mkdir(mode=0o700)
    for file in source.iterdir():
        if given_up():
            raise BackupRefused("the node stops")
        if file.is_file() and file.name not in _NOT_COPIED:
            shutil.copy2(file, target)
    sync(target)


def sync(folder: Path) -> None:
    """Make a folder and the files in it durable."""
    for file in folder.iterdir():
        if file.is_file():
            _sync_one(file)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_space(folder: Path, needed: int) -> None:
    """Raise BackupRefused where a folder has no room for so much more."""
    _, free = disk.space(folder)
    if free < needed + SPARE_BYTES:
        raise BackupRefused(f"{folder} has {free:,} bytes free, {needed + SPARE_BYTES:,} are needed")
