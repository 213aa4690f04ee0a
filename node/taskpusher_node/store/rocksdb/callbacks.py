"""The job that tells of the end of another: made in the batch that ends that one, so that there are both or neither."""

from msgspec import structs

from taskpusher import uid as uids
from taskpusher.job import CALLBACK_QUEUE, Callback, Spec

from ...lifecycle import Head, born
from ..base import JobView
from . import keys
from .book import Book, Ready
from .db import Batch
from .listing import earlier_attempts
from .records import ATTEMPTS_KEPT, Birth

_GOOD = "2xx"  # what the answer to a callback has to be


def ended(book: Book, batch: Batch, job_id: bytes, spec: Spec, before: Head, head: Head) -> list[Ready]:
    """A job has ended: where it asked for that, make the job that tells of it."""
    callback, birth = spec.callback, book.birth(job_id)
    if callback is None or book.tell is None or birth is None or head.state not in callback.on:
        return []
    view = JobView(book.uid_of(job_id), spec, head, birth.added_ms)
    told = _spec(callback, spec, view.uid, book.tell(_with_attempts(book, job_id, view, before)))
    now_ms = head.ended_ms or 0
    told_id, told_head = keys.id_of(uids.mint(book.name)), born(book.next_seq(), now_ms, now_ms, None)
    book.bear(batch, told_id, Birth(now_ms, told_head, told))
    return [(told_id, told, told_head)]


def _spec(callback: Callback, spec: Spec, uid: str, body: bytes) -> Spec:
    return Spec(
        callback.url,
        callback.host,
        method="POST",
        headers=callback.headers,
        body=body,
        body_kind="json",
        queue=CALLBACK_QUEUE,
        timeout_s=callback.timeout_s,
        max_attempts=callback.max_attempts,
        success=_GOOD,
        redact=spec.redact,
        callback_of=uid,
    )


def _with_attempts(book: Book, job_id: bytes, view: JobView, before: Head) -> JobView:
    """Return the job with its earlier attempts, of which the newest may be in the open batch yet."""
    view = earlier_attempts(book, job_id, view)
    newest, last = before.last, view.head.last
    if newest is None or last is None or newest.n == last.n:
        return view
    older = [attempt for attempt in view.attempts if attempt.n != newest.n]
    return structs.replace(view, attempts=[newest, *older][: ATTEMPTS_KEPT - 1])
