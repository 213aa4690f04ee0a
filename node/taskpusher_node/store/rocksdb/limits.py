"""What is asked about limits and said of them by hand."""

from msgspec import structs

from taskpusher.job import Limit

from ..limits import LimitView
from ..queues import Share
from . import keys, records
from .book import Book
from .commit import Commit
from .gates import KeyGate
from .pauses import Pauses


class Limits:
    """The operations of `LimitStore`."""

    def __init__(self, book: Book, commit: Commit, pauses: Pauses, max_pinned: int) -> None:
        self._book = book
        self._gates = book.gates
        self._commit = commit
        self._pauses = pauses
        self._max_pinned = max_pinned

    async def set_queue(self, name: str, concurrency: int | None, rate: float | None, per: float) -> None:
        """Let a queue that is there run so many calls at once and begin `rate` calls in `per` seconds."""
        self._commit.check()
        record = structs.replace(self._book.queues[name], concurrency=concurrency, rate=rate, per=per)
        self._pauses.put_queue(name, record)
        await self._commit.durable()

    async def set_share(self, share: Share) -> None:
        """Let this store have another part of the numbers of queues."""
        self._commit.check()
        self._book.share = share
        self._commit.batch().put(keys.SHARE, records.encode(share))
        for queue in self._book.queues:
            self._book.enforce_queue(queue)
        self._book.events.woke()
        await self._commit.durable()

    def all(self, *, after: str | None, n: int) -> list[LimitView]:
        """Return at most `n` limit keys, by key."""
        self._commit.write_now()
        start = keys.KEY_GATES if after is None else keys.key_gate_key(after) + b"\0"
        found = self._book.db.scan(start, keys.after(keys.KEY_GATES), n)
        views = (self.one(keys.gate_name(key)) for key, _ in found)
        return [view for view in views if view is not None]

    def one(self, key: str) -> LimitView | None:
        """Return one limit key."""
        gate = self._gates.keys.get(key)
        return None if gate is None else _view(gate)

    def known(self) -> int:
        """Return how many limit keys there are."""
        return len(self._gates.keys)

    def held(self) -> dict[str, int]:
        """Return how often a limit key or a queue with ready jobs was held back, for a place or for a token."""
        return self._gates.held

    async def pin(self, limit: Limit) -> bool:
        """Fix the numbers of a key."""
        self._commit.check()
        there = self._gates.keys.get(limit.key)
        if (there is None or not there.pinned) and self._gates.pinned >= self._max_pinned:
            return False
        gate = self._gates.key(limit)
        self._gates.pin(gate, on=True)
        self._gates.number(gate, limit.concurrency, limit.rate, limit.per)
        await self._done()
        return True

    async def unpin(self, key: str) -> None:
        """Let the next add of a key change its numbers again."""
        self._commit.check()
        gate = self._gates.keys.get(key)
        if gate is not None:
            self._gates.pin(gate, on=False)
        await self._done()

    async def _done(self) -> None:
        self._commit.batch()  # the gates are written with it
        self._book.events.woke()
        await self._commit.durable()


def _view(gate: KeyGate) -> LimitView:
    concurrency, rate, per, _ = gate.numbers
    return LimitView(Limit(gate.key, concurrency, rate, per), gate.pinned, gate.running, gate.waiting)
