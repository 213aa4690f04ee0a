"""What a target says of a job that it has accepted, and what becomes of the job by that, or by its silence. Pure."""

from collections.abc import Callable

from msgspec import Struct

from taskpusher.job import Spec
from taskpusher.masking import mask_text

from .lifecycle import Attempt, Head, JobError, Progress, Response, State, Verdict
from .outcomes import LEASE_DEFAULT_S
from .retry import Kind, failed_try

ERROR_MAX = 500  # characters of what went wrong

_ACCEPTED = 202  # the status of the answer that a result stands for
_JSON = [("Content-Type", "application/json")]


class Completed(Struct, frozen=True):
    """The job is done; `result` is JSON text, empty where there is none."""

    result: bytes = b""


class Failed(Struct, frozen=True):
    """The try has failed; without `retry` there is no other."""

    error: str
    retry: bool = True


class Heartbeat(Struct, frozen=True):
    """The target still works on it, and has come so far."""

    lease_s: float | None = None  # from now on
    percent: float | None = None
    note: str | None = None


Report = Completed | Failed | Heartbeat


def verdict(
    spec: Spec, head: Head, report: Completed | Failed, now_ms: int, random_share: Callable[[], float]
) -> Verdict:
    """Return where the running job `head` is left by the word of its target."""
    if isinstance(report, Completed):
        response = Response(_ACCEPTED, _JSON if report.result else [], report.result, truncated=False)
        return Verdict(State.COMPLETED, _attempt(head, Kind.COMPLETED, now_ms, None, response), tries=1)
    attempt = _attempt(head, Kind.FAILED, now_ms, mask_text(report.error, spec.redact)[:ERROR_MAX])
    if not report.retry:
        return Verdict(State.ERROR, attempt, error=JobError(Kind.FAILED, attempt.error or ""), tries=1)
    return failed_try(spec, head, attempt, None, now_ms, random_share)


def lease_over(spec: Spec, head: Head, now_ms: int, random_share: Callable[[], float]) -> Verdict:
    """Return where the running job `head` is left when its lease has run out: that is a failed try."""
    error = "its target accepted it, and said nothing until its lease was over"
    return failed_try(spec, head, _attempt(head, Kind.LEASE, now_ms, error), None, now_ms, random_share)


def is_repeated(head: Head, attempt: int, spec: Spec, report: Report) -> bool:
    """Tell whether the job is where this very report has left it, so that its sender may hear so once more."""
    last = head.last
    if last is None or (head.attempt, last.n) != (attempt, attempt) or isinstance(report, Heartbeat):
        return False
    if isinstance(report, Completed) and head.state is not State.COMPLETED:
        return False  # it was retried by hand since
    same = verdict(spec, head, report, last.started_ms, lambda: 0.0).attempt
    return (last.outcome, last.error, last.response) == (same.outcome, same.error, same.response)


def renewed_ms(lease_ms: int | None, heartbeat: Heartbeat, now_ms: int) -> int:
    """Return until when a lease is after a heartbeat: as it asks, else no sooner than before."""
    if heartbeat.lease_s is not None:
        return now_ms + round(heartbeat.lease_s * 1000)
    return max(lease_ms or 0, now_ms + round(LEASE_DEFAULT_S * 1000))


def progress(before: Progress | None, heartbeat: Heartbeat, now_ms: int) -> Progress | None:
    """Return how far the job has come after a heartbeat; what it does not say stays."""
    if heartbeat.percent is None and heartbeat.note is None:
        return before
    known = before or Progress()
    percent = known.percent if heartbeat.percent is None else heartbeat.percent
    return Progress(percent, known.note if heartbeat.note is None else heartbeat.note, now_ms)


def _attempt(head: Head, kind: Kind, now_ms: int, error: str | None, response: Response | None = None) -> Attempt:
    started_ms = head.started_ms or now_ms
    return Attempt(head.attempt, started_ms, max(0, now_ms - started_ms) / 1000, kind.value, error, response)
