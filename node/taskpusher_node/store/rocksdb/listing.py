"""Reading jobs: pages of a state in the total order (t, id, name of the store), and the earlier attempts of one job."""

import asyncio
from time import monotonic

from msgspec import structs

from taskpusher.job import CALLBACK_QUEUE, meta_says, status_in
from taskpusher.position import Position

from ...lifecycle import State
from ..base import Filters, JobView, Page, UnknownPosition
from . import keys, records
from .book import Book
from .calls import Call
from .commit import Commit
from .handed import Handed

Entry = tuple[int, bytes, bytes]  # (t_ms, id, listing value)

SLICE_S = 0.005  # of reading jobs, before the loop gets its turn
_CHUNK = 200  # entries examined before the loop gets its turn


class Listing:
    """Pages over the listing index; running jobs are listed from memory."""

    def __init__(self, book: Book, commit: Commit, scan_limit: int) -> None:
        self._book = book
        self._commit = commit
        self.scan_limit = scan_limit

    async def page(self, state: State, *, after: str | None, limit: int, filters: Filters) -> Page:
        """Return at most `limit` jobs behind the position `after`, from at most `scan_limit` entries examined."""
        position = self.position(state, after)
        jobs: list[JobView] = []
        examined = 0
        n = min(limit + 1, _CHUNK)  # enough, if nothing is left out; one more tells whether there is another page
        while examined < self.scan_limit:
            self._commit.write_now()  # the loop had its turn: show what it changed
            ends = monotonic() + SLICE_S
            entries, exhausted = self.entries(state, position, filters, n)
            n = _CHUNK
            for index, entry in enumerate(entries, 1):
                position = self.at(entry)
                examined += 1
                job = self.chosen(state, entry, filters)
                if job is not None:
                    jobs.append(job)
                if len(jobs) == limit or examined == self.scan_limit:
                    exhausted = exhausted and index == len(entries)
                    return Page(jobs, None if exhausted else str(position))
                if index < len(entries) and monotonic() > ends:
                    exhausted = False
                    break
            if exhausted:
                break
            await asyncio.sleep(0)
        return Page(jobs, None)

    def advance_first_waiting(self) -> int | None:
        """Move the low-water mark of the waiting up to the first entry; returns since when the oldest waits."""
        book = self._book
        end = keys.after(keys.listing_prefix(State.WAITING))
        all_written = self._commit.write_now()
        found = book.db.scan(book.first_waiting, end, len(book.calls) + 1)
        if all_written:  # else entries may follow that stand before the first one found
            book.first_waiting = found[0][0] if found else end
        waiting = (keys.listed(key) for key, _ in found)
        return next((t_ms for t_ms, job_id in waiting if job_id not in book.calls), None)

    def at(self, entry: Entry) -> Position:
        """Return the position of an entry."""
        return Position(entry[0], entry[1].hex(), self._book.name)

    def position(self, state: State, after: str | None) -> Position | None:
        """Return what a text, opaque or a plain uid, says where to go on from; raises UnknownPosition."""
        if after is None:
            return None
        if "~" in after:
            try:
                return Position.parse(after)
            except ValueError as error:
                raise UnknownPosition(after) from error
        job_id = self._book.id_of(after)
        view = self._book.view(job_id) if job_id is not None else None
        if view is None or view.head.state is not state:
            raise UnknownPosition(after)
        return Position.of(keys.listing_time_ms(view.head), after)

    def entries(
        self, state: State, position: Position | None, filters: Filters, n: int = _CHUNK
    ) -> tuple[list[Entry], bool]:
        """Return the next entries behind a position, about `n`, and whether they are the last ones."""
        if state is State.RUNNING:
            return self._running(position, filters)
        since_ms = max(filters.since_ms or 0, self._book.ended_since.get(state, 0))
        until_ms = keys.T_MAX if filters.until_ms is None else filters.until_ms
        if until_ms <= since_ms:
            return [], True
        start, end = keys.listing_range(state, since_ms, until_ms)
        if state is State.WAITING:
            start = max(start, self._book.first_waiting)
        elif state is State.SCHEDULED:
            start = max(start, self._book.first_due)
        if position is not None:
            at = keys.listing_key(state, position.t_ms, bytes.fromhex(position.id))
            start = max(start, at if self._is_before_own(state, position) else at + b"\0")
        found = self._book.db.scan(start, end, n) if start < end else []
        return [(*keys.listed(key), value) for key, value in found], len(found) < n

    def _running(self, position: Position | None, filters: Filters) -> tuple[list[Entry], bool]:
        """Return those that run, newest first: all whose call is under way, and a part of those that are handed off."""
        since = (filters.since_ms or 0, b"")
        before = (keys.T_MAX if filters.until_ms is None else filters.until_ms, b"")
        if position is not None:
            behind = b"\0" if self._is_before_own(State.RUNNING, position) else b""
            before = min(before, (position.t_ms, bytes.fromhex(position.id) + behind))
        handed = self._book.handed.newest(since, before, _CHUNK)
        exhausted = len(handed) < _CHUNK
        if not exhausted:
            since = handed[-1].place  # what is older comes with the next part
        calls = [call for call in self._book.calls.values() if since <= (call.head.started_ms or 0, call.id) < before]
        running: list[Call | Handed] = [*calls, *handed]
        entries = [(job.head.started_ms or 0, job.id, records.listing_value(job.spec, job.head)) for job in running]
        return sorted(entries, reverse=True), exhausted

    def _is_before_own(self, state: State, position: Position) -> bool:
        """Tell whether a job of this store would be listed behind one of the same moment and id at the position."""
        name = self._book.name
        return position.name < name if state in keys.SOONEST_FIRST else position.name > name

    def chosen(self, state: State, entry: Entry, filters: Filters) -> JobView | None:
        """Return the job of an entry where it is in this state and passes the filters."""
        _, job_id, value = entry
        if state is State.WAITING and job_id in self._book.calls:
            return None  # its entry stays until its call has ended
        listed = records.parse_listing(value)
        if listed.queue == CALLBACK_QUEUE and filters.queue is None and filters.group is None:
            return None
        asked = (filters.queue, filters.host, filters.group, filters.error)
        said = (listed.queue, listed.host, listed.group, listed.error)
        if any(text not in (None, there) for text, there in zip(asked, said, strict=True)):
            return None
        status = listed.status
        if filters.status is not None and (status is None or not status_in(status, filters.status)):
            return None
        view = self._book.view(job_id)
        if view is None or view.head.state is not state:  # the loop had its turn since the entries were read
            return None
        spec = view.spec
        wanted = filters.key in (None, spec.key) and (not filters.meta or meta_says(spec.meta, filters.meta))
        return view if wanted else None


def earlier_attempts(book: Book, job_id: bytes, view: JobView) -> JobView:
    """Return the job with its earlier attempts, newest first."""
    found = book.earlier_attempts(job_id)
    return structs.replace(view, attempts=[records.decode_attempt(value) for _, value in reversed(found)])
