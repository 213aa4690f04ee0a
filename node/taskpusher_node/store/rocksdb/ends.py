"""What else a job leaves behind in the batch that ends it, and takes back when it is retried by hand."""

from taskpusher.job import Spec

from ...lifecycle import Head
from . import callbacks, followers, repeats
from .book import Book, Ready
from .db import Batch
from .ties import is_tied


def ended(book: Book, batch: Batch, job_id: bytes, spec: Spec, before: Head, head: Head) -> list[Ready]:
    """A job has come to its end; returns what became ready by that, to be announced once it is durable."""
    if spec.idempotency_key is not None:
        repeats.ended(book, batch, job_id, spec, head.ended_ms or 0)
    ready = []
    if is_tied(spec):
        ready += followers.ended(book, batch, job_id, spec, before, head)
    if spec.callback is not None:
        ready += callbacks.ended(book, batch, job_id, spec, before, head)
    return ready


def replaced(book: Book, batch: Batch, job_id: bytes, spec: Spec, now_ms: int) -> None:
    """A job has taken the fields of another add: what its own asked for has come to its end."""
    if spec.idempotency_key is not None:
        repeats.ended(book, batch, job_id, spec, now_ms)


def revived(book: Book, batch: Batch, job_id: bytes, spec: Spec) -> None:
    """A finished job was retried by hand."""
    if spec.idempotency_key is not None:
        repeats.revived(book, batch, job_id, spec)
