"""Brings back what stands in a log behind the place where it is damaged.

RocksDB opens such a store as of the moment before that place. Here its own repair makes a database of the copied log
files alone, which loses only the blocks of 32 KiB that are damaged; jobs that the store lacks are put into it, and
heads that are newer than its own take their place. It is done while the store is opened, when whatever the log has and
the store has not can only stand behind the damage.
"""

import shutil
import tempfile
from pathlib import Path

from ...lifecycle import Head, is_handed_off
from . import keys, records, wal
from .book import Book
from .db import Batch, Database, rebuild
from .tangles import holders, untangle
from .ties import is_tied

_PAGE = 500
_PARTS = ((b"a", b"h"), (b"i", b"u"))  # what heartbeats change of heads comes behind all heads
_KEPT = frozenset({keys.FORMAT, keys.NAME, keys.STORE_ID, keys.TOKEN_KEY, keys.BOOT, keys.DRAINING})


def bring_back(book: Book, folder: Path) -> int:
    """Put into the store what the log files in a folder have and it lacks; returns how many jobs were brought back.

    The book may be any that has the counters. Raises StoreDamaged where nothing can be made of the files.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="reading-") as scratch:
        for file in wal.logs(folder):
            shutil.copy2(file, scratch)
        rebuild(Path(scratch))
        log = Database(Path(scratch), read_only=True)
        try:
            return _copy_tables(book, log)
        finally:
            log.close()


def _copy_tables(book: Book, log: Database) -> int:
    touched = holders(book.db)
    missing = sum(_copy_range(book, log, touched, *part) for part in _PARTS)
    _copy_handed(book, log)
    untangle(book, touched)
    book.db.flush_log()
    return missing


def _copy_range(book: Book, log: Database, touched: list[bytes], start: bytes, end: bytes) -> int:
    missing = 0
    while page := log.readable(start, end, _PAGE)[0]:
        batch = Batch()
        for key, value in page:
            if key[:1] == b"b":
                there = book.db.peek(key)
                if there != value and _add(book, log, batch, key[1:], value, there):
                    touched.append(key[1:])
                missing += there is None
            elif key[:1] == b"j":
                if _renew(book, batch, key, value):
                    touched.append(key[1:])
            elif key == keys.OPENS:
                batch.put(key, max(value, book.db.peek(key) or b""))  # places in line are counted from it
            else:
                _take(book, log, batch, key, value)
        book.write_counts(batch)  # with the limit keys
        book.db.write_patiently(batch)
        start = page[-1][0] + b"\0"
    return missing


def _take(book: Book, log: Database, batch: Batch, key: bytes, value: bytes) -> None:
    """Take an entry of the log that is of no job: its indexes and counters follow from the jobs."""
    if key[:1] == b"i":
        _repeat(book, log, batch, key, value)
    elif key.startswith(keys.KEY_GATES):
        book.gates.take_over(keys.gate_name(key), records.decode_key_gate(value))
    elif (
        key[:1] in b"aeoqst"
        or key == keys.SHARE
        or key.startswith((keys.QUEUE_GATES, keys.MEMO))
        or (key in _KEPT and book.db.peek(key) is None)
    ):
        batch.put(key, value)


def _add(book: Book, log: Database, batch: Batch, job_id: bytes, value: bytes, there: bytes | None) -> bool:
    """Enter a job that the store lacks, or has with other fields; tells whether it may hold others, or be held."""
    birth = records.decode_birth(value)
    raw = log.peek(b"j" + job_id)
    if there is not None:
        old = records.decode_birth(there)
        book.leave(batch, job_id, old.spec, book.head(job_id, old))
        raw = raw if raw is not None else book.db.peek(b"j" + job_id)
    head = birth.head if raw is None else records.decode_head(raw)
    batch.put(b"b" + job_id, value)
    if raw is not None:
        batch.put(b"j" + job_id, raw)
    book.enter(batch, job_id, birth.spec, head)
    return is_tied(birth.spec)


def _renew(book: Book, batch: Batch, key: bytes, value: bytes) -> bool:
    """A head of the log takes the place of another one in the store, which has those of before the damage alone."""
    birth = book.birth(key[1:])
    if birth is None:
        return False  # its block is lost
    before, head = book.head(key[1:], birth), records.decode_head(value)
    if _age(before) < _age(head):
        book.leave(batch, key[1:], birth.spec, before)
        book.store(batch, key[1:], birth.spec, head)
    return is_tied(birth.spec)


def _repeat(book: Book, log: Database, batch: Batch, key: bytes, value: bytes) -> None:
    """An idempotency key of the log is the newer one; that of a job that is lost is left out, to be stored anew."""
    birth = b"b" + keys.parse_repeat(value)[0]
    if keys.parse_repeat(value)[2] or log.peek(birth) is not None or book.db.peek(birth) is not None:
        batch.put(key, value)


def _copy_handed(book: Book, log: Database) -> None:
    """Take the last heartbeats before the log ends, of jobs that are still handed off then."""
    start = b"h"
    while page := log.readable(start, keys.after(b"h"), _PAGE)[0]:
        batch = Batch()
        for key, value in page:
            birth = book.birth(key[1:])
            head = book.head(key[1:], birth) if birth is not None else None
            if head is not None and is_handed_off(head) and head.attempt == records.decode_accepted(value).attempt:
                batch.put(key, value)
        book.db.write_patiently(batch)
        start = page[-1][0] + b"\0"


def _age(head: Head) -> tuple[int, int, bool, bool]:
    return head.seq, head.attempt, not is_handed_off(head), head.ended_ms is not None
