"""Opening a store: whose it is, what was running when it last stopped, and the heads of all lanes."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import structs

from taskpusher import uid as uids
from taskpusher.job import Limit

from ...lifecycle import FINISHED, Attempt, Head, State, claimed, crashed, is_handed_off
from ...tokens import KEY_BYTES
from ..base import Events, JobView, Recovery, StoreDamaged, StoreFailed, StoreRefused
from . import backup, ends, followers, keys, records, wal
from .book import Book
from .db import Batch, Database
from .gates import Gates
from .groups import Groups
from .handed import Handed
from .lane import Entry, where
from .records import Birth
from .rescue import bring_back

GRACE_MS = 60_000  # from the opening to the end of the first lease
_READY_AT_ONCE = 64


def open_book(
    path: Path,
    name: str | None,
    events: Events,
    gates: Gates,
    tell: Callable[[JobView], bytes] | None = None,
) -> Book:
    """Open the database and build the book of it. Blocks for seconds where the store is large: meant for a thread.

    Raises StoreLocked, StoreDamaged, StoreFailed, and StoreRefused for a store of another name or of a newer format.
    """
    db = Database(path)
    try:
        check_format(db)
        _bring_back(db)
        book = _identify(db, name, events, gates)
        book.tell = tell
        backup.forget_unfinished(path)
        read_counts(book)
        _read_queues(book)
        _read_holds(book)
        _requeue(book, gates.now_ms())
        _read_handed(book, gates.now_ms())
        _open_lanes(book)
    except BaseException:
        db.close()
        raise
    return book


def _identify(db: Database, name: str | None, events: Events, gates: Gates) -> Book:
    stored = db.get(keys.NAME)
    stored_name = stored.decode() if stored is not None else None
    if name is not None and stored_name not in (None, name):
        raise StoreRefused(f"the store's name is {stored_name}, not {name}: uids name it, so it cannot change")
    opens = int.from_bytes(db.get(keys.OPENS) or b"") + 1
    book = Book(db, stored_name or name or uids.random_name(), opens, events, gates)
    book.store_id = db.get(keys.STORE_ID) or secrets.token_bytes(keys.STORE_ID_BYTES)
    book.stopped_clean = not db.recovered and (stored is None or db.get(keys.CLEAN) is not None)
    book.token_key = db.get(keys.TOKEN_KEY) or secrets.token_bytes(KEY_BYTES)
    batch = Batch()
    batch.put(keys.STORE_ID, book.store_id)
    batch.put(keys.TOKEN_KEY, book.token_key)
    batch.delete(keys.CLEAN)
    batch.put(keys.FORMAT, records.FORMAT.to_bytes(2))
    batch.put(keys.NAME, book.name.encode())
    batch.put(keys.OPENS, opens.to_bytes(8))
    db.write(batch)
    db.flush_log()
    return book


def check_format(db: Database) -> None:
    """Raise StoreRefused where a newer release wrote the store."""
    stored_format = int.from_bytes(db.get(keys.FORMAT) or records.FORMAT.to_bytes(2))
    if stored_format > records.FORMAT:
        raise StoreRefused(
            f"the store has format {stored_format}, this release reads up to {records.FORMAT}: use a newer release"
        )


def read_counts(book: Book) -> None:
    """Fill in the counters, the queues that have any, the groups of errors and the limit keys."""
    for key, value in book.db.all(b"c"):
        queue = key[1:].decode()
        book.counts[queue] = records.decode_counts(value)
        book.queues.setdefault(queue, records.QueueRecord())
    book.groups = Groups({key[1:].decode(): records.decode_members(value) for key, value in book.db.all(b"g")})
    book.gates.read(book.db)


def _bring_back(db: Database) -> None:
    """After a damaged log: what stands behind the damage. Copies that cannot be read are left to people."""
    for copies in wal.unread(db.path):
        book = Book(db, "", 0, Events())
        read_counts(book)
        try:
            n = bring_back(book, copies)
        except OSError as error:  # as no room: to be done before anything else happens to the store
            raise StoreFailed(f"cannot read {copies}: {error}") from error
        except StoreDamaged as error:
            db.recovered += f"; they cannot be read: {error}"
        else:
            db.recovered += f"; {n} jobs that stand behind the damage were brought back"
        (copies / wal.READ).touch()


def _read_queues(book: Book) -> None:
    share = book.db.get(keys.SHARE)
    if share is not None:
        book.share = records.decode_share(share)
    for key, value in book.db.all(b"q"):
        book.set_queue(key[1:].decode(), records.decode_queue(value))
    for queue in book.queues:
        book.enforce_queue(queue)
        book.tally(queue)
    book.gates.read_buckets(book.db)


def _read_holds(book: Book) -> None:
    book.holds = {key[1:].decode(): records.decode_hold(value) for key, value in book.db.all(b"o")}


def _requeue(book: Book, now_ms: int) -> None:
    """What was running goes back to waiting, at its old place in line, or ends as `crashed-node`.

    After a clean stop nothing ran, so nothing is looked for.
    Under another boot id the machine went down, not the process, which is nobody's fault.
    """
    boot = _boot_id()
    counts = book.db.get(keys.BOOT) == boot
    batch = Batch()
    if not counts and not book.stopped_clean:
        book.gates.empty_all()  # what was taken in the last moments is not known
    for job_id, birth, head, started_ms in () if book.stopped_clean else interrupted(book):
        running = claimed(head, started_ms)
        attempt = Attempt(
            running.attempt, started_ms, 0.0, "crashed" if counts else "power-cut", "the node went down under this call"
        )
        after = crashed(running, attempt, now_ms, counts=counts)
        if after.state in FINISHED:
            batch = _written(book, batch)  # whom it holds may have been let go by the one before
        book.leave(batch, job_id, birth.spec, running)
        book.keep_attempt(batch, job_id, head)
        book.store(batch, job_id, birth.spec, after)
        if after.state in FINISHED:
            ends.ended(book, batch, job_id, birth.spec, running, after)
        book.totals.requeued += after.state is State.WAITING
    for key, value in book.db.all(b"w"):
        batch = _written(book, batch)
        job_id, n = keys.parse_closing(key)
        # from the front of its line, for after damage others may stand before it
        holds = structs.replace(records.decode_closing(value), place=0)
        followers.closed(book, batch, job_id, n, holds, now_ms)
    batch.put(keys.BOOT, boot)  # last: what is left after a crash in here was not running under this boot
    _written(book, batch)
    book.releasing.clear()
    book.db.flush_log()
    book.durable_seq = book.last_seq


def _written(book: Book, batch: Batch) -> Batch:
    """Write what was done so far, so that it can be read."""
    book.write_counts(batch)
    book.db.write(batch)
    return Batch()


def interrupted(book: Book) -> Iterator[tuple[bytes, Birth, Head, int]]:
    """Yield (id, birth, head, started_ms) of the jobs that ran when the store was last written.

    A slot's job was running if it still waits at the place the slot knows, and the slot knows of a later attempt: a
    claim writes nothing else, so the job still stands in the ready index.
    """
    for _, value in book.db.all(b"s"):
        job_id, seq, n, started_ms = keys.parse_slot(value)
        birth = book.birth(job_id)
        head = book.head(job_id, birth) if birth is not None else None
        if birth is None or head is None or (head.state, head.seq) != (State.WAITING, seq) or head.attempt >= n:
            continue
        yield job_id, birth, head, started_ms


def _read_handed(book: Book, now_ms: int) -> None:
    """What was handed off goes on: no lease ends before its target had time to find the node again."""
    for key, value in book.db.all(b"h"):
        job_id = key[1:]
        birth = book.birth(job_id)
        head = book.head(job_id, birth) if birth is not None else None
        accepted = records.decode_accepted(value)
        if birth is None or head is None or not is_handed_off(head) or head.attempt != accepted.attempt:
            continue  # damage, which a verification comes to
        head = structs.replace(head, lease_ms=max(accepted.lease_ms, now_ms + GRACE_MS))
        book.handed.take(Handed(book.uid_of(job_id), job_id, birth.added_ms, birth.spec, head, accepted.progress))
        book.enter_gates(birth.spec)


def _open_lanes(book: Book) -> None:
    """Find the head of every lane: a seek passes over a long one, or reads many short ones."""
    start = b"r"
    while found := book.db.scan(start, keys.after(b"r"), _READY_AT_ONCE):
        lane = b""
        for key, value in found:
            if keys.parse_ready(key)[0] != lane:
                lane = _open_lane(book, key, value)
        start = keys.after(lane)


def _open_lane(book: Book, key: bytes, value: bytes) -> bytes:
    lane, seq, job_id = keys.parse_ready(key)
    queue, host, priority, limit = keys.parse_lane(lane)
    if limit is not None and limit not in book.gates.keys:  # lost with a damaged block
        birth = book.birth(job_id)
        book.gates.key(birth.spec.limit if birth is not None and birth.spec.limit is not None else Limit(limit))
    book.lanes.open_lane(where(queue, host, priority, limit), Entry(seq, job_id, int.from_bytes(value)))
    return lane


def in_words(db: Database) -> str:
    """Return what was wrong with the log and what a person should do; empty where nothing was."""
    copies = db.path / wal.COPIES
    look = "look whether the newest jobs that your application added are there"
    if db.recovery is Recovery.TORN_TAIL:
        return (
            f"the end of the log was cut off ({db.recovered}): what was acknowledged is missing only if the disk"
            f" lost what it had written; {look}"
        )
    if db.recovery is Recovery.POINT_IN_TIME:
        return (
            f"the log was damaged ({db.recovered}): jobs may be missing, and calls may be repeated; {look}, then"
            f" delete {copies}"
        )
    if wal.copies(db.path):
        return f"the log was damaged at an earlier start, and jobs may be missing; {look}, then delete {copies}"
    return ""


def _boot_id() -> bytes:
    """Return what changes when the machine starts anew, and only then."""
    if sys.platform == "darwin":
        return subprocess.check_output(["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]).strip()
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
