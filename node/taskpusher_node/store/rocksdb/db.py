"""The only module that knows rocksdict: opening, batches, bounded scans, the flush, and what its errors mean."""

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rocksdict import (
    AccessType,
    BottommostLevelCompaction,
    Checkpoint,
    CompactOptions,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from ..base import Recovery, StoreDamaged, StoreFailed, StoreLocked, StoreRefused
from . import keys, wal

_BLOB_BYTES = 65_536
_MEMTABLE_BYTES = 32 << 20
_PAGE = 1_000
_STALL_S = 0.05

CURRENT = "CURRENT"  # the file that RocksDB begins with
LOCK = "LOCK"
RESTORE_PART = "restore.part"  # a folder in the store, until it is moved to where it belongs
REPAIR_PART = "repair.part"


class Stalled(Exception):
    """RocksDB would have to wait before this write; it was not done."""


class Batch(list[tuple[bytes, bytes | None]]):
    """What one write is to change: keys with their new values, None for those to delete, in order.

    Kept here until it is done, for RocksDB's own batch is gone after a try that stalled. A list is the cheapest way.
    """

    __slots__ = ()

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self.append((key, value))

    def delete(self, key: bytes) -> None:
        """Let a key go."""
        self.append((key, None))


class Database:
    """One RocksDB with one column family.

    One, because after a flipped byte in the log two can refuse to open at all, and because rarely written families pin
    every log file.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or make the database; with `read_only` no byte is changed, and the caller has it `locked`.

        Raises StoreLocked where a process has it open, StoreDamaged where only a repair or a backup helps, StoreFailed
        for all else.
        """
        self.path = path
        self.recovery = Recovery.CLEAN
        self.recovered = ""  # what was wrong with the log, for people
        self.on_damage: Callable[[StoreDamaged], None] = _nobody
        self._write_options = WriteOptions()
        self._write_options.no_slowdown = True  # a stall would block the loop with the GIL held
        try:
            if not read_only:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = self._recover(read_only=read_only)
        except OSError as error:
            raise StoreFailed(f"cannot open {path}: {error}") from error
        self._get = self._db.get

    def _recover(self, *, read_only: bool) -> Rdict:
        """Open; a log that RocksDB refuses is read up to where it is damaged, and said."""
        _check_current(self.path)
        cuts = wal.cuts(self.path)  # RocksDB drops these ends without a word, and deletes the files
        try:
            # the default recovery drops acknowledged data after a damaged record without a word
            opened = _open(self.path, DBRecoveryMode.tolerate_corrupted_tail_records(), read_only=read_only)
        except StoreDamaged as refused:
            return self._open_damaged(refused, read_only=read_only)
        if cuts:
            self.recovery = Recovery.TORN_TAIL
            self.recovered = "; ".join(map(str, cuts))
        return opened

    def _open_damaged(self, refused: StoreDamaged, *, read_only: bool) -> Rdict:
        if not wal.logs(self.path):
            raise refused
        copies = wal.keep_copies(self.path) if not read_only else None
        try:
            opened = _open(self.path, DBRecoveryMode.point_in_time(), read_only=read_only)
        except StoreDamaged:
            if copies is not None:
                shutil.rmtree(copies)
            raise refused from None  # it is not the log
        self.recovery = Recovery.POINT_IN_TIME
        self.recovered = str(refused) + (f"; its files were copied to {copies}" if copies is not None else "")
        return opened

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key; raises StoreDamaged, after it told `on_damage`."""
        try:
            return self._get(key)
        except Exception as error:
            raise self.damaged(f"{_in_words(key)}: {error}") from error

    def peek(self, key: bytes) -> bytes | None:
        """As `get`, for who only looks: nobody else is told."""
        try:
            return self._get(key)
        except Exception as error:
            raise StoreDamaged(f"{_in_words(key)}: {error}") from error

    def write(self, batch: Batch) -> None:
        """Write a batch without flushing it; raises Stalled (nothing was written) or StoreFailed."""
        native = WriteBatch(raw_mode=True)
        put, delete = native.put, native.delete
        for key, value in batch:
            if value is None:
                delete(key)
            else:
                put(key, value)
        try:
            self._db.write(native, self._write_options)
        except Exception as error:
            if "Write stall" in str(error):
                raise Stalled from error
            raise _failure(error) from error

    def write_patiently(self, batch: Batch) -> None:
        """As `write`, but wait where RocksDB has to; for who holds up nobody."""
        while True:
            try:
                self.write(batch)
            except Stalled:
                time.sleep(_STALL_S)
            else:
                return

    def flush_log(self) -> None:
        """Make all that was written durable. Meant for a thread: it releases the GIL, `write(sync=True)` does not."""
        try:
            self._db.flush_wal(True)
        except Exception as error:
            raise _failure(error) from error

    def scan(self, start: bytes, end: bytes, n: int) -> list[tuple[bytes, bytes]]:
        """Return at most `n` entries from the key `start` on, up to but without `end`; raises StoreDamaged.

        The one way to read a range. rocksdict's keys() and items() end early over a damaged table without a word. The
        bound keeps a seek from walking over all that was deleted behind the range. Never backwards: that walks over
        deleted keys 17 times slower, and the lower bound that would stop it acts as an upper one.
        """
        found, damage = self.readable(start, end, n)
        if damage is not None:
            raise self.damaged(damage)
        return found

    def all(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Return all entries whose keys begin with a prefix; for small tables."""
        found: list[tuple[bytes, bytes]] = []
        start = prefix
        while page := self.scan(start, keys.after(prefix), _PAGE):
            found += page
            start = page[-1][0] + b"\0"
        return found

    def readable(self, start: bytes, end: bytes, n: int) -> tuple[list[tuple[bytes, bytes]], str | None]:
        """As `scan`, but return what could be read, and what RocksDB says where it could not read on."""
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        found: list[tuple[bytes, bytes]] = []
        entries = self._db.iter(options)
        try:
            entries.seek(start)
            while len(found) < n and entries.valid():
                found.append((entries.key(), entries.value()))
                entries.next()
            entries.status()
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing narrower
            return found, f"behind {_in_words(found[-1][0] if found else start)}: {error}"
        return found, None

    def checkpoint(self, target: Path) -> None:
        """Make a copy of this moment in a folder on the same file system; meant for a thread.

        Memtables are flushed first, for that releases the GIL and the checkpoint does not. Tables become hard links.
        """
        try:
            self._db.flush()
            Checkpoint(self._db).create_checkpoint(str(target))
        except Exception as error:
            raise _failure(error) from error

    def compact(self, ranges: list[tuple[bytes, bytes]]) -> None:
        """Rewrite ranges without what was deleted in them. Meant for a thread: it releases the GIL."""
        options = CompactOptions()
        # else files are only moved
        options.set_bottommost_level_compaction(BottommostLevelCompaction.force_optimized())
        options.set_exclusive_manual_compaction(False)  # those that the engine needs meanwhile go on
        try:
            for start, end in ranges:
                self._db.compact_range(start, end, options)
        except Exception as error:
            raise _failure(error) from error

    def version(self) -> str:
        """Return that of RocksDB, which rocksdict does not tell: it stands in the newest file of options."""
        whole = [file for file in self.path.glob("OPTIONS-*") if not file.suffix]
        text = max(whole, key=lambda file: int(file.name[8:])).read_text() if whole else ""
        return next((line.partition("=")[2] for line in text.splitlines() if "rocksdb_version=" in line), "unknown")

    def close(self) -> None:
        """Close the database; raises StoreFailed where it was broken."""
        try:
            self._db.close()
        except Exception as error:
            raise _failure(error) from error

    def damaged(self, what: str) -> StoreDamaged:
        """Return the error that says what cannot be read, after it was told to `on_damage`."""
        damage = StoreDamaged(f"the store in {self.path} cannot be read ({what})")
        self.on_damage(damage)
        return damage


def _in_words(key: bytes) -> str:
    """Name a key; behind the letter of its table, those of a job show the beginning of its uid."""
    return f"key {key[:1].decode(errors='replace')} {key[1:].hex()}" if key else "the beginning"


def _nobody(_: StoreDamaged) -> None:
    pass


def _check_current(path: Path) -> None:
    """Refuse what has not the file that RocksDB begins with: it would make a new, empty database over the old one."""
    if (path / CURRENT).exists():
        return
    if (path / RESTORE_PART).exists():
        raise StoreRefused(f"{path} was cut short while it was restored: delete it, and restore the backup again")
    if (path / REPAIR_PART).exists():
        raise StoreRefused(
            f"{path} was cut short while it was repaired: the new files are in {REPAIR_PART}, old ones in"
            f" before-repair-*; move those of one of them into {path}, {CURRENT} last"
        )
    if any(file for pattern in ("MANIFEST-*", "*.sst", "*.blob") for file in path.glob(pattern)):
        raise StoreDamaged(f"cannot open {path}: Corruption: there are tables, but the file {CURRENT} is missing")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that RocksDB itself takes only to write, so that no node writes while a store is looked at.

    Raises StoreLocked, and StoreFailed where there is no store, or none that can be locked. Nothing else in this
    process may open it meanwhile.
    """
    try:
        lock = (path / LOCK).open("r+")
    except FileNotFoundError as error:
        raise StoreFailed(f"there is no store in {path}: {error.strerror}") from error
    except OSError as error:
        raise StoreFailed(f"cannot lock the store in {path}: {error.strerror}") from error
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreLocked(f"another process has {path} open") from error
        yield


def rebuild(path: Path) -> None:
    """Have RocksDB list anew the tables it can read, where a database cannot be opened; it changes what is there.

    It forgets the blob files, so that values from 64 KiB are lost; those of a log are put into tables.
    """
    options = _options(DBRecoveryMode.point_in_time())
    options.set_enable_blob_files(False)
    try:
        Rdict.repair(str(path), options)
    except Exception as error:
        raise _failure(error, f"cannot rebuild {path}: ") from error


def _open(path: Path, recovery: DBRecoveryMode, *, read_only: bool) -> Rdict:
    options = _options(recovery)
    options.create_if_missing(not read_only)
    access = AccessType.read_only() if read_only else AccessType.read_write()
    try:
        return Rdict(str(path), options, access_type=access)
    except Exception as error:
        text = str(error)
        if "lock file" in text or "lock hold" in text:
            raise StoreLocked(f"another process has {path} open") from error
        raise _failure(error, f"cannot open {path}: ") from error


def _options(recovery: DBRecoveryMode) -> Options:
    options = Options(raw_mode=True)
    options.set_wal_recovery_mode(recovery)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_write_buffer_number(4)
    options.set_keep_log_file_num(10)
    options.set_enable_blob_files(True)
    options.set_min_blob_size(_BLOB_BYTES)
    options.set_enable_blob_gc(True)
    return options


def _failure(error: Exception, what: str = "") -> StoreFailed:
    kind = StoreDamaged if "Corruption" in str(error) else StoreFailed
    return kind(f"{what}{error}")
