"""What else a job leaves behind in the batch that ends it, and takes back when it is retried by hand."""

from taskpusher.job import Spec

from ...lifecycle import Head
from . import repeats
from .book import Book
from .db import Batch


def ended(book: Book, batch: Batch, job_id: bytes, spec: Spec, head: Head) -> None:
    """A job has come to its end."""
    if spec.idempotency_key is not None:
        repeats.ended(book, batch, job_id, spec, head.ended_ms or 0)


def revived(book: Book, batch: Batch, job_id: bytes, spec: Spec) -> None:
    """A finished job was retried by hand."""
    if spec.idempotency_key is not None:
        repeats.revived(book, batch, job_id, spec)
