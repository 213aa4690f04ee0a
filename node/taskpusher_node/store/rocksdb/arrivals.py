"""Adds: stored as new jobs, held back behind others, or answered with a job that is there already."""

from collections.abc import Sequence

from msgspec import structs

from taskpusher.job import Spec

from ...lifecycle import HELD_BY_ORDER, HELD_BY_UNIQUE, Head, State, born, born_again, held_back
from ..base import NewJob, Placed, Put, StoreUnknown
from . import ends, followers, keys, records
from .book import Book
from .commit import Commit
from .repeats import Repeats, is_repeatable
from .ties import held_by, is_tied


class Arrivals:
    """Decides in the order of arrival: what came before is written first, and so is read here."""

    def __init__(self, book: Book, commit: Commit, repeats: Repeats, max_queues: int) -> None:
        self._book = book
        self._commit = commit
        self._repeats = repeats
        self._max_queues = max_queues

    async def put_new(self, jobs: Sequence[NewJob]) -> list[Placed]:
        """Store jobs, in order, each on its own merits."""
        self._commit.check()
        readable = self._repeats.begin(jobs)
        results = [self._put(job, readable=readable) for job in jobs]
        if self._commit.failure is not None and _any_stored(results):
            raise StoreUnknown(self._commit.failure)  # by a write for the later ones of these, with the earlier in it
        if readable or _any_stored(results):
            await self._commit.durable()
        return results

    def _put(self, job: NewJob, *, readable: bool) -> Placed:
        book = self._book
        job_id = keys.id_of(job.uid)
        may_repeat = is_repeatable(job)
        if may_repeat:
            first = self._repeats.find(job, job_id) if readable else Placed(Put.BUSY, job.uid)
            if first is not None:
                return first
        if not book.may_have(job.spec.queue, self._max_queues):
            return Placed(Put.NO_QUEUE, job.uid)
        head = born(book.next_seq(), job.added_ms, job.due_ms, job.spec.ttl_s)
        if is_tied(job.spec):
            met = self._meet(job, head)
            if isinstance(met, Placed):
                self._repeats.stand_for(self._commit.batch(), job, met)
                return met
            head = met
        self._renumber(job.spec)
        batch = self._commit.batch()
        if may_repeat:
            self._repeats.enter(batch, job, job_id)
        book.bear(batch, job_id, records.Birth(job.added_ms, head, job.spec))
        self._commit.after_flush(book.announce, (job_id, job.spec, head))
        return Placed(Put.CREATED, job.uid)

    def _renumber(self, spec: Spec) -> None:
        """Let the numbers of an add whose fields are taken be those of its limit key."""
        if spec.limit is not None and self._book.gates.renumber(spec.limit):
            self._book.events.woke()  # of those that wait already, whatever becomes of this one

    def _meet(self, job: NewJob, head: Head) -> Head | Placed:
        """Return the head that a job with ties begins with, or which job stands for it."""
        spec = job.spec
        if not self._commit.write_now():
            return Placed(Put.BUSY, job.uid)
        held = 0
        if spec.unique is not None:
            unique = keys.unique_key(spec)
            first = self._book.db.get(unique)
            if first is not None:
                follower = self._book.db.get(keys.next_unique_key(unique))
                stands = self._stands_for(job, first, follower, head)
                if stands is not None:
                    return stands
                held = HELD_BY_UNIQUE
        if spec.ordered:
            head = structs.replace(head, line=head.seq)
            if self._book.db.get(keys.line_key(spec)) is not None:
                held |= HELD_BY_ORDER
                self._book.totals.held_in_order += 1
        return held_back(head, held, job.added_ms)

    def _stands_for(self, job: NewJob, first: bytes, follower: bytes | None, head: Head) -> Placed | None:
        """Return which job of its text stands for an add, None where it is to follow the one that runs."""
        there = follower if follower is not None else first
        if follower is None and followers.has_ended(self._book, first):
            return None
        if job.spec.on_conflict == "keep":
            put = Put.DEDUPLICATED
        elif follower is None and self._runs(first):
            return None
        else:
            self._replace(there, job, head)
            put = Put.REPLACED
        self._book.totals.deduplicated += 1
        return Placed(put, self._book.uid_of(there))

    def _runs(self, job_id: bytes) -> bool:
        if job_id in self._book.calls:
            return True
        birth = self._book.birth(job_id)
        return birth is not None and self._book.head(job_id, birth).state is State.RUNNING  # handed off

    def _replace(self, job_id: bytes, job: NewJob, fresh: Head) -> None:
        """Let a job that does not run take the fields of an add; in its ordered line it goes to the end."""
        self._renumber(job.spec)
        book, batch = self._book, self._commit.batch()
        self._commit.hides_changes = True
        birth = book.birth(job_id)
        if birth is None:
            raise book.db.damaged(f"{book.uid_of(job_id)} has a unique text, and is not there")
        before = book.head(job_id, birth)
        left = structs.replace(held_by(birth.spec, before), unique=None)
        head = born_again(before, fresh)
        held = before.held & HELD_BY_UNIQUE
        if job.spec.ordered:
            head = structs.replace(head, line=head.seq)
            line = keys.line_key(job.spec)
            behind = followers.next_in_line(book, line, left.place) if line == left.line else book.db.get(line)
            held |= HELD_BY_ORDER if behind is not None else 0
        head = held_back(head, held, job.added_ms)
        batch.put(
            b"b" + job_id, records.encode(records.Birth(birth.added_ms, head, job.spec, records.asked_for(birth)))
        )
        book.leave(batch, job_id, birth.spec, before)
        book.store(batch, job_id, job.spec, head)
        book.drop(birth.spec, before)
        ends.replaced(book, batch, job_id, birth.spec, job.added_ms)
        for ready in [(job_id, job.spec, head), *followers.free(book, batch, left, job.added_ms)]:
            self._commit.after_flush(book.announce, ready)
        self._commit.flush_soon()


def _any_stored(results: list[Placed]) -> bool:
    return any(placed.put is not Put.BUSY for placed in results)
