"""How jobs, queues and pages look in JSON."""

import base64
from typing import Any, Final

import msgspec

from taskpusher import codec
from taskpusher import uid as uids
from taskpusher.histogram import quantile
from taskpusher.job import Backoff, Limit, Spec
from taskpusher.masking import mask_headers, mask_url

from ..lifecycle import HELD_BY_ORDER, Attempt, Head, JobError, Progress, Response, State, snippet
from ..rings import Bucket
from ..store.base import GroupView, JobView, Pause, QueueState, QueueView
from ..store.limits import LimitView
from ..store.queues import Share
from ..targets import TargetView
from . import answers

_KIND: Final = "http"


def job(view: JobView, node: str, *, reveal: bool = False) -> answers.Job:
    """Return a job with every field, given or defaulted, and its attempts, newest first.

    What is secret in headers and URLs is masked, but for `reveal`.
    """
    spec, head = view.spec, view.head
    earlier = view.attempts
    running = head.state is State.RUNNING
    newest = [head.last] if head.last is not None else []
    return {
        "uid": view.uid,
        "state": head.state,
        "kind": _KIND,
        **_fields(spec, reveal=reveal),
        "node": node,
        **_times(view),
        "attempt": head.attempt,
        "tries": head.tries,
        "unreached": head.unreached,
        "snoozes": head.snoozes,
        "crashes": head.crashes,
        "held_by": _held_by(head),
        "callback_of": spec.callback_of,
        "lease_until": codec.to_time(head.lease_ms),
        "progress": progress(view.progress),
        "error": _error(head.error),
        "response": (
            _response(head.last.response, spec, reveal=reveal) if head.last is not None and not running else None
        ),
        "attempts": [_attempt(snippet(attempt), spec, node, reveal=reveal) for attempt in [*newest, *earlier]],
    }


def told(view: JobView) -> bytes:
    """Return what a callback says of a job that has ended: what GET /job/{uid} answers."""
    return codec.to_json(job(view, uids.name_of(view.uid) or ""))


def listing_item(view: JobView, node: str) -> answers.JobListed:
    """Return what a listing shows of a job."""
    spec, head = view.spec, view.head
    return {
        "uid": view.uid,
        "state": head.state,
        "kind": _KIND,
        "queue": spec.queue,
        "priority": spec.priority,
        "method": spec.method,
        "url": mask_url(spec.url, spec.redact),
        "key": spec.key,
        "meta": _meta(spec),
        **_times(view),
        "node": node,
        "tries": head.tries,
        "held_by": _held_by(head),
        "progress": progress(view.progress),
        "error": _error(head.error),
    }


def progress(known: Progress | None) -> answers.ProgressTold | None:
    """Return how far an application has come."""
    if known is None:
        return None
    return {"percent": known.percent, "note": known.note, "at": codec.to_time(known.at_ms)}


def queue(view: QueueView) -> answers.Queue:
    """Return a queue."""
    return {
        "name": view.name,
        "declared": view.declared,
        "paused": _pause(view.pause),
        "counts": counts(view.counts),
        "oldest_waiting": codec.to_time(view.oldest_waiting_ms),
        "concurrency": view.concurrency,
        "rate": view.rate,
        "per": view.per,
        "scope": view.scope,
        "defaults": _defaults(view.defaults) if view.defaults is not None else {},
        "version": view.version,
    }


def queue_record(name: str, state: QueueState) -> answers.QueueRecord:
    """Return all that was said of a queue, with its secrets."""
    return {
        "name": name,
        "declared": state.declared,
        "version": state.version,
        "concurrency": state.concurrency,
        "rate": state.rate,
        "per": state.per,
        "scope": state.scope,
        "defaults": codec.raw_json(state.defaults) if state.defaults is not None else None,
        "paused": _pause(state.pause),
    }


def cluster(share: Share, settings: str) -> answers.ClusterTold:
    """Return a node's part of what its cluster shares."""
    return {"members": share.members, "low": share.low, "high": share.high, "settings": settings}


def _defaults(text: bytes) -> dict[str, Any]:
    """Return what a queue says of its jobs' fields, with what is secret in their headers masked."""
    fields: dict[str, Any] = msgspec.json.decode(text)
    if fields.get("headers"):
        fields["headers"] = dict(mask_headers(fields["headers"].items(), fields.get("redact") or ()))
    return fields


def limit(view: LimitView) -> answers.LimitTold:
    """Return a limit key."""
    return {**_limit(view.limit), "pinned": view.pinned, "running": view.running, "waiting": view.waiting}


def target(view: TargetView) -> answers.Target:
    """Return a target host."""
    p50, p95 = (quantile(share, view.durations) for share in (0.5, 0.95))
    held = view.held
    return {
        "host": view.host,
        "in_flight": view.in_flight,
        "limit": view.limit,
        "rate": round(view.rate, 3),
        "p50": round(p50, 6) if p50 is not None else None,
        "p95": round(p95, 6) if p95 is not None else None,
        "duration_hist": list(view.durations),
        "error_share": round(view.error_share, 4) if view.error_share is not None else None,
        "held": {
            "by": held.by,
            "since": codec.to_time(held.since_ms),
            "until": codec.to_time(held.until_ms),
            "next_probe": codec.to_time(held.next_probe_ms),
        }
        if held is not None
        else None,
    }


def group(view: GroupView) -> answers.Group:
    """Return a group of errors; that of all that have none of their own has neither host, class nor line."""
    return {
        "id": view.group.id,
        "host": view.group.host or None,
        "class": view.group.kind or None,
        "line": view.group.line or None,
        "count": view.count,
        "first_seen": codec.to_time(view.first_ms),
        "last_seen": codec.to_time(view.last_ms),
        "sample_uid": view.sample_uid,
    }


def series(buckets: list[Bucket]) -> answers.Series:
    """Return buckets column by column, as charts take them."""
    p95 = [quantile(0.95, bucket.durations) for bucket in buckets]
    return {
        "t": [bucket.t for bucket in buckets],
        "added": [bucket.added for bucket in buckets],
        "completed": [bucket.completed for bucket in buckets],
        "errors": [bucket.errors for bucket in buckets],
        "waiting": [bucket.waiting for bucket in buckets],
        "p95": [None if value is None else round(value, 6) for value in p95],
        "duration_hist": [bucket.durations for bucket in buckets],
    }


def counts(by_state: dict[State, int]) -> answers.Counts:
    """Return the number of jobs in each state."""
    return {
        "waiting": by_state[State.WAITING],
        "scheduled": by_state[State.SCHEDULED],
        "running": by_state[State.RUNNING],
        "completed": by_state[State.COMPLETED],
        "error": by_state[State.ERROR],
        "cancelled": by_state[State.CANCELLED],
    }


def rates(per_second: dict[str, float]) -> answers.RatesTold:
    """Return how often something happened a second."""
    return {"added": per_second["added"], "completed": per_second["completed"], "errors": per_second["errors"]}


def _fields(spec: Spec, *, reveal: bool) -> answers.Asked:
    body: Any = None
    body_base64 = None
    if spec.body is not None:
        match spec.body_kind:
            case "text":
                body = spec.body.decode()
            case "json":
                body = codec.raw_json(spec.body)
            case _:
                body_base64 = base64.b64encode(spec.body).decode()
    return {
        "url": spec.url if reveal else mask_url(spec.url, spec.redact),
        "method": spec.method,
        "headers": spec.headers if reveal else dict(mask_headers(spec.headers.items(), spec.redact)),
        "body": body,
        "body_base64": body_base64,
        "queue": spec.queue,
        "priority": spec.priority,
        "delay": spec.delay_s,
        "run_at": codec.to_time(spec.run_at_ms),
        "timeout": spec.timeout_s,
        "max_attempts": spec.max_attempts,
        "unreached_attempts": spec.unreached_attempts,
        "backoff": _backoff(spec.backoff),
        "success": spec.success,
        "ttl": spec.ttl_s,
        "meta": _meta(spec),
        "redirects": spec.redirects,
        "redact": spec.redact,
        "key": spec.key,
        "ordered": spec.ordered,
        "idempotency_key": spec.idempotency_key,
        "unique": spec.unique,
        "on_conflict": spec.on_conflict,
        "callback": _callback(spec, reveal=reveal),
        "limit": _limit(spec.limit) if spec.limit is not None else None,
    }


def _callback(spec: Spec, *, reveal: bool) -> answers.CallbackTold | None:
    callback = spec.callback
    if callback is None:
        return None
    return {
        "url": callback.url if reveal else mask_url(callback.url, spec.redact),
        "headers": callback.headers if reveal else dict(mask_headers(callback.headers.items(), spec.redact)),
        "on": callback.on,
        "max_attempts": callback.max_attempts,
    }


def _backoff(backoff: Backoff | list[float]) -> answers.BackoffTold | list[float]:
    if not isinstance(backoff, Backoff):
        return backoff
    return {"initial": backoff.initial, "factor": backoff.factor, "max": backoff.max, "jitter": backoff.jitter}


def _limit(limit: Limit) -> answers.LimitNumbers:
    return {"key": limit.key, "concurrency": limit.concurrency, "rate": limit.rate, "per": limit.per}


def _meta(spec: Spec) -> Any:
    return codec.raw_json(spec.meta) if spec.meta is not None else {}


def _times(view: JobView) -> answers.Times:
    head = view.head
    return {
        "added_at": codec.to_time(view.added_ms),
        "waiting_at": codec.to_time(head.waiting_ms),
        "due_at": codec.to_time(head.due_ms),
        "started_at": codec.to_time(head.started_ms),
        "ended_at": codec.to_time(head.ended_ms),
    }


def _held_by(head: Head) -> answers.HeldBy | None:
    """Return what is named of the two that may hold a job: of both, the line that it stands in."""
    if head.held & HELD_BY_ORDER:
        return "order"
    return "unique" if head.held else None


def _error(error: JobError | None) -> answers.ErrorTold | None:
    if error is None:
        return None
    return {"kind": error.kind, "message": error.message, "status": error.status}


def _response(response: Response | None, spec: Spec, *, reveal: bool) -> answers.ResponseTold | None:
    if response is None:
        return None
    body, body_base64 = None, None
    try:
        body = response.body.decode()
    except UnicodeDecodeError as error:
        if response.truncated and error.start >= len(response.body) - 3:
            body = response.body[: error.start].decode()  # cut in the middle of a character
        else:
            body_base64 = base64.b64encode(response.body).decode()
    return {
        "status": response.status,
        "headers": response.headers if reveal else mask_headers(response.headers, spec.redact),
        "body": body,
        "body_base64": body_base64,
        "truncated": response.truncated,
    }


def _attempt(attempt: Attempt, spec: Spec, node: str, *, reveal: bool) -> answers.AttemptTold:
    return {
        "n": attempt.n,
        "started_at": codec.to_time(attempt.started_ms),
        "duration": round(attempt.duration_s, 6),
        "node": node,
        "outcome": attempt.outcome,
        "error": attempt.error,
        "response": _response(attempt.response, spec, reveal=reveal),
    }


def _pause(pause: Pause | None) -> answers.PauseTold | None:
    if pause is None:
        return None
    return {"by": pause.by, "since": codec.to_time(pause.since_ms), "until": codec.to_time(pause.until_ms)}
