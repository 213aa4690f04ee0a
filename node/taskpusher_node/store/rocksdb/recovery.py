"""Opening a store: whose it is, what was running when it last stopped, and the heads of all lanes."""

import subprocess
import sys
from pathlib import Path

from taskpusher import uid as uids

from ...lifecycle import Attempt, State, claimed, crashed
from ..base import Events, StoreRefused
from . import keys, records
from .book import Book
from .db import Database, new_batch
from .lanes import Entry

_PAGE = 1_000


def open_book(path: Path, name: str | None, events: Events, now_ms: int) -> Book:
    """Open the database and build the book of it. Blocks for seconds where the store is large: meant for a thread.

    Raises StoreLocked, StoreFailed, and StoreRefused for a store of another name or of a newer format.
    """
    db = Database(path)
    try:
        book = _identify(db, name, events)
        _read_queues(book)
        _requeue(book, now_ms)
        _open_lanes(book)
    except BaseException:
        db.close()
        raise
    return book


def _identify(db: Database, name: str | None, events: Events) -> Book:
    stored_format = int.from_bytes(db.get(keys.FORMAT) or records.FORMAT.to_bytes(2))
    if stored_format > records.FORMAT:
        raise StoreRefused(
            f"the store has format {stored_format}, this release reads up to {records.FORMAT}: use a newer release"
        )
    stored = db.get(keys.NAME)
    stored_name = stored.decode() if stored is not None else None
    if name is not None and stored_name not in (None, name):
        raise StoreRefused(f"the store's name is {stored_name}, not {name}: uids name it, so it cannot change")
    opens = int.from_bytes(db.get(keys.OPENS) or b"") + 1
    book = Book(db, stored_name or name or uids.random_name(), opens, events)
    batch = new_batch()
    batch.put(keys.FORMAT, records.FORMAT.to_bytes(2))
    batch.put(keys.NAME, book.name.encode())
    batch.put(keys.OPENS, opens.to_bytes(8))
    db.write(batch)
    db.flush_log()
    return book


def _read_queues(book: Book) -> None:
    for key, value in _all(book.db, b"q"):
        book.queues[key[1:].decode()] = records.decode_queue(value)
    for key, value in _all(book.db, b"c"):
        queue = key[1:].decode()
        book.counts[queue] = records.decode_counts(value)
        book.queues.setdefault(queue, records.QueueRecord())
    for queue, record in book.queues.items():
        book.lanes.pause(queue, on=record.pause is not None)


def _requeue(book: Book, now_ms: int) -> None:
    """What was running goes back to waiting, at its old place in line, or ends as `crashed-node`.

    A slot's job was running if it still waits at the place the slot knows, and the slot knows of a later attempt: a
    claim writes nothing else, so the job still stands in the ready index. Under another boot id the machine went
    down, not the process, which is nobody's fault.
    """
    boot = _boot_id()
    counts = book.db.get(keys.BOOT) == boot
    batch = new_batch()
    batch.put(keys.BOOT, boot)
    for _, value in _all(book.db, b"s"):
        job_id, seq, n, started_ms = keys.parse_slot(value)
        birth = book.birth(job_id)
        head = book.head(job_id, birth) if birth is not None else None
        if birth is None or head is None or (head.state, head.seq) != (State.WAITING, seq) or head.attempt >= n:
            continue
        attempt = Attempt(
            n, started_ms, 0.0, "crashed" if counts else "power-cut", "the node went down under this call"
        )
        running = claimed(head, started_ms)
        after = crashed(running, attempt, now_ms, counts=counts)
        book.leave(batch, job_id, birth.spec, running)
        book.keep_attempt(batch, job_id, head)
        book.store(batch, job_id, birth.spec, after)
        book.totals.requeued += 1
    book.write_counts(batch)
    book.db.write(batch)
    book.db.flush_log()


def _open_lanes(book: Book) -> None:
    """Find the head of every lane by one seek each."""
    start = b"r"
    while found := book.db.scan(start, keys.after(b"r"), 1):
        key, value = found[0]
        lane, seq, job_id = keys.parse_ready(key)
        queue, host, priority = keys.parse_lane(lane)
        book.lanes.open_lane(lane, queue, host, priority, Entry(seq, job_id, int.from_bytes(value)))
        start = keys.after(lane)


def _all(db: Database, prefix: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    start = prefix
    while page := db.scan(start, keys.after(prefix), _PAGE):
        found += page
        start = page[-1][0] + b"\0"
    return found


def _boot_id() -> bytes:
    """Return what changes when the machine starts anew, and only then."""
    if sys.platform == "darwin":
        return subprocess.check_output(["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]).strip()
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
