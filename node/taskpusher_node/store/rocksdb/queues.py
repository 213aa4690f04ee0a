"""Queues as they are told, declared and deleted."""

from msgspec import structs

from ...lifecycle import STATES, State
from ..base import Changed, Put, QueueView
from ..queues import QueueSettings
from ..tallies import OWN_QUEUES
from . import records
from .book import Book
from .commit import Commit
from .pauses import Pauses


class Queues:
    """Reads queues from the book; fills the open batch with what is said of them."""

    def __init__(self, book: Book, commit: Commit, pauses: Pauses, most: int) -> None:
        self._book = book
        self._commit = commit
        self._pauses = pauses
        self._most = most

    def view(self, name: str) -> QueueView | None:
        """Return one queue."""
        record = self._book.queues.get(name)
        if record is None:
            return None
        counts = dict(zip(STATES, self._book.counts.get(name) or records.zero_counts(), strict=True))
        return QueueView(
            name=name,
            pause=record.pause,
            counts=counts,
            oldest_waiting_ms=self._book.lanes.oldest_waiting_ms(name) if counts[State.WAITING] else None,
            declared=record.declared,
            version=record.version,
            concurrency=record.concurrency,
            rate=record.rate,
            per=record.per,
            scope=record.scope,
            defaults=record.defaults,
        )

    def declare(self, name: str, settings: QueueSettings, version: int | None) -> Put:
        """Write the settings of a queue, but for its limits."""
        if not self._book.may_have(name, self._most):
            return Put.NO_QUEUE
        there = self._book.queues.get(name)
        record = there if there is not None else records.QueueRecord()
        if version not in (None, record.version):
            return Put.CONFLICT
        record = structs.replace(
            record, declared=True, scope=settings.scope, defaults=settings.defaults, version=record.version + 1
        )
        self._pauses.put_queue(name, record)
        self._book.retally(name)
        return Put.CREATED if there is None else Put.SAME

    def delete(self, name: str) -> Changed:
        """Forget an empty queue; a later add makes it anew."""
        book = self._book
        if name not in book.queues:
            return Changed.MISSING
        if name in OWN_QUEUES or any(book.counts.get(name, ())):
            return Changed.WRONG_STATE
        book.forget_queue(self._commit.batch(), name)
        return Changed.DONE
