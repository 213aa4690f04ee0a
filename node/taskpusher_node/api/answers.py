"""The JSON that the node answers with, as types: mypy holds the handlers to them, /openapi.json is made of them."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from taskpusher.access import Role
from taskpusher.job import OnConflict
from taskpusher.phase import Phase

from ..lifecycle import State
from ..rates import Range

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Json = Any
HeldBy = Literal["order", "unique"]


class Counts(TypedDict):
    """How many jobs are in each state."""

    waiting: int
    scheduled: int
    running: int
    completed: int
    error: int
    cancelled: int


class Sum(TypedDict):
    """What a router adds up over its nodes; it names those that did not answer. Of a node all is there."""

    partial: NotRequired[bool]
    missing: NotRequired[list[str]]


class Added(TypedDict):
    """A job that is stored, or the one that stands for it: as it is, or with the new fields."""

    uid: str
    deduplicated: NotRequired[Literal[True]]
    replaced: NotRequired[Literal[True]]


class BrokenRule(TypedDict):
    """A field that breaks a rule."""

    path: str
    rule: str


class ProblemTold(TypedDict):
    """A problem (RFC 9457) of one job of many."""

    type: str
    title: str
    status: int
    detail: str
    stored: bool | None
    errors: NotRequired[list[BrokenRule]]
    uid: NotRequired[str]


class OneOfMany(TypedDict):
    """What became of a job of an array: stored by this call (201) or an earlier one (200), or else the error."""

    uid: NotRequired[str]
    status: NotRequired[Literal[200, 201]]
    deduplicated: NotRequired[Literal[True]]
    replaced: NotRequired[Literal[True]]
    error: NotRequired[ProblemTold]


class ErrorTold(TypedDict):
    """Why a job ended in error."""

    kind: str
    message: str
    status: int | None


class ResponseTold(TypedDict):
    """What a target answered."""

    status: int
    headers: list[tuple[str, str]]
    body: str | None
    body_base64: str | None
    truncated: bool


class AttemptTold(TypedDict):
    """A call that has ended."""

    n: int
    started_at: Time | None
    duration: float
    node: str
    outcome: str
    error: str | None
    response: ResponseTold | None


class ProgressTold(TypedDict):
    """How far an application has come with a job, as it said."""

    percent: float | None
    note: str | None
    at: Time | None


class Reported(TypedDict):
    """Where a job is after a word of its application."""

    uid: str
    state: State
    lease_until: Time | None


class BackoffTold(TypedDict):
    """Delays that grow."""

    initial: float
    factor: float
    max: float
    jitter: float


class CallbackTold(TypedDict):
    """Who is told of the end of a job, and of which ends."""

    url: str
    headers: dict[str, str]
    on: tuple[str, ...]
    max_attempts: int


class LimitNumbers(TypedDict):
    """A limit key: so many calls at once, `rate` begun in `per` seconds; null is any number."""

    key: str
    concurrency: int | None
    rate: float | None
    per: float


class Times(TypedDict):
    """When a job went where."""

    added_at: Time | None
    waiting_at: Time | None
    due_at: Time | None
    started_at: Time | None
    ended_at: Time | None


class Asked(TypedDict):
    """What POST /add asked for, and the default of what it did not."""

    url: str
    method: str
    headers: dict[str, str]
    body: Json
    body_base64: str | None
    queue: str
    priority: int
    delay: float | None
    run_at: Time | None
    timeout: float
    max_attempts: int
    unreached_attempts: int
    backoff: BackoffTold | list[float]
    success: str
    ttl: float | None
    meta: Json
    redirects: int
    redact: tuple[str, ...]
    key: str | None
    ordered: bool
    idempotency_key: str | None
    unique: str | None
    on_conflict: OnConflict
    callback: CallbackTold | None
    limit: LimitNumbers | None


class Job(Asked, Times):
    """A job with every field, given or defaulted, and its attempts, newest first."""

    uid: str
    state: State
    kind: Literal["http"]
    node: str
    attempt: int
    tries: int
    unreached: int
    snoozes: int
    crashes: int
    held_by: HeldBy | None
    callback_of: str | None
    lease_until: Time | None
    progress: ProgressTold | None
    error: ErrorTold | None
    response: ResponseTold | None
    attempts: list[AttemptTold]


class JobListed(Times):
    """What a listing shows of a job."""

    uid: str
    state: State
    kind: Literal["http"]
    queue: str
    priority: int
    method: str
    url: str
    key: str | None
    meta: Json
    node: str
    tries: int
    held_by: HeldBy | None
    progress: ProgressTold | None
    error: ErrorTold | None


class Listing(TypedDict):
    """A page of jobs; `last_uid` is where the next one begins, null when there is none."""

    jobs: list[JobListed]
    last_uid: str | None
    scanned_to: str | None
    partial: bool
    missing: NotRequired[list[str]]


class BulkDone(Sum):
    """How many jobs were changed, or would be, of how many looked at; the next call goes on from `last_uid`."""

    done: int
    examined: int
    last_uid: str | None


class PauseTold(TypedDict):
    """A queue stands still."""

    by: str | None
    since: Time | None
    until: Time | None


class Queue(Sum):
    """A queue with the number of its jobs in each state."""

    name: str
    declared: bool
    paused: PauseTold | None
    counts: Counts
    oldest_waiting: Time | None
    concurrency: int | None
    rate: float | None
    per: float
    scope: str
    defaults: Json
    version: int


class Queues(Sum):
    """Every queue."""

    queues: list[Queue]


class LimitTold(LimitNumbers):
    """A limit key; while it is pinned adds do not change its numbers."""

    pinned: bool
    running: int
    waiting: int


class Limits(Sum):
    """A part of the limit keys; `last_key` is what the next part comes after, null when there is none."""

    limits: list[LimitTold]
    last_key: str | None


class HeldTold(PauseTold):
    """A host is held, by hand or, by `unreached`, by itself: then it is probed."""

    next_probe: Time | None


class Target(Sum):
    """A target host: how many calls it may run (null: any number), and how those of the last minutes went."""

    host: str
    in_flight: int
    limit: int | None
    rate: float
    p50: float | None
    p95: float | None
    duration_hist: list[int]
    error_share: float | None
    held: HeldTold | None


class Targets(Sum):
    """The hosts that matter most, and how many are known."""

    targets: list[Target]
    known: int


Group = TypedDict(
    "Group",
    {
        "id": str,
        "host": str | None,
        "class": str | None,
        "line": str | None,
        "count": int,
        "first_seen": Time | None,
        "last_seen": Time | None,
        "sample_uid": str | None,
    },
)
Group.__doc__ = "Errors that are alike."


class Groups(Sum):
    """The groups of the jobs in error, the largest first."""

    groups: list[Group]


class WhyTold(TypedDict):
    """Why a job does not run now: a sentence, and facts of which `reason` names the case."""

    uid: str
    state: State
    why: str
    facts: dict[str, Json]


class Slots(TypedDict):
    """Calls that run, and how many may."""

    busy: int
    limit: int


class RatesTold(TypedDict):
    """How often something happened a second, over the last minute."""

    added: float
    completed: float
    errors: float


class Series(TypedDict):
    """What happened, bucket by bucket; null where nobody knows."""

    t: list[int]
    added: list[int]
    completed: list[int]
    errors: list[int]
    waiting: list[int | None]
    p95: list[float | None]
    duration_hist: list[list[int]]


class Stats(Sum):
    """How the node is doing, and the role of who asks; with the series of a range where one was asked for."""

    now: Time | None
    states: Counts
    oldest_waiting: Time | None
    slots: Slots
    rates: RatesTold
    role: Role
    range: NotRequired[Range]
    step: NotRequired[int]
    series: NotRequired[Series]


class Health(TypedDict):
    """The process is alive."""

    status: Literal["alive"]
    version: str


class ClusterTold(TypedDict):
    """A node's part of what its cluster shares, and the digest of what was said of queues, with their versions."""

    members: int
    low: float
    high: float
    settings: str


class QueueRecord(TypedDict):
    """All that was said of a queue, with its secrets, as nodes of a cluster hear it of each other."""

    name: str
    declared: bool
    version: int
    concurrency: int | None
    rate: float | None
    per: float
    scope: str
    defaults: Json
    paused: PauseTold | None


class QueueRecords(TypedDict):
    """The queues of which anything was said."""

    queues: list[QueueRecord]


class Taken(TypedDict):
    """Whether a record was newer than what the node knew, and the version that it has now."""

    taken: bool
    version: int


class Ready(TypedDict):
    """Whether the node does its work; `warnings` are what a person must look at, by topic."""

    state: Phase
    reason: str | None
    warnings: dict[str, str]
    accepts_adds: bool
    name: str | None
    store_id: str | None
    version: str
    cluster: NotRequired[ClusterTold]


class NodeTold(TypedDict):
    """A node, by what address its router calls it, its weight and its share of the keys; what is not known is null."""

    name: str | None
    address: str | None
    state: str
    reason: str | None
    weight: float
    share: float
    counts: Counts | None
    version: str | None
    store_id: str | None


class Nodes(TypedDict):
    """The nodes of a router; a node lists itself."""

    nodes: list[NodeTold]


class Drained(TypedDict):
    """The phase of the node after it was told to take new jobs, or none."""

    state: Phase
    reason: str | None
