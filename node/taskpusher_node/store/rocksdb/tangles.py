"""Jobs that hold each other and do not fit together, as after damage, and what sets them right.

The heads are the truth. Where two say that they are the first of one line, the one that the line does not know is held;
of two with one unique text one loses it, for none may be lost; and whoever is held by nobody is let go.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
from msgspec import structs

from taskpusher.job import Spec

from ...lifecycle import FINISHED, HELD_BY_ORDER, HELD_BY_UNIQUE, Head, held_back, let_go
from . import keys, records, ties
from .book import Book
from .db import Batch, Database
from .records import Birth

_TABLES = (b"f", b"k", b"u")
_ROUNDS_MAX = 10  # to set one right may show another


class Tangle(NamedTuple):
    """A job that does not fit among others, and the spec and the head that do; `others` are entries of those."""

    job_id: bytes
    birth: Birth
    before: Head
    spec: Spec
    head: Head
    others: dict[bytes, bytes]
    text: str

    @property
    def new_birth(self) -> bytes:
        """The birth with this spec."""
        return records.encode(structs.replace(self.birth, spec=self.spec))


class Tangles:
    """Looks at jobs and at entries of the tables that tie them, one by one."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def rival(self, key: bytes, job_id: bytes, birth: Birth, head: Head) -> Tangle | None:
        """Look whether the entry that a job asks for is rightly another's; otherwise the job can have it."""
        there = self._db.peek(key)
        if there is None or there == job_id or key[:1] == b"k" or not self.is_right(key, there):
            return None
        if key[:1] == b"f":
            held = head.held | HELD_BY_ORDER
            new = held_back(head, held, head.waiting_ms or head.due_ms or birth.added_ms)
            text = "another job is the first of its ordered line"
            return Tangle(job_id, birth, head, birth.spec, structs.replace(new, line=new.seq), {key: there}, text)
        spec = structs.replace(birth.spec, unique=None)
        new = let_go(head, HELD_BY_UNIQUE, head.waiting_ms or 0) if head.held else head
        return Tangle(job_id, birth, head, spec, new, {key: there}, "another job has its unique text")

    def stray(self, key: bytes, value: bytes) -> bool:
        """Tell whether an entry of these tables is that of no job."""
        return not self.is_right(key, keys.parse_follower(key)[2] if key[:1] == b"k" else value)

    def is_right(self, key: bytes, job_id: bytes) -> bool:
        """Tell whether an entry is that of a job: as its head says, or because its call was cancelled and is open."""
        found = self._job(job_id)
        if found is not None and key in _entries(job_id, *found):
            return True
        calls = self._db.readable(keys.closing_key(job_id, 0), keys.closing_key(job_id, 2**32 - 1), 1)[0]
        closing = [records.decode_closing(value) for _, value in calls]
        return any(key in (holds.line, holds.unique) for holds in closing)

    def unheld(self, key: bytes, value: bytes, missing: Collection[bytes] = ()) -> Tangle | None:
        """Look whether the job of an entry that says that it is held will be let go by somebody.

        `missing` are entries that are not there, and to be put again.
        """
        if key[:1] == b"k":
            holder, place, job_id = keys.parse_follower(key)
            bit, text = HELD_BY_ORDER, "it waits in an ordered line that has no first job"
            if self._db.readable(keys.followers_of(holder), key, 1)[0]:
                return None  # the first of them is enough
        elif key[-1]:
            return None  # nobody holds this one
        else:
            holder, place, job_id = key[:-1], None, value
            bit, text = HELD_BY_UNIQUE, "it waits for a job of its unique text that is not there"
        there = self._db.peek(holder)
        if there is not None:
            return self._overtaking(there, place) if place is not None else None
        found = self._job(job_id)
        if found is None or holder in missing:
            return None
        birth, head = found
        return Tangle(job_id, birth, head, birth.spec, let_go(head, bit, head.waiting_ms or 0), {}, text)

    def _overtaking(self, job_id: bytes, place: int) -> Tangle | None:
        """Look whether the first of a line stands behind one that it holds: at its end only those behind are found."""
        found = self._job(job_id)
        if found is None:
            return None
        birth, head = found
        if head.state in FINISHED or head.held & HELD_BY_ORDER or head.line <= place:
            return None
        text = "it is the first of an ordered line in which others stand before it"
        return Tangle(job_id, birth, head, birth.spec, structs.replace(head, line=place - 1), {}, text)

    def _job(self, job_id: bytes) -> tuple[Birth, Head] | None:
        raw, raw_head = self._db.peek(b"b" + job_id), self._db.peek(b"j" + job_id)
        try:
            birth = records.decode_birth(raw) if raw is not None else None
            head = records.decode_head(raw_head) if raw_head is not None else None
        except msgspec.MsgspecError:
            return None
        return (birth, head or birth.head) if birth is not None else None


def _entries(job_id: bytes, birth: Birth, head: Head) -> dict[bytes, bytes]:
    return dict(ties.entries(job_id, birth.spec, head)) if head.state not in FINISHED else {}


def holders(db: Database) -> list[bytes]:
    """Return the ids of all jobs that may hold others."""
    return [value for table in (b"f", b"u") for _, value in db.all(table)]


def untangle(book: Book, touched: Sequence[bytes]) -> None:
    """Set right what does not fit together after jobs were put into a store from elsewhere.

    `touched` are those, and those that held others before; of the entries all are looked at.
    """
    tangles = Tangles(book.db)
    for _ in range(_ROUNDS_MAX):
        of_jobs = sum(_look_at_job(book, tangles, job_id) for job_id in touched)
        of_entries = sum(_look_at_entry(book, tangles, *entry) for table in _TABLES for entry in book.db.all(table))
        if not of_jobs + of_entries:
            return


def _look_at_job(book: Book, tangles: Tangles, job_id: bytes) -> bool:
    birth = book.birth(job_id)
    if birth is None:
        return False
    head = book.head(job_id, birth)
    batch = Batch()
    for key, value in _entries(job_id, birth, head).items():
        tangle = tangles.rival(key, job_id, birth, head)
        if tangle is not None:
            _set_right(book, tangle)
            return True  # it asks for other entries now
        if book.db.get(key) != value:
            batch.put(key, value)
    book.db.write_patiently(batch)
    return bool(batch)


def _look_at_entry(book: Book, tangles: Tangles, key: bytes, value: bytes) -> bool:
    if tangles.stray(key, value):
        batch = Batch()
        batch.delete(key)
        book.db.write_patiently(batch)
        return True
    tangle = tangles.unheld(key, value)
    if tangle is not None:
        _set_right(book, tangle)
    return tangle is not None


def _set_right(book: Book, tangle: Tangle) -> None:
    batch = Batch()
    book.leave(batch, tangle.job_id, tangle.birth.spec, tangle.before)
    batch.put(b"b" + tangle.job_id, tangle.new_birth)
    book.store(batch, tangle.job_id, tangle.spec, tangle.head)
    for key, value in tangle.others.items():
        batch.put(key, value)
    book.write_counts(batch)
    book.db.write_patiently(batch)
