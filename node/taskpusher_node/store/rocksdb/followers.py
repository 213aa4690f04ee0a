"""Who comes after a job of an ordered line or a unique text: found, held back, and let go when that job ends.

The next of a line is found by one seek from behind the place of the one before it, never over what has gone.
"""

from taskpusher.job import Spec

from ...lifecycle import FINISHED, HELD_BY_ORDER, HELD_BY_UNIQUE, Head, State, is_handed_off, let_go
from ..base import Held
from . import keys, records
from .book import Book, Ready
from .db import Batch
from .records import Closing
from .ties import held_by


def ended(book: Book, batch: Batch, job_id: bytes, spec: Spec, before: Head, head: Head) -> list[Ready]:
    """A job has ended: let go whom it held. Where its call was cancelled they are held until that is closed."""
    holds = held_by(spec, before)
    if before.state is State.RUNNING and head.state is State.CANCELLED and not is_handed_off(before):
        for key in (holds.line, holds.unique):
            if key is not None:
                batch.put(key, job_id)
        batch.put(keys.closing_key(job_id, before.attempt), records.encode(holds))
        return []
    return free(book, batch, holds, head.ended_ms or 0)


def closed(book: Book, batch: Batch, job_id: bytes, attempt: int, holds: Closing, now_ms: int) -> list[Ready]:
    """The call of a cancelled job is closed: what is still its own is free."""
    batch.delete(keys.closing_key(job_id, attempt))
    line, unique = (
        key if key is not None and book.db.get(key) == job_id else None for key in (holds.line, holds.unique)
    )
    for key in (line, unique):
        if key is not None:
            batch.delete(key)
    return free(book, batch, Closing(line, holds.place, unique), now_ms)


def free(book: Book, batch: Batch, holds: Closing, now_ms: int) -> list[Ready]:
    """Let go the next ones of a line and of a text; they may be the same job."""
    bits: dict[bytes, int] = {}
    if holds.line is not None:
        follower = next_in_line(book, holds.line, holds.place)
        if follower is not None:
            bits[follower] = HELD_BY_ORDER
    if holds.unique is not None:
        follower = book.db.get(keys.next_unique_key(holds.unique))
        if follower is not None:
            bits[follower] = bits.get(follower, 0) | HELD_BY_UNIQUE
    return [_let_go(book, batch, job_id, of_both, now_ms) for job_id, of_both in bits.items()]


def _let_go(book: Book, batch: Batch, job_id: bytes, bits: int, now_ms: int) -> Ready:
    birth = book.birth(job_id)
    if birth is None:  # one batch writes and deletes both
        raise book.db.damaged(f"{book.uid_of(job_id)} is held by another job, and is not there")
    before = book.head(job_id, birth)
    head = let_go(before, bits, now_ms)
    book.leave(batch, job_id, birth.spec, before)
    book.store(batch, job_id, birth.spec, head)
    if head.state is State.WAITING and not head.held:
        book.releasing.add(job_id)
    return job_id, birth.spec, head


def next_in_line(book: Book, line: bytes, place: int) -> bytes | None:
    """Return the id of the first job of a line behind a place."""
    found = book.db.scan(keys.follower_key(line, place + 1, b""), keys.after(keys.followers_of(line)), 1)
    return keys.parse_follower(found[0][0])[2] if found else None


def has_ended(book: Book, job_id: bytes) -> bool:
    """Tell whether a job that still holds others has ended, or is deleted: then its call is not closed."""
    birth = book.birth(job_id)
    return birth is None or book.head(job_id, birth).state in FINISHED


def held_on_return(book: Book, spec: Spec) -> int | None:
    """Return by which others a finished job is held when it is retried, None where another one has its text."""
    held = HELD_BY_ORDER if spec.ordered and book.db.get(keys.line_key(spec)) is not None else 0
    if spec.unique is None:
        return held
    unique = keys.unique_key(spec)
    first = book.db.get(unique)
    if first is None:
        return held
    if book.db.get(keys.next_unique_key(unique)) is not None or not has_ended(book, first):
        return None
    return held | HELD_BY_UNIQUE


def look(book: Book, job_id: bytes, count: int) -> Held:
    """Return by whom a job is held, or would be, and at most how many of `count` jobs of its line go before it."""
    birth = book.birth(job_id)
    if birth is None:
        return Held()
    spec, head = birth.spec, book.head(job_id, birth)
    first, ahead = None, 0
    if head.held & HELD_BY_ORDER:
        line = keys.line_key(spec)
        first = book.db.get(line)
        own = keys.follower_key(line, head.line, job_id)
        ahead = 1 + len(book.db.scan(keys.follower_key(line, _place_of(book, first), b""), own, count - 1))
    other = None
    if spec.unique is not None:
        unique = keys.unique_key(spec)
        both = (book.db.get(keys.next_unique_key(unique)), book.db.get(unique))
        other = next((there for there in both if there not in (None, job_id)), None)
    return Held(
        first=book.uid_of(first) if first is not None else None,
        ahead=ahead,
        unique=book.uid_of(other) if other is not None else None,
        closing=any(there is not None and has_ended(book, there) for there in (first, other)),
    )


def _place_of(book: Book, first: bytes | None) -> int:
    """Return behind which place the followers of a line stand."""
    birth = book.birth(first) if first is not None else None
    if first is None or birth is None:
        return 0
    head = book.head(first, birth)
    return 0 if head.held else head.line  # it was retried, and its call before is not closed
