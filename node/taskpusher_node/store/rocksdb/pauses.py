"""What stands still by hand: queues that are paused and hosts that are held, some of them until a time."""

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
        self._book.queues[queue] = record
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

    def resume_due(self, now_ms: int) -> int | None:
        """Resume the queues whose time has come; returns when the next one's does."""
        nexts = []
        for queue, record in self._book.queues.items():
            until_ms = record.pause.until_ms if record.pause is not None else None
            if until_ms is not None and until_ms <= now_ms:
                self.put_pause(queue, None)
            elif until_ms is not None:
                nexts.append(until_ms)
        return min(nexts, default=None)

    def release_due(self, now_ms: int) -> int | None:
        """Release the hosts whose time has come; returns when the next one's does."""
        nexts = []
        for host, hold in list(self._book.holds.items()):
            if hold.until_ms is not None and hold.until_ms <= now_ms:
                self.put_hold(host, None)
            elif hold.until_ms is not None:
                nexts.append(hold.until_ms)
        return min(nexts, default=None)
