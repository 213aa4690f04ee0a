"""Other fields for a job that has not begun, as one step: its birth, its head and its place in line."""

from collections.abc import Callable

from msgspec import structs

from taskpusher.job import Spec

from ...lifecycle import Head, State, expires_anew, rescheduled
from ..base import Changed
from ..editing import Change
from . import keys, records
from .book import Book
from .calls import Edit
from .commit import Commit
from .records import Birth


class Editing:
    """Fills the open batch with edits. Until one is flushed its job is not claimed."""

    def __init__(self, book: Book, commit: Commit, max_queues: int, now_ms: Callable[[], int]) -> None:
        self._book = book
        self._commit = commit
        self._max_queues = max_queues
        self._now_ms = now_ms

    def edit(self, uid: str, change: Change) -> Changed:
        """Give a waiting or scheduled job another spec; what is open was written before."""
        book = self._book
        job_id = book.id_of(uid)
        birth = book.birth(job_id) if job_id is not None else None
        if job_id is None or birth is None:
            return Changed.MISSING
        before = book.head(job_id, birth)
        if job_id in book.calls or before.state not in (State.WAITING, State.SCHEDULED):
            return Changed.WRONG_STATE
        spec, due_ms = change(birth.spec)
        if not book.may_have(spec.queue, self._max_queues):
            return Changed.NO_QUEUE
        self._rewrite(job_id, birth, before, spec, due_ms)
        return Changed.DONE

    def _rewrite(self, job_id: bytes, birth: Birth, before: Head, spec: Spec, due_ms: int | None) -> None:
        book, batch = self._book, self._commit.batch()
        self._commit.hides_changes = True
        head = self._head(before, birth.spec, spec, due_ms)
        batch.put(b"b" + job_id, records.encode(records.rewritten(birth, spec)))
        book.leave(batch, job_id, birth.spec, before)
        if before.expires_ms is not None:
            batch.delete(keys.expiry_key(before.expires_ms, job_id))
        book.store(batch, job_id, spec, head)
        earlier = book.editing.pop(job_id, None)
        if before.state is State.WAITING and (head.state, head.seq) == (before.state, before.seq):
            edit = book.editing[job_id] = Edit(job_id, spec, head, earlier.picked if earlier is not None else None)
            self._commit.after_flush(self._stayed, edit)
            return
        if before.state is State.WAITING:
            book.lanes.drop(book.lane(birth.spec, before), before.seq)
        self._commit.after_flush(book.announce, (job_id, spec, head))

    def _head(self, before: Head, was: Spec, spec: Spec, due_ms: int | None) -> Head:
        book = self._book
        head = before if due_ms is None else rescheduled(before, due_ms, self._now_ms())
        if due_ms is not None or spec.ttl_s != was.ttl_s:
            head = expires_anew(head, spec.ttl_s)
        joins = before.state is State.SCHEDULED or book.lane(spec, head) != book.lane(was, before)
        if head.state is State.WAITING and not head.held and joins:
            head = structs.replace(head, seq=book.next_seq())
        return head

    def _stayed(self, edit: Edit) -> None:
        """An edit is durable that left its job where it stood: it may be claimed, and is where its turn had come."""
        book = self._book
        if edit.head.expires_ms is not None:
            book.events.due(edit.head.expires_ms)
        if book.editing.get(edit.id) is not edit:
            return  # it was edited again
        del book.editing[edit.id]
        if edit.picked is not None:
            book.lanes.put_back(book.lane(edit.spec, edit.head), edit.picked)
            book.events.woke()
