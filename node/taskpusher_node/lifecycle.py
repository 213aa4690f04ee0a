"""The states of a job and every way from one to another, as pure functions.

               add                        add with delay or run_at
                |                                   |
                v        due, or run by hand        v
           +---------+ <----------------------- +-----------+
      +--> | waiting |   later, or not due yet  | scheduled | <--+
      |    +---------+ -----------------------> +-----------+    |
      |     |   |   |                             |   |          |
      |     |   |   |  expired           expired  |   |          |
      |     |   |   +----------> error <----------+   |          |
inter-|     |   |                  ^                  |          | retry, snooze,
rupted|     |   |  cancel          |         cancel   |          | unreached
      |     |   +------------------|---> cancelled <--+          |
      |     v claim                |         ^                   |
      |    +---------+   verdict   |         |                   |
      +--- |         | ------------+         |                   |
           | running |   cancel              |                   |
           |         | ----------------------+                   |
           |         |   verdict                                 |
           |         | ----------> completed                     |
           |         | ------------------------------------------+
           +---------+

handed off (the target accepted the job): running without a call, until its word comes or its lease is over

completed, error, cancelled --> waiting (retry by hand), or gone (DELETE, retention)

A waiting job may be held by another one, of its ordered key or of its unique text: it is let go when that one ends.
"""

from enum import StrEnum

from msgspec import Struct, structs

SNIPPET_BYTES = 512  # of the answer in the list of attempts
HELD_BY_ORDER = 1  # another job of its ordered key goes first
HELD_BY_UNIQUE = 2  # another job of its unique text has not ended
CRASHES_MAX = 3  # crashes of the process under a job, without a call that came back between them


class State(StrEnum):
    """Where a job is; the order is that of the counters in the store."""

    WAITING = "waiting"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELLED = "cancelled"


STATES = tuple(State)
FINISHED = frozenset({State.COMPLETED, State.ERROR, State.CANCELLED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.RUNNING, State.SCHEDULED, State.ERROR, State.CANCELLED}),
    State.SCHEDULED: frozenset({State.WAITING, State.ERROR, State.CANCELLED}),
    State.RUNNING: frozenset({State.COMPLETED, State.ERROR, State.SCHEDULED, State.WAITING, State.CANCELLED}),
    State.COMPLETED: frozenset({State.WAITING}),
    State.ERROR: frozenset({State.WAITING}),
    State.CANCELLED: frozenset({State.WAITING}),
}


class IllegalTransition(Exception):
    """A job was about to go where no arrow leads; a fault of TaskPusher's own."""


class JobError(Struct, frozen=True, array_like=True):
    """Why a job ended in error: a fixed kind, a sentence, and the status where there was an answer."""

    kind: str
    message: str
    status: int | None = None


class Response(Struct, frozen=True, array_like=True):
    """What a target answered; the body is cut where it was longer than the node keeps."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    truncated: bool


def header_of(response: Response, name: str) -> str | None:
    """Return the first value of a header, whose name is given in lower case."""
    return next((value for key, value in response.headers if key.lower() == name), None)


class Attempt(Struct, frozen=True, array_like=True):
    """One call that has ended. `n` counts every call of the job and is never reused."""

    n: int
    started_ms: int
    duration_s: float
    outcome: str
    error: str | None = None
    response: Response | None = None


class Head(Struct, frozen=True, array_like=True):
    """What has become of a job.

    `seq` is its place in line, `attempt` counts calls, `tries` those that may have arrived.
    """

    state: State
    seq: int
    waiting_ms: int | None = None
    due_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    expires_ms: int | None = None
    attempt: int = 0
    tries: int = 0
    unreached: int = 0
    snoozes: int = 0
    crashes: int = 0
    error: JobError | None = None
    last: Attempt | None = None  # the newest attempt, with the whole kept answer
    held: int = 0  # by which others a waiting job is held, HELD_BY_ORDER | HELD_BY_UNIQUE
    snoozed_s: float = 0.0  # of all snoozes together
    lease_ms: int | None = None  # of a job that is handed off: until when
    line: int = 0  # its place in the line of its ordered key, which a retry leaves as it is; 0 in none


class Progress(Struct, frozen=True, array_like=True):
    """How far a target says that it has come with a job that it accepted."""

    percent: float | None = None
    note: str | None = None
    at_ms: int = 0


class Verdict(Struct, frozen=True):
    """Where a call that has ended leaves its job: what `retry` decides and the store writes."""

    to: State
    attempt: Attempt
    due_ms: int | None = None  # with SCHEDULED
    error: JobError | None = None  # with ERROR
    tries: int = 0  # added to the counter of the same name
    unreached: int = 0
    snoozed_s: float = 0.0  # of a snooze: how long
    lease_ms: int | None = None  # with RUNNING: the target has accepted the job, and has until then


def move(head: Head, to: State, **changes: object) -> Head:
    """Return the head in another state; IllegalTransition where the table has no such arrow."""
    _check(head, to)
    return structs.replace(head, state=to, **changes)


def _check(head: Head, to: State) -> None:
    if to not in TRANSITIONS[head.state]:
        raise IllegalTransition(f"{head.state} -> {to}")


def born(seq: int, now_ms: int, due_ms: int, ttl_s: float | None) -> Head:
    """Return the head of a new job: waiting when due, else scheduled."""
    expires_ms = None if ttl_s is None else due_ms + round(ttl_s * 1000)
    if due_ms > now_ms:
        return Head(State.SCHEDULED, seq, due_ms=due_ms, expires_ms=expires_ms)
    return Head(State.WAITING, seq, waiting_ms=now_ms, due_ms=due_ms, expires_ms=expires_ms)


def held_back(head: Head, held: int, now_ms: int) -> Head:
    """A job begins to wait behind others: those that `held` tells of; also one that is not due yet waits for them."""
    return structs.replace(head, state=State.WAITING, waiting_ms=now_ms, held=held) if held else head


def let_go(head: Head, bits: int, now_ms: int) -> Head:
    """Others hold a waiting job no more; once none does it may be called, or is scheduled where it is not due yet."""
    held = head.held & ~bits
    if not held and (head.due_ms or 0) > now_ms:
        return move(head, State.SCHEDULED, held=0, waiting_ms=None)
    return structs.replace(head, held=held)


def born_again(head: Head, fresh: Head) -> Head:
    """A job that does not run takes other fields: all begins anew, but that no attempt is ever counted twice."""
    return structs.replace(fresh, attempt=head.attempt, last=head.last)


def claimed(head: Head, now_ms: int) -> Head:
    """A call begins."""
    return move(head, State.RUNNING, started_ms=now_ms, attempt=head.attempt + 1)


def settled(head: Head, verdict: Verdict, now_ms: int) -> Head:
    """A call has ended. Interrupted (to WAITING) it keeps its place in line and its start is forgotten."""
    if verdict.to is State.RUNNING:
        return _handed_off(head, verdict.lease_ms)
    _check(head, verdict.to)
    interrupted, later = verdict.to is State.WAITING, verdict.to is State.SCHEDULED
    return Head(  # by position, for it is made once a call, and names would cost a microsecond
        verdict.to,
        head.seq,
        None if later else head.waiting_ms,
        verdict.due_ms if later else head.due_ms,
        None if interrupted else head.started_ms,
        head.ended_ms if interrupted or later else now_ms,
        head.expires_ms,
        head.attempt,
        head.tries + verdict.tries,
        head.unreached + verdict.unreached,
        head.snoozes + (verdict.snoozed_s > 0),
        head.crashes if interrupted else 0,  # a call that came back did not take the process with it
        verdict.error,
        verdict.attempt,
        head.held,
        head.snoozed_s + verdict.snoozed_s,
        None,
        head.line,
    )


def _handed_off(head: Head, lease_ms: int | None) -> Head:
    """The target goes on by itself: the call came back, and the job still runs."""
    if head.state is not State.RUNNING or lease_ms is None:
        raise IllegalTransition(f"{head.state} -> handed off until {lease_ms}")
    return structs.replace(head, lease_ms=lease_ms, crashes=0)


def is_handed_off(head: Head) -> bool:
    """Tell whether a job runs without a call: its target has accepted it, and ends it later."""
    return head.state is State.RUNNING and head.lease_ms is not None


def crashed(head: Head, attempt: Attempt, now_ms: int, *, counts: bool) -> Head:
    """The process went down under a running job; `counts` is false for a power cut."""
    crashes = head.crashes + counts
    if crashes >= CRASHES_MAX:
        error = JobError("crashed-node", f"the node crashed {crashes} times while it ran this job")
        return move(head, State.ERROR, ended_ms=now_ms, last=attempt, crashes=crashes, error=error)
    return move(head, State.WAITING, started_ms=None, last=attempt, crashes=crashes)


def ready(head: Head, seq: int, now_ms: int) -> Head:
    """A scheduled job is due, or run by hand: it joins the end of its line."""
    return move(head, State.WAITING, seq=seq, waiting_ms=now_ms)


def rescheduled(head: Head, due_ms: int, now_ms: int) -> Head:
    """By hand a job that has not begun is due at another time; one that others hold goes on waiting for them."""
    if due_ms > now_ms and head.state is State.WAITING and not head.held:
        return move(head, State.SCHEDULED, due_ms=due_ms, waiting_ms=None)
    if due_ms <= now_ms and head.state is State.SCHEDULED:
        return move(head, State.WAITING, due_ms=due_ms, waiting_ms=now_ms)
    return structs.replace(head, due_ms=due_ms)


def expires_anew(head: Head, ttl_s: float | None) -> Head:
    """The ttl of a job counts from when it is due now."""
    return structs.replace(head, expires_ms=None if ttl_s is None else (head.due_ms or 0) + round(ttl_s * 1000))


def expired(head: Head, now_ms: int) -> Head:
    """No try had begun when the job's ttl was over."""
    error = JobError("expired", "no try had begun when its ttl was over")
    return move(head, State.ERROR, ended_ms=now_ms, error=error, held=0)


def can_expire(head: Head) -> bool:
    """Tell whether a ttl still matters: no call of this job has reached its target, and none is on its way."""
    return head.tries == 0 and head.state in (State.WAITING, State.SCHEDULED)


def scheduled_since_ms(head: Head, added_ms: int) -> int:
    """Return when a scheduled job became so: by the end of its last call, or by its add."""
    return added_ms if head.last is None else head.last.started_ms + round(head.last.duration_s * 1000)


def cancelled(head: Head, now_ms: int, attempt: Attempt | None) -> Head:
    """Cancelled by hand; `attempt` is the call that was aborted for it."""
    return move(head, State.CANCELLED, ended_ms=now_ms, error=None, last=attempt or head.last, held=0, lease_ms=None)


def retried(head: Head, seq: int, now_ms: int, ttl_s: float | None) -> Head:
    """Retry by hand: from the start, all counters but `attempt` at zero, the ttl counted anew."""
    return move(
        head,
        State.WAITING,
        seq=seq,
        waiting_ms=now_ms,
        due_ms=now_ms,
        started_ms=None,
        ended_ms=None,
        expires_ms=None if ttl_s is None else now_ms + round(ttl_s * 1000),
        tries=0,
        unreached=0,
        snoozes=0,
        snoozed_s=0.0,
        crashes=0,
        error=None,
    )


def snippet(attempt: Attempt) -> Attempt:
    """Return an attempt as the list of attempts keeps it: its answer cut short, its headers dropped."""
    response = attempt.response
    if response is None or (len(response.body) <= SNIPPET_BYTES and not response.headers):
        return attempt
    cut = Response(
        response.status,
        [],
        response.body[:SNIPPET_BYTES],
        truncated=response.truncated or len(response.body) > SNIPPET_BYTES,
    )
    return structs.replace(attempt, response=cut)
