"""Queues as they are told, declared and deleted."""

from collections.abc import Callable

from msgspec import structs

from ...lifecycle import STATES, State
from ..base import Changed, Put, QueueState, QueueView
from ..queues import QueueSettings
from ..tallies import OWN_QUEUES
from ..versions import digest_of_all, is_newer, same_until
from . import records
from .book import Book
from .commit import Commit
from .pauses import Pauses


class Queues:
    """Reads queues from the book; fills the open batch with what is said of them."""

    def __init__(self, book: Book, commit: Commit, pauses: Pauses, most: int, now_ms: Callable[[], int]) -> None:
        self._book = book
        self._commit = commit
        self._pauses = pauses
        self._most = most
        self._now_ms = now_ms
        self._digest = ""
        self._digest_of = -1  # how often something had been said of any queue
        self._digest_until_ms: int | None = None

    def all(self) -> list[QueueView]:
        """Return every queue."""
        return [view for name in sorted(self._book.queues) if (view := self.view(name)) is not None]

    def view(self, name: str) -> QueueView | None:
        """Return one queue."""
        record = self._book.queues.get(name)
        if record is None:
            return None
        counts = dict(zip(STATES, self._book.counts.get(name) or records.zero_counts(), strict=True))
        return QueueView(
            name=name,
            counts=counts,
            oldest_waiting_ms=self._book.lanes.oldest_waiting_ms(name) if counts[State.WAITING] else None,
            **structs.asdict(record),
        )

    def declare(self, name: str, settings: QueueSettings, version: int | None) -> Put:
        """Write the settings of a queue."""
        if not self._book.may_have(name, self._most):
            return Put.NO_QUEUE
        there = self._book.queues.get(name)
        record = there if there is not None else records.QueueRecord()
        if version not in (None, record.version):
            return Put.CONFLICT
        record = structs.replace(record, **structs.asdict(settings), declared=True, version=record.version + 1)
        self._pauses.put_queue(name, record)
        self._book.retally(name)
        return Put.CREATED if there is None else Put.SAME

    async def take(self, name: str, state: QueueState) -> Put:
        """Write what another store knows of a queue, if that is newer."""
        self._commit.check()
        if not self._book.may_have(name, self._most):
            return Put.NO_QUEUE
        there = self._book.queues.get(name)
        if there is not None and not is_newer(state, _state(there), self._now_ms()):
            return Put.CONFLICT
        self._pauses.put_queue(name, records.QueueRecord(**structs.asdict(state)))
        if state.pause is not None:
            self._pauses.remind(state.pause)
        self._book.retally(name)
        await self._commit.durable()
        return Put.CREATED if there is None else Put.SAME

    def digest(self) -> str:
        """Return the digest of all that was said of queues; it is made anew when that changes, or a pause is over."""
        now_ms, until_ms = self._now_ms(), self._digest_until_ms
        if self._digest_of != self._book.queues_said or (until_ms is not None and until_ms <= now_ms):
            states = {name: _state(record) for name, record in self._book.queues.items()}
            self._digest, self._digest_of = digest_of_all(states, now_ms), self._book.queues_said
            self._digest_until_ms = same_until(states.values(), now_ms)
        return self._digest

    def delete(self, name: str) -> Changed:
        """Forget an empty queue; a later add makes it anew."""
        book = self._book
        if name not in book.queues:
            return Changed.MISSING
        if name in OWN_QUEUES or any(book.counts.get(name, ())):
            return Changed.WRONG_STATE
        book.forget_queue(self._commit.batch(), name)
        return Changed.DONE


def _state(record: records.QueueRecord) -> QueueState:
    return QueueState(**structs.asdict(record))
