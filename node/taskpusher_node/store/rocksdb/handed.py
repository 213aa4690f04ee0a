"""Jobs that their targets have accepted, in memory: in order of their start, and in a heap of their leases."""

from bisect import bisect_left, insort
from heapq import heapify, heappop, heappush

from msgspec import Struct, structs

from taskpusher.job import Spec

from ...lifecycle import Head, Progress

Place = tuple[int, bytes]  # (started_ms, id)

_STALE_MAX = 64  # ends in the heap, beyond one for each job, before it is made anew


class Handed(Struct):
    """A job that runs without a call, as its head was when it was accepted but for the lease."""

    uid: str
    id: bytes
    added_ms: int
    spec: Spec
    head: Head
    progress: Progress | None = None
    armed_ms: int = 0  # when the heap looks at it: by then its lease may be longer

    @property
    def place(self) -> Place:
        """Where it stands among those that run."""
        return self.head.started_ms or 0, self.id


class HandedOff(dict[bytes, Handed]):
    """All of them by id. A longer lease costs the heap nothing: it is looked up when the old one ends."""

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[tuple[int, bytes]] = []
        self._order: list[Place] = []

    def take(self, handed: Handed) -> None:
        """A job was accepted."""
        self[handed.id] = handed
        insort(self._order, handed.place)
        self._arm(handed)

    def end(self, handed: Handed) -> None:
        """A job runs no more."""
        del self[handed.id]
        del self._order[bisect_left(self._order, handed.place)]

    def newest(self, since: Place, before: Place, n: int) -> list[Handed]:
        """Return at most `n` jobs with since <= place < before, newest first."""
        first, end = bisect_left(self._order, since), bisect_left(self._order, before)
        return [self[job_id] for _, job_id in reversed(self._order[max(first, end - n) : end])]

    def renew(self, handed: Handed, lease_ms: int) -> None:
        """Let a lease end at another time."""
        handed.head = structs.replace(handed.head, lease_ms=lease_ms)
        if lease_ms < handed.armed_ms:
            self._arm(handed)

    def over(self, now_ms: int) -> Handed | None:
        """Return a job whose lease is over; it is returned until it is ended."""
        while self._ends and self._ends[0][0] <= now_ms:
            ends_ms, job_id = self._ends[0]
            handed = self.get(job_id)
            if handed is None or handed.armed_ms != ends_ms:
                heappop(self._ends)
            elif (handed.head.lease_ms or 0) <= now_ms:
                return handed
            else:
                heappop(self._ends)
                self._arm(handed)
        return None

    def next_ms(self) -> int | None:
        """Return when to look again."""
        return self._ends[0][0] if self._ends else None

    def _arm(self, handed: Handed) -> None:
        handed.armed_ms = handed.head.lease_ms or 0
        if len(self._ends) > 2 * len(self) + _STALE_MAX:
            self._ends = [(other.armed_ms, job_id) for job_id, other in self.items()]
            heapify(self._ends)
        else:
            heappush(self._ends, (handed.armed_ms, handed.id))
