"""One verb done to many jobs: a walk over a listing in short slices, so that the loop keeps turning."""

import asyncio
from time import monotonic

from msgspec import structs

from taskpusher.position import Position

from ...lifecycle import State, scheduled_since_ms
from ..base import Changed, Filters, JobView, Verb, Walked
from .book import Book
from .changes import Changes
from .commit import Commit
from .listing import SLICE_S, Listing
from .ties import is_tied


class BulkWalk:
    """A part of a walk: changes at most `limit` jobs, examines at most as many entries as a page does."""

    def __init__(
        self,
        book: Book,
        commit: Commit,
        listing: Listing,
        changes: Changes,
        state: State,
        filters: Filters,
        before_ms: int,
    ) -> None:
        self._book = book
        self._commit = commit
        self._listing = listing
        self._changes = changes
        self._state = state
        self._before_ms = before_ms
        if state is not State.SCHEDULED:  # these stand in the listing by when they are due
            until_ms = before_ms if filters.until_ms is None else min(before_ms, filters.until_ms)
            filters = structs.replace(filters, until_ms=until_ms)
        self._filters = filters
        self._done = 0
        self._examined = 0

    async def run(self, verb: Verb | None, after: str | None, limit: int, now_ms: int) -> Walked:
        """Do a verb, or only count where there is none."""
        position = self._listing.position(self._state, after)
        while self._commit.write_now():  # what the loop has changed; in a stall the walk ends early
            position, exhausted = self._slice(verb, position, limit, now_ms)
            if exhausted:
                return Walked(self._done, self._examined, None)
            if self._done == limit or self._examined == self._listing.scan_limit:
                break
            await asyncio.sleep(0)
        return Walked(self._done, self._examined, str(position) if position is not None else None)

    def _slice(
        self, verb: Verb | None, position: Position | None, limit: int, now_ms: int
    ) -> tuple[Position | None, bool]:
        """Walk for a moment; returns where it came to, and whether that is the end."""
        ends = monotonic() + SLICE_S
        entries, exhausted = self._listing.entries(self._state, position, self._filters)
        for index, entry in enumerate(entries, 1):
            job = self._listing.chosen(self._state, entry, self._filters)
            if verb is not None and job is not None and is_tied(job.spec):
                if not self._commit.write_now():
                    return position, False
                job = self._listing.chosen(self._state, entry, self._filters)  # the one before may have let it go
            position = self._listing.at(entry)
            self._examined += 1
            if job is not None and self._came_in_time(job):
                self._done += verb is None or self._does(verb, entry[1], job, now_ms)
            full = self._done == limit or self._examined == self._listing.scan_limit
            if full or monotonic() > ends:
                return position, exhausted and index == len(entries)
        return position, exhausted

    def _does(self, verb: Verb, job_id: bytes, job: JobView, now_ms: int) -> bool:
        return self._changes.apply(job_id, job.spec, job.head, verb, now_ms) is Changed.DONE

    def _came_in_time(self, job: JobView) -> bool:
        return self._state is not State.SCHEDULED or scheduled_since_ms(job.head, job.added_ms) < self._before_ms
