"""How a stored job goes from one head to the next: at the end of its call, when due or expired, and by hand."""

from collections.abc import Callable

from msgspec import structs

from taskpusher.job import Spec

from ...lifecycle import FINISHED, Attempt, Head, State, Verdict, cancelled, ready, retried
from ..base import Changed, Token, Verb
from . import ends, followers, keys, records
from .book import Book, Ready
from .calls import Call
from .commit import Commit
from .db import Batch
from .handed import Handed
from .lane import Entry
from .ties import held_by, is_tied


class Changes:
    """Fills the open batch with the steps of one change; what is told to others is told after its flush."""

    def __init__(self, book: Book, commit: Commit) -> None:
        self._book = book
        self._commit = commit
        self._verbs: dict[Verb, Callable[[bytes, Spec, Head, int], Changed]] = {
            Verb.RETRY: self._retry,
            Verb.CANCEL: self._cancel,
            Verb.RUN: self._run,
            Verb.DELETE: self._delete,
        }

    def running(self, token: Token) -> Call | None:
        """Return the call that a token may settle."""
        call = self._book.calls.get(keys.id_of(token.uid))
        return call if call is not None and call.head.attempt == token.attempt else None

    def replace(self, job_id: bytes, spec: Spec, before: Head, head: Head) -> None:
        """Move a job of which no call is under way from one head to the next."""
        batch = self._commit.batch()
        self._commit.hides_changes = True
        self._book.leave(batch, job_id, spec, before)
        self._book.store(batch, job_id, spec, head)
        self._book.drop(spec, before)
        self._tell(batch, job_id, spec, before, head)

    def end_call(self, call: Call, head: Head) -> None:
        """Write the head that a call leaves behind; its slot is free, but for one that is cancelled and not closed."""
        book, batch = self._book, self._commit.batch()
        del book.calls[call.id]
        if head.state is State.CANCELLED:
            book.closing[Token(call.uid, call.head.attempt)] = call
            self._leave_host(call)
        else:
            self.free(call)
            book.free_gates(call)
        book.keep_attempt(batch, call.id, call.head)
        if head.state is State.WAITING:
            # interrupted: it never left its place in the ready index
            self._commit.hides_changes = True
            batch.put(b"j" + call.id, records.encode(head))
            batch.put(
                keys.listing_key(State.WAITING, head.waiting_ms or 0, call.id), records.listing_value(call.spec, head)
            )
            book.put_expiry(batch, call.id, head)
            book.count_move(call.spec, State.RUNNING, State.WAITING)
            book.lanes.put_back(book.lane(call.spec, head), Entry(head.seq, call.id, head.waiting_ms or 0))
            book.events.woke()
            return
        book.leave(batch, call.id, call.spec, call.head)
        book.store(batch, call.id, call.spec, head)
        self._tell(batch, call.id, call.spec, call.head, head)

    def close_call(self, token: Token, now_ms: int) -> None:
        """The call of a job that was cancelled is closed: its slot is free, and so are those that its job held."""
        call = self._book.closing.pop(token, None)
        if call is None:
            return
        self._book.free_slot(call.slot)
        self._book.free_gates(call)
        if is_tied(call.spec):
            holds = held_by(call.spec, call.head)
            self._announce(followers.closed(self._book, self._commit.batch(), call.id, token.attempt, holds, now_ms))

    def free(self, call: Call) -> None:
        """Let others have what only a call takes: its slot, and its place among those of its host."""
        self._book.free_slot(call.slot)
        self._leave_host(call)

    def _leave_host(self, call: Call) -> None:
        lanes = self._book.lanes
        lanes.ended(call.lane_host)
        if call.lane_host == keys.SUSPECTS:
            lanes.ended(call.spec.host.encode())

    def end_handed(self, handed: Handed, head: Head) -> None:
        """Write the head that a job is left with whose target had accepted it."""
        self._book.handed.end(handed)
        self._book.free_gates(handed)
        self._book.events.woke()  # no call ends with it, by which those behind the gates would be looked at
        self._book.keep_attempt(self._commit.batch(), handed.id, handed.head)
        self.replace(handed.id, handed.spec, handed.head, head)

    def apply(self, job_id: bytes, spec: Spec, head: Head, verb: Verb, now_ms: int) -> Changed:
        """Do what a verb says, where the job's state allows it."""
        return self._verbs[verb](job_id, spec, head, now_ms)

    def _announce(self, jobs: list[Ready]) -> None:
        for job in jobs:
            self._commit.hides_changes = True
            self._commit.flush_soon()
            self._commit.after_flush(self._book.announce, job)

    def _tell(self, batch: Batch, job_id: bytes, spec: Spec, before: Head, head: Head) -> None:
        """Tell where a job has gone, once that is durable; with its end goes what follows from it."""
        if head.state in FINISHED:
            self._commit.after_flush(self._book.events.ended, self._book.uid_of(job_id))
            self._announce(ends.ended(self._book, batch, job_id, spec, before, head))
        else:
            self._commit.after_flush(self._book.announce, (job_id, spec, head))

    def _retry(self, job_id: bytes, spec: Spec, head: Head, now_ms: int) -> Changed:
        if head.state not in FINISHED:
            return Changed.WRONG_STATE
        seq = self._book.next_seq()
        again = retried(head, seq, now_ms, spec.ttl_s)
        if is_tied(spec):
            held = followers.held_on_return(self._book, spec)
            if held is None:
                return Changed.TAKEN
            again = structs.replace(again, line=seq if spec.ordered else 0, held=held)
        self.replace(job_id, spec, head, again)
        ends.revived(self._book, self._commit.batch(), job_id, spec)
        return Changed.DONE

    def _cancel(self, job_id: bytes, spec: Spec, head: Head, now_ms: int) -> Changed:
        call = self._book.calls.get(job_id)
        if call is not None:
            attempt = _cut_short(call.head, now_ms)
            self._book.count_call(call.spec.queue, Verdict(State.CANCELLED, attempt))
            self.end_call(call, cancelled(call.head, now_ms, attempt))
            self._book.events.cancelled(Token(call.uid, call.head.attempt))
            return Changed.DONE
        handed = self._book.handed.get(job_id)
        if handed is not None:
            self.end_handed(handed, cancelled(handed.head, now_ms, _cut_short(handed.head, now_ms)))
            return Changed.DONE
        if head.state in FINISHED:
            return Changed.ALREADY if head.state is State.CANCELLED else Changed.WRONG_STATE
        self.replace(job_id, spec, head, cancelled(head, now_ms, None))
        return Changed.DONE

    def _run(self, job_id: bytes, spec: Spec, head: Head, now_ms: int) -> Changed:
        if head.state is State.SCHEDULED:
            self.replace(job_id, spec, head, ready(head, self._book.next_seq(), now_ms))
            return Changed.DONE
        return Changed.WRONG_STATE if head.state in FINISHED or head.held else Changed.ALREADY

    def _delete(self, job_id: bytes, spec: Spec, head: Head, now_ms: int) -> Changed:
        if head.state not in FINISHED:
            return Changed.WRONG_STATE
        batch = self._commit.batch()
        self._book.leave(batch, job_id, spec, head)
        self._book.forget(batch, job_id, now_ms)
        self._book.totals.deleted += 1
        return Changed.DONE


def _cut_short(head: Head, now_ms: int) -> Attempt:
    started_ms = head.started_ms or now_ms
    return Attempt(head.attempt, started_ms, max(0, now_ms - started_ms) / 1000, "cancelled")
