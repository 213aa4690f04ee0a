"""What stands still by hand: queues that are paused and hosts that are held, some of them until a time."""

from collections.abc import Callable
from functools import partial

from msgspec import structs

from ..base import Pause
from . import records
from .book import Book
from .commit import Commit


class Pauses:
    """Fills the open batch with the settings of queues and the holds of hosts."""

    def __init__(self, book: Book, commit: Commit) -> None:
        self._book = book
        self._commit = commit

    def put_queue(self, queue: str, record: records.QueueRecord) -> None:
        """Write the settings of a queue, made where it is new, and let them hold."""
        self._book.set_queue(queue, record)
        self._commit.batch().put(b"q" + queue.encode(), records.encode(record))
        self._book.enforce_queue(queue)
        self._book.events.woke()

    def put_pause(self, queue: str, pause: Pause | None) -> None:
        """Pause a queue, or resume it, by hand: a new version of what is said of it."""
        record = self._book.queues.get(queue, records.QueueRecord())
        if pause == record.pause:
            return
        self.put_queue(queue, structs.replace(record, pause=pause, version=record.version + 1))
        if pause is not None:
            self.remind(pause)

    def end_pause(self, queue: str) -> None:
        """Let a queue go on whose pause is over, as everybody knows who knows of the pause."""
        self.put_queue(queue, structs.replace(self._book.queues[queue], pause=None))

    def remind(self, pause: Pause) -> None:
        """Have somebody look when a pause ends."""
        if pause.until_ms is not None:
            self._book.events.due(pause.until_ms)

    def put_hold(self, host: str, hold: Pause | None) -> None:
        """Hold a host, or release it, and tell who enforces it."""
        if hold is None:
            self._book.holds.pop(host, None)
            self._commit.batch().delete(b"o" + host.encode())
        else:
            self._book.holds[host] = hold
            self._commit.batch().put(b"o" + host.encode(), records.encode(hold))
            self.remind(hold)
        self._book.events.held(host, hold)

    def _end_hold(self, host: str) -> None:
        self.put_hold(host, None)

    def end_due(self, now_ms: int) -> int | None:
        """Let go on what stands still until now; returns when the next one does."""
        queues = {queue: record.pause for queue, record in self._book.queues.items()}
        nexts = [
            until_ms
            for pauses, end in ((queues, self.end_pause), (dict(self._book.holds), self._end_hold))
            for name, pause in pauses.items()
            if (until_ms := _until(pause, now_ms, partial(end, name))) is not None
        ]
        return min(nexts, default=None)


def _until(pause: Pause | None, now_ms: int, end: Callable[[], None]) -> int | None:
    """End a pause whose time has come; returns when it does where that is later."""
    until_ms = pause.until_ms if pause is not None else None
    if until_ms is None or until_ms > now_ms:
        return until_ms
    end()
    return None
