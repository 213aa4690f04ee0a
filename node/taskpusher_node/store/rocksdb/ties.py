"""Jobs that hold each other: ordered lines, of which one job runs at a time, and unique texts, of which one is there.

What stands in the tables of both follows from the heads: of each line the first job and those that it holds, of each
text the job and the one that follows it. A job's bits tell which of the two hold it; it is ready when neither does.
Whoever changes one reads these tables, so all that was changed before has to be written then.
"""

from collections.abc import Iterator

from taskpusher.job import Spec

from ...lifecycle import HELD_BY_ORDER, HELD_BY_UNIQUE, Head
from . import keys
from .records import Closing


def is_tied(spec: Spec) -> bool:
    """Tell whether a job may hold others, or be held."""
    return spec.ordered or spec.unique is not None


def entries(job_id: bytes, spec: Spec, head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield what stands in the tables for a job that has not ended."""
    if spec.ordered:
        line = keys.line_key(spec)
        yield (keys.follower_key(line, head.line, job_id), b"") if head.held & HELD_BY_ORDER else (line, job_id)
    if spec.unique is not None:
        unique = keys.unique_key(spec)
        yield (keys.next_unique_key(unique) if head.held & HELD_BY_UNIQUE else unique), job_id


def held_by(spec: Spec, head: Head) -> Closing:
    """Return what a job holds."""
    first = spec.ordered and not head.held & HELD_BY_ORDER
    only = spec.unique is not None and not head.held & HELD_BY_UNIQUE
    return Closing(keys.line_key(spec) if first else None, head.line, keys.unique_key(spec) if only else None)
