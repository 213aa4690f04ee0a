"""What happened lately in buckets of a fixed length, aligned to the epoch: the series of GET /stats?range=."""

from collections.abc import Iterator

from msgspec import Struct, field

from taskpusher.histogram import DURATIONS_S

_COUNTS = len(DURATIONS_S) + 1


class Bucket(Struct, array_like=True):
    """What happened from `t` on, in Unix seconds, until the next bucket."""

    t: int
    added: int = 0
    completed: int = 0
    errors: int = 0
    waiting: int | None = None  # at its end; None where nobody looked
    durations: list[int] = field(default_factory=lambda: [0] * _COUNTS)  # of calls, by DURATIONS_S


class Ring:
    """The newest `length` buckets of `step_s` seconds.

    A bucket has its fixed slot, known by its time. So a clock that steps forward leaves a gap, one that steps back
    goes on with the buckets that it meets again, and what lies in the future is not shown until it is the present.
    """

    def __init__(self, step_s: int, length: int) -> None:
        self.step_s = step_s
        self.length = length
        self._slots = [Bucket(-1)] * length

    def begin(self, now_s: float) -> int:
        """Return when the bucket of a moment begins."""
        return int(now_s) // self.step_s * self.step_s

    def slot(self, t: int) -> int:
        """Return the slot of the bucket that begins at `t`."""
        return t // self.step_s % self.length

    def bucket(self, now_s: float) -> Bucket:
        """Return the bucket of a moment, to be counted on."""
        t = self.begin(now_s)
        slot = self.slot(t)
        if self._slots[slot].t != t:
            self._slots[slot] = Bucket(t)
        return self._slots[slot]

    def restore(self, bucket: Bucket) -> None:
        """Put in a bucket that was kept over a restart; not one of a release with other bounds."""
        if len(bucket.durations) == _COUNTS:
            self._slots[self.slot(bucket.t)] = bucket

    def newest(self, now_s: float) -> Iterator[Bucket]:
        """Yield all buckets up to that of a moment, oldest first; empty ones for the time when there was no node."""
        last = self.begin(now_s)
        for t in range(last - (self.length - 1) * self.step_s, last + 1, self.step_s):
            bucket = self._slots[self.slot(t)]
            yield bucket if bucket.t == t else Bucket(t)
