"""The only module that knows rocksdict: opening, batches, bounded scans, the flush, and what its errors mean."""

from pathlib import Path

from rocksdict import DBRecoveryMode, Options, Rdict, ReadOptions, WriteBatch, WriteOptions

from ..base import StoreFailed, StoreLocked

Batch = WriteBatch
_BLOB_BYTES = 65_536
_MEMTABLE_BYTES = 32 << 20


class Stalled(Exception):
    """RocksDB would have to wait before this write; it was not done."""


def new_batch() -> Batch:
    """Return an empty batch of raw keys and values."""
    return WriteBatch(raw_mode=True)


class Database:
    """One RocksDB with one column family.

    One, because after a flipped byte in the log two can refuse to open at all, and because rarely written families pin
    every log file.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the database; raises StoreLocked where a process has it open, StoreFailed for all else."""
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        # the default recovery drops acknowledged data after a damaged record without a word
        options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
        options.set_write_buffer_size(_MEMTABLE_BYTES)
        options.set_max_write_buffer_number(4)
        options.set_keep_log_file_num(10)
        options.set_enable_blob_files(True)
        options.set_min_blob_size(_BLOB_BYTES)
        options.set_enable_blob_gc(True)
        self._write_options = WriteOptions()
        self._write_options.no_slowdown = True  # a stall would block the loop with the GIL held
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = Rdict(str(path), options)
        except Exception as error:
            if "lock" in str(error).lower():
                raise StoreLocked(f"another process has {path} open") from error
            raise StoreFailed(f"cannot open {path}: {error}") from error
        self.get = self._db.get

    def write(self, batch: Batch) -> None:
        """Write a batch without flushing it; raises Stalled (nothing was written) or StoreFailed."""
        try:
            self._db.write(batch, self._write_options)
        except Exception as error:
            if "Incomplete" in str(error):
                raise Stalled from error
            raise StoreFailed(str(error)) from error

    def flush_log(self) -> None:
        """Make all that was written durable. Meant for a thread: it releases the GIL, `write(sync=True)` does not."""
        try:
            self._db.flush_wal(True)
        except Exception as error:
            raise StoreFailed(str(error)) from error

    def scan(self, start: bytes, end: bytes, n: int) -> list[tuple[bytes, bytes]]:
        """Return at most `n` entries from the key `start` on, up to but without `end`.

        The one way to read a range. rocksdict's keys() and items() end early over a damaged table without a word. The
        bound keeps a seek from walking over all that was deleted behind the range. Never backwards: that walks over
        deleted keys 17 times slower, and the lower bound that would stop it acts as an upper one.
        """
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        found: list[tuple[bytes, bytes]] = []
        entries = self._db.iter(options)
        entries.seek(start)
        while len(found) < n and entries.valid():
            found.append((entries.key(), entries.value()))
            entries.next()
        try:
            entries.status()
        except Exception as error:
            raise StoreFailed(f"a scan of the store failed: {error}") from error
        return found

    def close(self) -> None:
        """Close the database; raises StoreFailed where it was broken."""
        try:
            self._db.close()
        except Exception as error:
            raise StoreFailed(str(error)) from error
