"""Deletes finished jobs from the oldest end of their listings, in slices that hold the loop for about 5 ms.

The listings have the newest first, and to look for the oldest from their end would walk over all that was deleted
there. So time is swept once, in windows from the past on: what a window finds is deleted, and no look ever goes behind
it again. A window grows where it finds few jobs and shrinks where it finds many.
"""

from collections.abc import Mapping
from time import monotonic

from ...lifecycle import FINISHED, State
from ..base import Pruned, Why
from . import keys, records
from .book import Book
from .commit import Commit

_SLICE_S = 0.005
_CHUNK = 50  # jobs of a state that a window is to find at most
_FEW = _CHUNK // 4
_FIRST_WINDOW_MS = 3_600_000
_ID_TABLES = (b"a", b"b", b"j")


class Prune:
    """Sweeps the finished states together, so that the oldest of all go first."""

    def __init__(self, book: Book, commit: Commit) -> None:
        self._book = book
        self._commit = commit
        self._windows_ms = dict.fromkeys(FINISHED, _FIRST_WINDOW_MS)  # by the state that is furthest behind
        self._gone: tuple[bytes, bytes] | None = None  # lowest and highest id deleted and not yet reclaimed

    def delete_oldest(self, why: Why, before_ms: Mapping[State, int], n: int, now_ms: int) -> Pruned:
        """Delete at most `n` jobs that ended before the time of their state."""
        there = sum(counts[records.INDEX[state]] for counts in self._book.counts.values() for state in before_ms)
        limit = min(n, there)
        until = monotonic() + _SLICE_S
        deleted = 0
        more = True
        while deleted < limit and more and monotonic() < until:
            behind = {state: end for state, end in before_ms.items() if self._book.ended_since[state] < end}
            more = bool(behind) and self._commit.write_now()  # so that a look does not see what was deleted
            if more:
                deleted += self._sweep(behind, limit - deleted, now_ms)
        field = f"deleted_{why}"
        setattr(self._book.totals, field, getattr(self._book.totals, field) + deleted)
        return Pruned(deleted, more and deleted < there)

    def ranges_to_reclaim(self) -> list[tuple[bytes, bytes]]:
        """Return where jobs were deleted since the last call: ids begin with their time, so the oldest are together."""
        if self._gone is None:
            return []
        (low, high), self._gone = self._gone, None
        swept = self._book.ended_since.items()
        listings = [keys.listing_range(state, 0, until_ms) for state, until_ms in swept if until_ms]
        return [*listings, *((table + low, table + high + b"\xff") for table in _ID_TABLES)]

    def _sweep(self, behind: Mapping[State, int], n: int, now_ms: int) -> int:
        """Delete what the next window finds, at most `n` jobs; returns how many."""
        book = self._book
        last = min(behind, key=book.ended_since.__getitem__)
        window_ms = self._windows_ms[last]
        until_ms = book.ended_since[last] + window_ms
        ends = {state: min(end, until_ms) for state, end in behind.items() if book.ended_since[state] < until_ms}
        found = []
        whole = True
        for state, end_ms in ends.items():
            first, end = keys.listing_range(state, book.ended_since[state], end_ms)
            entries = book.db.scan(first, end, _CHUNK + 1)
            whole = whole and len(entries) <= _CHUNK
            found += [(*keys.listed(key), state, key, value) for key, value in entries]
        if not whole and window_ms > 1:
            self._windows_ms[last] = max(1, window_ms // 4)
            return 0
        if len(found) < _FEW:
            self._windows_ms[last] = window_ms * 2
        found.sort()
        for _, job_id, state, key, value in found[:n]:
            self._delete(job_id, state, key, value, now_ms)
        if whole:
            left_ms = found[n][0] if n < len(found) else until_ms
            for state, end_ms in ends.items():
                book.swept(state, min(end_ms, left_ms))
        return min(n, len(found))

    def _delete(self, job_id: bytes, state: State, key: bytes, value: bytes, now_ms: int) -> None:
        batch = self._commit.batch()
        self._commit.hides_changes = True
        listed = records.parse_listing(value)
        self._book.unlist(batch, job_id, state, key, listed.queue, listed.group)
        self._book.forget(batch, job_id, now_ms)
        low, high = self._gone or (job_id, job_id)
        self._gone = min(low, job_id), max(high, job_id)
