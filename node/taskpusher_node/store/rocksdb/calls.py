"""What is kept in memory of a job that runs, or is edited, until that is written or over."""

from msgspec import Struct

from taskpusher.job import Spec

from ...lifecycle import Head, Progress
from .lane import Entry


class Call(Struct):
    """A call that runs: its slot, and its job as it was claimed."""

    uid: str
    id: bytes
    added_ms: int
    spec: Spec
    head: Head
    slot: int
    lane_host: bytes
    progress: Progress | None = None  # what its target said before it answered
    lease_ms: int | None = None


class Edit(Struct):
    """A job that was edited where it stands, and its entry where its turn has come before the edit is durable."""

    id: bytes
    spec: Spec
    head: Head
    picked: Entry | None
