"""The store of a single node on RocksDB: what `base.Store` promises, operation by operation."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path

from taskpusher.clock import steady_ms, unix_ms

from ...lifecycle import STATES, State, Verdict, can_expire, claimed, settled
from ..base import (
    Backup,
    Changed,
    Claimed,
    Events,
    Filters,
    GroupView,
    Health,
    Held,
    JobView,
    Page,
    Pause,
    Place,
    Pruned,
    Put,
    QueueView,
    Settled,
    StoreBusy,
    StoreDamaged,
    StoreFailed,
    StoreUnknown,
    Token,
    Verb,
    Walked,
    Why,
)
from ..editing import Change
from ..queues import NO_SETTINGS, QueueSettings, Share
from . import disk, followers, keys
from .arrivals import Arrivals
from .backup import Backups
from .book import Book
from .calls import Call
from .changes import Changes
from .commit import Commit
from .due import Due
from .editing import Editing
from .gates import Gates
from .handing import Handing
from .lane import Entry, Lane
from .limits import Limits
from .listing import Listing, earlier_attempts
from .pauses import Pauses
from .prune import Prune
from .queues import Queues
from .recovery import in_words, open_book
from .repeats import Repeats
from .ties import is_tied
from .verify import Walk
from .walk import BulkWalk

_PROMOTE_AT_ONCE = 1_000
_ADVANCE_EVERY_MS = 1_000
_PICKS_AT_ONCE = 1_000  # entries that turn out stale before a claim gives way to the rest of the loop


class RocksStore:
    """A `base.Store`. All methods run on the loop of the thread that opened it."""

    def __init__(
        self,
        folder: Path,
        book: Book,
        *,
        max_queues: int,
        max_holds: int,
        max_pinned: int,
        scan_limit: int,
        idempotency_retention_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._ballast = disk.Ballast(folder)
        self._book = book
        self._now_ms = now_ms
        self._max_holds = max_holds
        self._commit = Commit(book.db, book.events, book.write_counts, book.totals)
        self._changes = Changes(book, self._commit)
        self._due = Due(book, self._commit, self._changes)
        self._editing = Editing(book, self._commit, max_queues, now_ms)
        self._handing = Handing(book, self._commit, self._changes, now_ms)
        self._pauses = Pauses(book, self._commit)
        self._repeats = Repeats(book, self._commit, retention_ms=round(idempotency_retention_s * 1000))
        self.put_new = Arrivals(book, self._commit, self._repeats, max_queues).put_new
        self._queues = Queues(book, self._commit, self._pauses, max_queues, now_ms)
        self.queues, self.take_queue, self.settings_digest = self._queues.all, self._queues.take, self._queues.digest
        limits = Limits(book, self._commit, self._pauses, max_pinned)
        self.limits, self.limit, self.limits_known, self.limits_held = limits.all, limits.one, limits.known, limits.held
        self.pin_limit, self.unpin_limit, self.set_queue_limits = limits.pin, limits.unpin, limits.set_queue
        self.set_share = limits.set_share
        self._listing = Listing(book, self._commit, scan_limit)
        self._prune = Prune(book, self._commit)
        self._reclaiming: asyncio.Future[None] | None = None
        self._measured = (disk.space(folder), disk.sizes(folder))
        self._advanced_ms = 0
        self._backups = Backups(book.db, self._commit.durable)
        self._verification: Walk | None = None
        book.db.on_damage = self._commit.fail
        self.name = book.name
        self.store_id = book.store_id.hex()
        self.recovery, self.recovered = book.db.recovery, in_words(book.db)
        self.stopped_clean = book.stopped_clean
        self.events = book.events
        self.totals = book.totals
        self.tallies = book.tallies
        self.queue_defaults: Mapping[str, bytes] = book.queue_defaults
        self.durations = book.durations
        self.token, self.authorised = self._handing.token, self._handing.authorised
        self.report, self.handed_off = self._handing.report, self._handing.handed_off
        self.flush_durations = self._commit.flush_durations
        self.flush_jobs = self._commit.flush_jobs
        self.engine_version = book.db.version()
        self.draining = book.db.get(keys.DRAINING) is not None

    @classmethod
    async def open(
        cls,
        path: Path,
        name: str | None = None,
        *,
        events: Events | None = None,
        max_queues: int = 1_000,
        max_holds: int = 1_000,
        max_pinned: int = 10_000,
        scan_limit: int = 5_000,
        idempotency_retention_s: float = 86_400.0,
        now_ms: Callable[[], int] = unix_ms,
        tell: Callable[[JobView], bytes] | None = None,
        ticks_ms: Callable[[], int] = steady_ms,
    ) -> "RocksStore":
        """Open the store in a folder, made where there is none; what was running waits again.

        `tell` returns what a callback says of a job that has ended, as JSON; without it nobody is told.

        Raises StoreLocked, StoreRefused, StoreFailed.
        """
        events = events or Events()
        try:
            book = await asyncio.to_thread(open_book, path, name, events, Gates(now_ms, ticks_ms), tell)
        except StoreFailed as error:
            if not (disk.says_full(str(error)) and disk.Ballast(path).give_up()):
                raise
            book = await asyncio.to_thread(open_book, path, name, events, Gates(now_ms, ticks_ms), tell)
        return cls(
            path,
            book,
            max_queues=max_queues,
            max_holds=max_holds,
            max_pinned=max_pinned,
            scan_limit=scan_limit,
            idempotency_retention_s=idempotency_retention_s,
            now_ms=now_ms,
        )

    @property
    def damage(self) -> StoreDamaged | None:
        """What could not be read, for which the store failed."""
        return self._commit.damage

    async def close(self) -> None:
        """Flush and close; a backup under way is given up.

        Where nothing runs any more and no verification is due, the stop was a clean one.
        """
        await self._backups.give_up()
        try:
            if self._commit.failure is None and not self._book.calls and self._is_trusted():
                self._commit.batch().put(keys.CLEAN, b"")
            await self._commit.close()
        finally:
            if self._reclaiming is not None:
                await asyncio.wait({self._reclaiming})
            if disk.says_full(self._commit.failure or ""):
                self._ballast.give_up()
            # a failure was told when it happened, and a broken database only repeats it
            with suppress(StoreFailed) if self._commit.failure is not None else nullcontext():
                await asyncio.to_thread(self._book.db.close)

    def _is_trusted(self) -> bool:
        """Tell whether the next start need not verify: what this one had to look at was looked at, and is well."""
        verified = self._verification is not None and self._verification.done
        return (self.stopped_clean or verified) and not self.totals.damaged

    async def claim(self, n: int, *, reserve: int) -> list[Claimed]:
        """Begin up to `n` calls."""
        self._commit.check()
        if self._commit.hides_changes:
            self._see_writes()
        taken = self._take(n, reserve)
        if not taken and self._book.parked_at is not None and (self._book.releasing or self._book.editing):
            await self._commit.durable()  # a stop ends when a claim finds nothing
            taken = self._take(n, reserve)
        if taken:
            await self._commit.written()
        return taken

    def _take(self, n: int, reserve: int) -> list[Claimed]:
        book = self._book
        now_ms = self._now_ms()
        taken: list[Claimed] = []
        for _ in range(n + _PICKS_AT_ONCE):
            left = n - len(taken)
            picked = book.lanes.pick(idle_only=left <= reserve) if left else None
            if picked is None:
                break
            job = self._begin(*picked, now_ms)
            if job is None:
                book.lanes.unpick(picked[0])
            else:
                taken.append(job)
        else:
            book.events.woke()
        return taken

    def _begin(self, lane: Lane, entry: Entry, now_ms: int) -> Claimed | None:
        """Write that a job runs; None where it waits no more, its ttl is over, or it is a suspect of a full host."""
        book = self._book
        birth = book.birth(entry.id)
        if birth is None or entry.id in book.calls:
            return None
        if entry.id in book.editing:
            book.editing[entry.id].picked = entry
            return None
        before = book.head(entry.id, birth)
        if before.state is not State.WAITING or before.seq != entry.seq:
            return None
        if before.expires_ms is not None and before.expires_ms <= now_ms and can_expire(before):
            return None
        if lane.host == keys.SUSPECTS and not book.lanes.picked_suspect(lane, entry, birth.spec.host.encode()):
            return None
        head = claimed(before, now_ms)
        call = Call(book.uid_of(entry.id), entry.id, birth.added_ms, birth.spec, head, book.take_slot(), lane.host)
        book.calls[entry.id] = call
        slot = keys.slot_value(entry.id, head.seq, head.attempt, now_ms)
        self._commit.batch().put(keys.slot_key(call.slot), slot)
        book.count_move(birth.spec, State.WAITING, State.RUNNING)
        waited_ms = now_ms - (head.waiting_ms or now_ms)  # below 0 where the clock has stepped back
        book.tally(birth.spec.queue).waits.observe(waited_ms / 1000 if waited_ms > 0 else 0.0)
        return Claimed(call.uid, birth.spec, head, Token(call.uid, head.attempt))

    def limit_host(self, host: str, calls: int | None) -> None:
        """Let a host run at most so many calls at once, until the store is closed."""
        self._book.lanes.limit(host.encode(), calls)
        self.events.woke()

    async def settle(self, token: Token, verdict: Verdict) -> Settled:
        """Write where a call that has ended leaves its job."""
        call = self._changes.running(token)
        ending = call if call is not None else self._book.closing.get(token)
        tied = ending is not None and is_tied(ending.spec)
        if tied:
            while not self._commit.write_now():  # whom it lets go has to be read; its slot is kept
                await self._commit.written()
            call = self._changes.running(token)
        if call is None:
            self._changes.close_call(token, self._now_ms())
            self._book.totals.fenced += 1
            return Settled.FENCED
        self._book.count_call(call.spec.queue, verdict)
        head = settled(call.head, verdict, self._now_ms())
        if verdict.to is State.RUNNING:
            await self._handing.accept(call, head)
        else:
            self._changes.end_call(call, head)
            if tied:
                self._commit.write_now()  # whom it lets go waits for the flush, which begins with the write
        return Settled.APPLIED

    async def promote(self, now_ms: int) -> int | None:
        """Make ready what is due, end what has expired, resume queues, forget; returns when that is next needed."""
        self._commit.check()
        self._see_writes()
        if abs(now_ms - self._advanced_ms) >= _ADVANCE_EVERY_MS:
            self._advanced_ms = now_ms
            self._listing.advance_first_waiting()
        over_n, next_lease = self._handing.end_leases(now_ms, _PROMOTE_AT_ONCE)
        expired_n, next_expiry = self._due.expire(now_ms, _PROMOTE_AT_ONCE - over_n)
        self._see_writes()  # what has expired is not due any more
        next_due = self._due.promote(now_ms, _PROMOTE_AT_ONCE - over_n - expired_n)
        pauses_end = self._pauses.end_due(now_ms)
        next_forgotten = self._repeats.forget(now_ms, _PROMOTE_AT_ONCE)
        next_token = self._book.open_gates()
        if next_token is not None and next_token <= now_ms:
            self._commit.batch()  # more are due: these are written first
        if self._commit.is_open or over_n or expired_n:
            await self._commit.durable()
        times = (next_lease, next_due, next_expiry, pauses_end, next_forgotten, next_token)
        return min((t for t in times if t is not None), default=None)

    def get(self, uid: str, *, attempts: bool = False) -> JobView | None:
        """Return a job as it is now."""
        job_id = self._book.id_of(uid)
        if job_id is None:
            return None
        self._commit.write_now()
        view = self._book.view(job_id)
        return earlier_attempts(self._book, job_id, view) if attempts and view is not None else view

    def held(self, uid: str, count: int) -> Held:
        """Return by which others a job is held, or would be if it were retried."""
        job_id = self._book.id_of(uid)
        self._commit.write_now()
        return followers.look(self._book, job_id, count) if job_id is not None else Held()

    def place(self, uid: str, count: int) -> Place:
        """Return what stands before a job, at most `count` jobs of it."""
        job_id = self._book.id_of(uid)
        view = self._book.view(job_id) if job_id is not None else None
        if view is None or view.head.state is not State.WAITING or view.head.held:
            return Place()
        return self._book.place(view.spec, view.head, count)

    async def page(self, state: State, *, after: str | None, limit: int, filters: Filters) -> Page:
        """Return a part of a listing."""
        return await self._listing.page(state, after=after, limit=limit, filters=filters)

    async def change(self, uid: str, verb: Verb) -> Changed:
        """Retry, cancel, run or delete one job."""
        self._commit.check()
        job_id = self._book.id_of(uid)
        self._see_writes()
        birth = self._book.birth(job_id) if job_id is not None else None
        if job_id is None or birth is None:
            return Changed.MISSING
        changed = self._changes.apply(job_id, birth.spec, self._book.head(job_id, birth), verb, self._now_ms())
        await self._commit.durable()
        return changed

    async def edit(self, uid: str, change: Change) -> Changed:
        """Give a waiting or scheduled job another spec."""
        self._commit.check()
        self._see_writes()
        changed = self._editing.edit(uid, change)
        await self._commit.durable()
        return changed

    async def change_many(
        self,
        state: State,
        verb: Verb,
        *,
        before_ms: int,
        after: str | None,
        limit: int,
        filters: Filters,
        dry_run: bool = False,
    ) -> Walked:
        """Change the jobs of a listing that came into their state before a moment."""
        self._commit.check()
        self._see_writes()
        walk = BulkWalk(self._book, self._commit, self._listing, self._changes, state, filters, before_ms)
        walked = await walk.run(None if dry_run else verb, after, limit, self._now_ms())
        if walked.done and not dry_run:
            if self._commit.failure is not None:
                raise StoreUnknown(self._commit.failure)  # the parts before it may have happened
            await self._commit.durable()
        return walked

    async def prune(self, why: Why, before_ms: Mapping[State, int], n: int) -> Pruned:
        """Delete at most `n` finished jobs that ended before a time, oldest first."""
        self._commit.check()
        self._see_writes()
        pruned = self._prune.delete_oldest(why, before_ms, n, self._now_ms())
        if pruned.n:
            await self._commit.written()
        return pruned

    async def reclaim(self) -> None:
        """Give the space of what was pruned back to the file system."""
        ranges = self._prune.ranges_to_reclaim()
        if ranges:
            # shielded: a close has to wait for the thread, whatever became of who asked
            self._reclaiming = asyncio.ensure_future(asyncio.to_thread(self._book.db.compact, ranges))
            await asyncio.shield(self._reclaiming)

    async def measure(self) -> Health:
        """Look at the disk now."""
        self._measured = await asyncio.to_thread(lambda: (disk.space(self._folder), disk.sizes(self._folder)))
        return self.health()

    def health(self) -> Health:
        """Return the state of the engine, and of its disk when that was last measured."""
        (disk_bytes, free_bytes), sizes = self._measured
        healthy = self._commit.failure is None and not self._commit.stalled
        return Health(healthy, disk_bytes, free_bytes, sizes)

    async def keep_ballast(self, n_bytes: int) -> None:
        """Set space aside, which is given up when the disk is full."""
        await asyncio.to_thread(self._ballast.keep, n_bytes)

    def counts(self) -> dict[State, int]:
        """Return how many jobs are in each state."""
        sums = [sum(column) for column in zip(*self._book.counts.values(), strict=True)]
        return dict(zip(STATES, sums, strict=True))

    def groups(self) -> list[GroupView]:
        """Return the groups of the jobs in error, the largest first."""
        return self._book.groups.views(self._book.uid_of)

    def oldest_waiting_ms(self) -> int | None:
        """Return since when the job that waits longest does so."""
        return self._listing.advance_first_waiting()

    @property
    def share(self) -> Share:
        """The part of this store in what queues of scope cluster may do."""
        return self._book.share

    def queue(self, name: str) -> QueueView | None:
        """Return one queue."""
        return self._queues.view(name)

    async def declare_queue(self, name: str, settings: QueueSettings = NO_SETTINGS, version: int | None = None) -> Put:
        """Declare a queue by hand, with all its settings."""
        self._commit.check()
        put = self._queues.declare(name, settings, version)
        await self._commit.durable()
        return put

    async def delete_queue(self, name: str) -> Changed:
        """Delete an empty queue."""
        self._commit.check()
        changed = self._queues.delete(name)
        await self._commit.durable()
        return changed

    async def set_pause(self, queue: str, pause: Pause | None) -> None:
        """Pause a queue, or resume it."""
        self._commit.check()
        self._pauses.put_pause(queue, pause)
        await self._commit.durable()

    def holds(self) -> dict[str, Pause]:
        """Return the hosts that are held by hand."""
        return dict(self._book.holds)

    async def set_hold(self, host: str, hold: Pause | None) -> bool:
        """Hold a host, or release it; False where it would be one more than allowed."""
        self._commit.check()
        if hold is not None and host not in self._book.holds and len(self._book.holds) >= self._max_holds:
            return False
        self._pauses.put_hold(host, hold)
        await self._commit.durable()
        return True

    async def set_draining(self, *, on: bool) -> None:
        """Remember, over restarts too, whether the node takes new jobs."""
        self._commit.check()
        self.draining = on
        if on:
            self._commit.batch().put(keys.DRAINING, b"")
        else:
            self._commit.batch().delete(keys.DRAINING)
        await self._commit.durable()

    def verification(self) -> Walk:
        """Return a new walk over everything."""
        walk = Walk(self._book.db, self.name, self._book.calls, sync=self._commit.write_now, live=self._book)
        self._book.moved, self._verification = walk.moved, walk
        return walk

    async def backup(self, target: Path) -> Backup:
        """Copy this moment into a new folder."""
        self._commit.check()
        return await self._backups.make(target, lambda: sum(self.counts().values()))

    def park(self) -> None:
        """From now on nothing that becomes ready is claimed."""
        self._book.parked_at = self._book.last_seq

    def memo(self, name: str) -> bytes | None:
        """Return what was remembered under a name."""
        self._commit.write_now()
        return self._book.db.get(keys.memo_key(name))

    def remember(self, name: str, value: bytes) -> None:
        """Keep a few bytes over restarts: written at once, flushed within 10 ms."""
        self._commit.check()
        self._commit.batch().put(keys.memo_key(name), value)

    async def durable(self) -> None:
        """Return when all that was written before is flushed."""
        await self._commit.durable()

    def _see_writes(self) -> None:
        """Let what this turn has changed be read; StoreBusy where the engine cannot write it."""
        if not self._commit.write_now():
            raise StoreBusy("the engine takes no writes at the moment")
