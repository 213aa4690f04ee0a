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
        """Write the settings of a queue, made where it is new."""
        self._book.set_queue(queue, record)
        self._commit.batch().put(b"q" + queue.encode(), records.encode(record))

    def put_pause(self, queue: str, pause: Pause | None) -> None:
        """Pause a queue, or resume it."""
        record = self._book.queues.get(queue, records.QueueRecord())
        self.put_queue(queue, structs.replace(record, pause=pause))
        self._book.lanes.pause(queue, on=pause is not None)
        if pause is None:
            self._book.events.woke()
        elif pause.until_ms is not None:
            self._book.events.due(pause.until_ms)

    def put_hold(self, host: str, hold: Pause | None) -> None:
        """Hold a host, or release it, and tell who enforces it."""
        if hold is None:
            self._book.holds.pop(host, None)
            self._commit.batch().delete(b"o" + host.encode())
        else:
            self._book.holds[host] = hold
            self._commit.batch().put(b"o" + host.encode(), records.encode(hold))
            if hold.until_ms is not None:
                self._book.events.due(hold.until_ms)
        self._book.events.held(host, hold)

    def end_due(self, now_ms: int) -> int | None:
        """Let go on what stands still until now; returns when the next one does."""
        queues = {queue: record.pause for queue, record in self._book.queues.items()}
        nexts = [
            until_ms
            for pauses, put in ((queues, self.put_pause), (dict(self._book.holds), self.put_hold))
            for name, pause in pauses.items()
            if (until_ms := _until(pause, now_ms, partial(put, name, None))) is not None
        ]
        return min(nexts, default=None)


def _until(pause: Pause | None, now_ms: int, end: Callable[[], None]) -> int | None:
    """End a pause whose time has come; returns when it does where that is later."""
    until_ms = pause.until_ms if pause is not None else None
    if until_ms is None or until_ms > now_ms:
        return until_ms
    end()
    return None
