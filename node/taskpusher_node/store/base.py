"""What a store of jobs can do: semantic and async, so that no key, batch or iterator of an engine crosses it.

Every operation that changes something returns when the flush that covers it is done, except `claim`, `settle` and
`prune`, which nobody waits for: they are written at once and flushed within 10 ms.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec import Struct

from taskpusher.histogram import Histogram
from taskpusher.job import Spec

from ..grouping import Group
from ..lifecycle import FINISHED, Attempt, Head, Progress, State, Verdict
from ..reports import Report
from .editing import EditStore
from .limits import LimitStore, ShutGate
from .queues import QueueSettings, QueueStore
from .space import SpaceStore
from .tallies import Tally, Totals


class StoreError(Exception):
    """Base of all that a store raises."""


class StoreBusy(StoreError):
    """The engine takes no writes for a moment; nothing happened."""


class StoreUnknown(StoreError):
    """The write may or may not have happened; repeating the same call is safe."""


class StoreFailed(StoreError):
    """The engine is broken and must be closed; nothing happened."""


class StoreDamaged(StoreFailed):
    """What is on disk is not what was written: a restart does not help, a repair or a backup does."""


class Recovery(StrEnum):
    """How much of the log the last opening could read."""

    CLEAN = "clean"
    TORN_TAIL = "torn_tail"  # its end was cut off, as by a power cut in the middle of a write
    POINT_IN_TIME = "point_in_time"  # it was damaged; what stood behind that is not in the store


class BackupRefused(StoreError):
    """No backup can be made now, or not to this place; the text says why."""


class StoreLocked(StoreError):
    """Another process has this store open."""


class StoreRefused(StoreError):
    """The store is another's: it has another name or a newer format."""


class UnknownPosition(StoreError):
    """A page was to go on from a job that is not in the listing."""


class NewJob(Struct, frozen=True):
    """A job to put. `given` says that the caller brought the uid, to repeat an add whose outcome it does not know."""

    uid: str
    spec: Spec
    added_ms: int
    due_ms: int
    given: bool = False
    digest: bytes | None = None  # of the fields as given, where the spec has an idempotency key


class Put(StrEnum):
    """What became of a job that was put."""

    CREATED = "created"
    SAME = "same"  # this very job is there already
    CONFLICT = "conflict"  # another job has its uid, or a queue another version
    DEDUPLICATED = "deduplicated"  # the unfinished job of its unique text stands for it
    REPLACED = "replaced"  # that job has taken its fields
    MISMATCH = "mismatch"  # its idempotency key was given to an add of other fields
    NO_QUEUE = "no-queue"  # it would make one more queue than allowed
    BUSY = "busy"  # it has to be looked up first, and the engine stalls: nothing was stored


class Placed(NamedTuple):
    """What became of a job that was put, and the uid to answer with: its own, or that of the job that stands for it."""

    put: Put
    uid: str


class Token(NamedTuple):
    """The right to settle one call. Attempts of a job are never reused, so an old token fits nothing."""

    uid: str
    attempt: int


class Claimed(Struct, frozen=True):
    """A job whose call may begin."""

    uid: str
    spec: Spec
    head: Head
    token: Token


class Settled(StrEnum):
    """What became of a verdict."""

    APPLIED = "applied"
    FENCED = "fenced"  # the token is not, or no longer, that of a running call


class JobView(Struct, frozen=True):
    """A job as it is read. `attempts` are the earlier ones, newest first, and only where they were asked for."""

    uid: str
    spec: Spec
    head: Head
    added_ms: int
    attempts: Sequence[Attempt] = ()
    progress: Progress | None = None  # of one that runs, as its target told it


class Filters(Struct, frozen=True):
    """What a listing is narrowed to; None means all. Times are of the state's own order, since <= t < until.

    Callbacks are listed only where their queue, or a group of errors, is asked for.
    """

    queue: str | None = None
    host: str | None = None
    status: str | None = None
    group: str | None = None  # id of a group of errors
    error: str | None = None  # kind of error
    since_ms: int | None = None
    until_ms: int | None = None
    key: str | None = None
    meta: Mapping[str, str] = {}  # members that meta has at its top, as `taskpusher.job.meta_says` compares them


class Place(Struct, frozen=True):
    """What stands before a job that waits.

    `ahead` counts the jobs of its queue and host that go first, as far as they were counted; `parked` tells that it
    is left for the next start, `suspect_runs` that one of those runs that were running in a crash.
    """

    ahead: int = 0
    parked: bool = False
    suspect_runs: bool = False
    limit: ShutGate | None = None  # where it is shut
    queue: ShutGate | None = None


class Held(Struct, frozen=True):
    """By whom a job is held: uids of the first of its ordered line, `ahead` in which are before it, and of its text.

    Of a finished job `unique` is the one that has its text now. `closing` tells that one of them was cancelled, and
    its call is not closed.
    """

    first: str | None = None
    ahead: int = 0
    unique: str | None = None
    closing: bool = False


class Page(Struct, frozen=True):
    """A part of a listing, and the opaque position up to which entries were examined; None when it is exhausted."""

    jobs: list[JobView]
    scanned_to: str | None


class Walked(Struct, frozen=True):
    """A part of a walk that changes jobs: how many it changed and examined, and where it goes on, None at the end."""

    done: int
    examined: int
    scanned_to: str | None


class GroupView(Struct, frozen=True):
    """Errors that are alike: how many there are now, when they were seen, and one of them where it is known."""

    group: Group
    count: int
    first_ms: int
    last_ms: int
    sample_uid: str | None


class Verb(StrEnum):
    """What can be done to jobs by hand."""

    RETRY = "retry"
    CANCEL = "cancel"
    RUN = "run"
    DELETE = "delete"


VERB_STATES: dict[Verb, frozenset[State]] = {
    Verb.RETRY: FINISHED,
    Verb.CANCEL: frozenset(State) - FINISHED,
    Verb.RUN: frozenset({State.SCHEDULED}),
    Verb.DELETE: FINISHED,
}


class Changed(StrEnum):
    """What became of a verb."""

    DONE = "done"
    ALREADY = "already"
    WRONG_STATE = "wrong-state"
    TAKEN = "taken"  # another job of its unique text has not ended
    MISSING = "missing"
    NO_QUEUE = "no-queue"  # it would make one more queue than allowed


class Pause(Struct, frozen=True, array_like=True):
    """A queue or a host stands still: by whom, since when, and until when where that was said."""

    by: str | None
    since_ms: int
    until_ms: int | None = None


class QueueState(QueueSettings, frozen=True, kw_only=True):
    """All that is said of a queue by hand; each time makes the next version."""

    pause: Pause | None = None
    declared: bool = False  # by hand, not by its first job
    version: int = 0


class QueueView(QueueState, frozen=True, kw_only=True):
    """A queue with its settings and the number of its jobs in each state."""

    name: str
    counts: dict[State, int]
    oldest_waiting_ms: int | None


class Damage(StrEnum):
    """What can be wrong with what is on disk."""

    LOG = "log"  # its end was cut off, or it was damaged
    UNREADABLE = "unreadable"  # RocksDB's checksums say so
    UNDECODABLE = "undecodable"  # it can be read, and is no record
    JOB_LOST = "job-lost"  # something is there of a job, but not what was added
    HEAD_LOST = "head-lost"  # a job is listed as ended, and what became of it is not there
    INDEX_MISSING = "index-missing"
    INDEX_STRAY = "index-stray"
    COUNTER_WRONG = "counter-wrong"


class Finding(Struct, frozen=True):
    """One thing that is wrong, in words, and the job it is about."""

    kind: Damage
    text: str
    uid: str | None = None


class Verification(Protocol):
    """A walk over the whole store, behind traffic, that looks whether everything in it fits together."""

    examined: int
    done: bool

    def step(self, n: int) -> Sequence[Finding]:
        """Examine the next `n` entries; returns what is wrong with them."""


class Backup(Struct, frozen=True):
    """A durable copy of one moment."""

    path: str
    bytes: int
    jobs: int


class Why(StrEnum):
    """Why the node itself deletes finished jobs."""

    AGE = "age"
    COUNT = "count"
    DISK = "disk"


class Pruned(NamedTuple):
    """How many jobs were deleted, and whether there may be more to delete."""

    n: int
    more: bool


class Health(Struct, frozen=True):
    """The state of the engine, and of its disk when that was last measured."""

    healthy: bool  # it takes writes
    disk_bytes: int  # of the whole file system
    free_bytes: int
    sizes: dict[str, int]  # bytes on disk by kind of file


def _nothing(*_: object) -> None:
    pass


class Events(Struct):
    """Hints of a store to whoever set them. They may be lost: every waiter also looks now and then."""

    woke: Callable[[], None] = _nothing  # something became ready
    due: Callable[[int], None] = _nothing  # something is due at this Unix time in ms
    ended: Callable[[str], None] = _nothing  # a job ended, durably
    cancelled: Callable[[Token], None] = _nothing  # a running call has lost its job
    held: Callable[[str, Pause | None], None] = _nothing  # a host is held by hand, or released
    stalled: Callable[[bool], None] = _nothing  # the engine stopped taking writes, or takes them again
    failed: Callable[[str], None] = _nothing  # the engine broke


class Store(QueueStore, LimitStore, EditStore, SpaceStore, Protocol):
    """A store of jobs. Every operation may raise StoreBusy, StoreUnknown or StoreFailed."""

    name: str
    events: Events
    totals: Totals
    tallies: dict[str, Tally]  # by `tally_name`
    draining: bool
    engine_version: str
    flush_durations: Histogram
    flush_jobs: Histogram  # of how many jobs one flush made the changes durable
    store_id: str  # another one for each store, also for one restored from a backup
    recovery: Recovery
    recovered: str  # what was wrong when it was opened and is for a person to look at; empty where nothing was
    stopped_clean: bool  # the last time it was open

    @property
    def damage(self) -> StoreDamaged | None:
        """What could not be read, where the store failed for that."""

    async def close(self) -> None:
        """Flush and close. Nothing may be called after it."""

    async def put_new(self, jobs: Sequence[NewJob]) -> list[Placed]:
        """Store jobs, in order, each on its own merits, and answer for all of them at once.

        What is there already, by uid or by idempotency key, is not stored again, and durable as well when it is told.
        """

    async def claim(self, n: int, *, reserve: int) -> list[Claimed]:
        """Begin up to `n` calls: of each queue in turn, the highest priority, then the host with fewest calls running.

        Of `n`, the last `reserve` go only to hosts with no call running, unless only one host has jobs that may run.
        Only what is durable is claimed.
        """

    def limit_host(self, host: str, calls: int | None) -> None:
        """Let a host run at most so many calls of this caller at once: 0 holds it, None is any number.

        Its jobs wait, and what runs goes on. Kept in memory: it is the caller's own.
        """

    async def settle(self, token: Token, verdict: Verdict) -> Settled:
        """Write where a call that has ended leaves its job. A token that is not that of a running call is dropped.

        The jobs that this one held are let go. Where it was cancelled meanwhile, they are so by this: every call that
        was claimed has to be settled once it is closed. That one was accepted is durable when this returns.
        """

    def token(self, uid: str, attempt: int) -> str:
        """Return by what the target of a call proves that it was called."""

    def authorised(self, uid: str, text: str) -> Token | None:
        """Return the call of a job that a text is the token of, ended or not; None where it is that of none."""

    async def report(self, token: Token, report: Report) -> Settled:
        """Take what the target of a call says of a job that it accepted, or is about to accept.

        FENCED where the call has ended otherwise; that the same end is told again is APPLIED.
        """

    def handed_off(self) -> int:
        """Return how many jobs run without a call, accepted by their targets."""

    async def promote(self, now_ms: int) -> int | None:
        """Make ready what is due, end what has expired and leases that are over, resume queues, forget old adds.

        Those are forgotten that can no longer be repeated.

        Returns when that is next needed, if ever. At most 1,000 of each a call; the time returned is then not after
        `now_ms`.
        """

    def get(self, uid: str, *, attempts: bool = False) -> JobView | None:
        """Return a job as it is now."""

    def place(self, uid: str, count: int) -> Place:
        """Return what stands before a job, at most `count` jobs of it."""

    def held(self, uid: str, count: int) -> Held:
        """Return by which others a job is held, or would be if it were retried; of its line at most `count` count."""

    async def page(self, state: State, *, after: str | None, limit: int, filters: Filters) -> Page:
        """Return a part of a listing; a plain uid is taken for `after` too. Raises UnknownPosition.

        A position may be one of another store: the jobs of all stores stand in one order, by (t, id, name).
        Waiting and scheduled soonest first, running and finished newest first. A job that stays in its state during
        a walk appears exactly once.
        """

    async def change(self, uid: str, verb: Verb) -> Changed:
        """Retry, cancel, run or delete one job."""

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
        """Change the jobs of a listing that came into their state before a moment; a dry run only counts them.

        Walks as `page` does, at most `limit` jobs a call, gives way to the loop every few milliseconds, and passes over
        what leaves the state meanwhile. No job is changed twice in a walk, also not one that comes back into the state:
        `verb` is one of those that VERB_STATES allows. Raises UnknownPosition.
        """

    async def prune(self, why: Why, before_ms: Mapping[State, int], n: int) -> Pruned:
        """Delete at most `n` finished jobs that ended before a time, oldest first; `before_ms` names their states.

        Bounded by about 5 ms as well. The oldest come first, across states too.
        """

    def counts(self) -> dict[State, int]:
        """Return how many jobs are in each state."""

    def groups(self) -> list[GroupView]:
        """Return the groups of the jobs in error, the largest first."""

    def oldest_waiting_ms(self) -> int | None:
        """Return since when the job that waits longest does so."""

    def holds(self) -> dict[str, Pause]:
        """Return the hosts that are held by hand, over restarts too."""

    async def set_hold(self, host: str, hold: Pause | None) -> bool:
        """Hold a host, or release it, and tell who enforces it; False where it would be one more than allowed."""

    async def set_draining(self, *, on: bool) -> None:
        """Remember, over restarts too, whether the node takes new jobs."""

    def verification(self) -> Verification:
        """Return a new walk; only one at a time."""

    async def backup(self, target: Path) -> Backup:
        """Make a copy of this moment, whole and durable, in a new folder. Raises BackupRefused."""

    def park(self) -> None:
        """From now on nothing that becomes ready is claimed: a stop runs down only what is ready at its beginning."""

    def durations(self) -> list[int]:
        """Return how long all calls since the start took, by DURATIONS_S."""

    def memo(self, name: str) -> bytes | None:
        """Return what was remembered under a name."""

    def remember(self, name: str, value: bytes) -> None:
        """Keep a few bytes over restarts: written at once, flushed within 10 ms."""

    async def durable(self) -> None:
        """Return when all that was written before is flushed."""
