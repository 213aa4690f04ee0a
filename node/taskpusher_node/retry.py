"""From the outcome of a call to its verdict, as a pure function: completed, again later, at once, or an error."""

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

from msgspec import Struct

from taskpusher import codec
from taskpusher.job import Spec, backoff_delay_s, status_in

from . import outcomes
from .lifecycle import Attempt, Head, JobError, Response, State, Verdict, header_of
from .outcomes import Asked, Word

RETRY_AFTER_MAX_S = 86_400.0
SNOOZE_MIN_S = 1.0
SNOOZED_MAX_S = 86_400.0  # of all snoozes of a job together
UNREACHED_DELAY_MAX_S = 60.0
LOCAL_DELAY_MS = 1_000


class Kind(StrEnum):
    """How a call ended."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    UNAVAILABLE = "unavailable"  # an answer that says the application was not reached: 503 with Retry-After
    LOCAL = "local"  # the node itself lacked something, such as a file descriptor: later, nothing is used up
    ABORTED = "aborted"  # by a stop of the node: uses up nothing
    SNOOZED = "snoozed"  # an answer that asks to be called again later: uses up nothing
    STALE = "stale"  # a kept connection that the target closed as the call left: redone once on a fresh one
    ANSWERED = "answered"
    TIMEOUT = "timeout"
    DISCONNECT = "disconnect"
    REDIRECT = "redirect"  # answered by a redirect that the job asked to follow, and that led to no answer
    DENIED = "denied"  # an address that the node does not call: at the next try it would be none better
    # of a job that its target had accepted, and ended later by the token of the call
    COMPLETED = "completed"
    FAILED = "failed"
    LEASE = "lease"  # it never did: its lease ran out


# the one word by which log and metrics tell how a call ended; an answer counts by its status, whatever follows from it
SUCCESS = "success"
_ANSWERS = (Kind.ANSWERED, Kind.UNAVAILABLE)
ACCEPTED = "accepted"
LEASE_EXPIRED = "lease_expired"
_LATER = (Kind.COMPLETED, Kind.FAILED, Kind.LEASE)
_STATUS_RESULTS = {4: "status_4xx", 5: "status_5xx"}
RESULTS = (
    SUCCESS,
    *_STATUS_RESULTS.values(),
    "status_429",
    "status_other",
    ACCEPTED,
    LEASE_EXPIRED,
    *(kind.value for kind in Kind if kind not in (*_ANSWERS, *_LATER)),
)

NOT_REACHED = frozenset({Kind.DNS, Kind.CONNECT, Kind.TLS, Kind.UNAVAILABLE})
SAYS_NOTHING = frozenset({Kind.ABORTED, Kind.LOCAL, Kind.DENIED, Kind.STALE})  # of a target: all others reached it
_ASKS_FOR_TIME = frozenset({Word.ACCEPTED, Word.SNOOZE})
_STAYS = frozenset({Kind.ABORTED, Kind.STALE})


class Outcome(Struct, frozen=True):
    """What a runner found out about one call."""

    kind: Kind
    duration_s: float
    error: str | None = None
    response: Response | None = None


def judge(
    spec: Spec,
    head: Head,
    outcome: Outcome,
    *,
    now_ms: int,
    random_share: Callable[[], float],
    unreached_status: str = "",
) -> Verdict:
    """Return where `outcome` leaves the running job `head`; `random_share` draws from [0, 1) for the backoff."""
    kind, asked = _read(spec, head, outcome, unreached_status, now_ms)
    told = outcome.error if asked is None else _in_words(asked, outcome.response, now_ms)
    attempt = Attempt(head.attempt, head.started_ms or now_ms, outcome.duration_s, kind.value, told, outcome.response)
    if kind in _STAYS:
        return Verdict(State.WAITING, attempt)
    if kind is Kind.LOCAL:
        return Verdict(State.SCHEDULED, attempt, due_ms=now_ms + LOCAL_DELAY_MS)
    if kind in NOT_REACHED:
        return _not_reached(spec, head, attempt, now_ms, random_share)
    if asked is not None and asked.word in _ASKS_FOR_TIME:
        return _given_time(attempt, asked, now_ms)
    answered = asked is None and kind is Kind.ANSWERED
    if answered and attempt.response is not None and status_in(attempt.response.status, spec.success):
        return Verdict(State.COMPLETED, attempt, tries=1)
    return failed_try(spec, head, attempt, asked, now_ms, random_share)


def _given_time(attempt: Attempt, asked: Asked, now_ms: int) -> Verdict:
    """Return the verdict over an answer that is neither good nor bad: the job is accepted, or called again later."""
    until_ms = _later(now_ms, asked.seconds)
    if asked.word is Word.ACCEPTED:
        return Verdict(State.RUNNING, attempt, lease_ms=until_ms)
    return Verdict(State.SCHEDULED, attempt, due_ms=until_ms, snoozed_s=asked.seconds)


def result_of(verdict: Verdict) -> str:
    """Return which of RESULTS a call that has ended is."""
    attempt = verdict.attempt
    if verdict.to is State.COMPLETED:
        return SUCCESS
    if verdict.to is State.RUNNING:
        return ACCEPTED
    if verdict.to is State.CANCELLED:
        return Kind.ABORTED.value
    if attempt.response is None or attempt.outcome not in _ANSWERS:
        return attempt.outcome
    status = attempt.response.status
    return "status_429" if status == 429 else _STATUS_RESULTS.get(status // 100, "status_other")  # noqa: PLR2004


def is_stale(attempt: Attempt | None) -> bool:
    """Tell whether the last call died with its kept connection, so that the next one takes a fresh one."""
    return attempt is not None and attempt.outcome == Kind.STALE


def _read(spec: Spec, head: Head, outcome: Outcome, unreached_status: str, now_ms: int) -> tuple[Kind, Asked | None]:
    """Return how a call ended, and what its answer asks for: by its header, or by a status that says as much."""
    response = outcome.response
    if outcome.kind is not Kind.ANSWERED or response is None:
        redone = outcome.kind is Kind.STALE and is_stale(head.last)
        return (Kind.DISCONNECT if redone else outcome.kind), None
    asked = outcomes.asked(response)
    if asked is None and not status_in(response.status, spec.success):
        if _is_unavailable(response, unreached_status):
            return Kind.UNAVAILABLE, None
        asked = _asked_by_status(response, now_ms)
    if asked is None or asked.word is not Word.SNOOZE:
        return Kind.ANSWERED, asked
    broken_rule = _broken_bound(head, asked.seconds, now_ms)
    if broken_rule is not None:
        return Kind.ANSWERED, Asked(Word.RETRY, error=broken_rule)
    return Kind.SNOOZED, asked


def _is_unavailable(response: Response, unreached_status: str) -> bool:
    status = response.status
    return (status == 503 and header_of(response, "retry-after") is not None) or (  # noqa: PLR2004
        bool(unreached_status) and status_in(status, unreached_status)
    )


def _asked_by_status(response: Response, now_ms: int) -> Asked | None:
    if response.status == 410:  # noqa: PLR2004
        return Asked(Word.FAIL)
    after_s = retry_after_s(response, now_ms) if response.status == 429 else None  # noqa: PLR2004
    return Asked(Word.SNOOZE, max(after_s, SNOOZE_MIN_S)) if after_s is not None else None


def _broken_bound(head: Head, snooze_s: float, now_ms: int) -> str | None:
    """Return which bound a snooze would break."""
    if head.snoozed_s + snooze_s > SNOOZED_MAX_S:
        return f"the application asked to be called again in {snooze_s:g} s: snoozes take at most 24 h together"
    if head.expires_ms is not None and _later(now_ms, snooze_s) >= head.expires_ms:
        return f"the application asked to be called again in {snooze_s:g} s: by then the job's ttl is over"
    return None


def _in_words(asked: Asked, response: Response | None, now_ms: int) -> str:
    """Return what an application asked for, for those who see no header."""
    if asked.error is not None:
        return asked.error
    if asked.word is Word.ACCEPTED:
        return "its application has accepted it"
    if asked.word is Word.SNOOZE:
        return f"its application asked to be called again at {codec.to_time(_later(now_ms, asked.seconds))}"
    answered = f"the target answered {response.status}" if response is not None else "the target answered"
    return f"{answered} and asked for {'no more tries' if asked.word is Word.FAIL else 'another try'}"


def _later(now_ms: int, seconds: float) -> int:
    return now_ms + round(seconds * 1000)


def failed_try(
    spec: Spec, head: Head, attempt: Attempt, asked: Asked | None, now_ms: int, random_share: Callable[[], float]
) -> Verdict:
    """Return the verdict over a try that failed: once more while there are tries."""
    tries = head.tries + 1
    denied = attempt.outcome == Kind.DENIED
    if denied or tries >= spec.max_attempts or (asked is not None and asked.word is Word.FAIL):
        # nobody was called, but where a redirect led to the address that is denied
        arrived = not denied or attempt.response is not None
        return Verdict(State.ERROR, attempt, error=_error(attempt, asked), tries=int(arrived))
    delay_s = retry_after_s(attempt.response, now_ms)
    if delay_s is None:
        delay_s = backoff_delay_s(spec.backoff, tries, random_share())
    return Verdict(State.SCHEDULED, attempt, due_ms=_later(now_ms, delay_s), tries=1)


def _not_reached(spec: Spec, head: Head, attempt: Attempt, now_ms: int, random_share: Callable[[], float]) -> Verdict:
    unreached = head.unreached + 1
    if unreached > spec.unreached_attempts:
        status = attempt.response.status if attempt.response is not None else None
        times = f"{unreached} call{'s' if unreached > 1 else ''} did not reach the application"
        error = JobError("unreached", f"{times}; the last: {attempt.error or attempt.outcome}", status)
        return Verdict(State.ERROR, attempt, error=error, unreached=1)
    delay_s = retry_after_s(attempt.response, now_ms)
    if delay_s is None:
        delay_s = min(UNREACHED_DELAY_MAX_S, backoff_delay_s(spec.backoff, unreached, random_share()))
    return Verdict(State.SCHEDULED, attempt, due_ms=_later(now_ms, delay_s), unreached=1)


def _error(attempt: Attempt, asked: Asked | None) -> JobError:
    """Return why a job ended: `failed` where its application said so, `outcome` where what it said cannot be."""
    status = attempt.response.status if attempt.response is not None else None
    if asked is not None:
        return JobError("failed" if asked.error is None else "outcome", attempt.error or attempt.outcome, status)
    if attempt.error is not None or status is None:
        return JobError(attempt.outcome, attempt.error or attempt.outcome, status)
    return JobError("status", f"the target answered {status}", status)


def retry_after_s(response: Response | None, now_ms: int) -> float | None:
    """Return the seconds that an answer asks to wait (RFC 9110, 10.2.3), at most a day; None where it does not say."""
    text = header_of(response, "retry-after") if response is not None else None
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAX_S)
    try:
        date = parsedate_to_datetime(text)
        # an HTTP date is in UTC, also where it does not say so
        seconds = (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() - now_ms / 1000
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_S)
