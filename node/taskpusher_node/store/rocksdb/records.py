"""What stands in the store under a key: msgpack arrays behind a version byte."""

from functools import lru_cache

import msgspec
from msgspec import Struct

from taskpusher.job import Spec

from ...lifecycle import STATES, Attempt, Head, State
from ..base import Pause

FORMAT = 1  # of the whole store; a release opens the one before and refuses a newer one
ATTEMPTS_KEPT = 25

_VERSION = b"\x01"


class Birth(Struct, frozen=True, array_like=True):
    """What POST /add made of a job."""

    added_ms: int
    head: Head
    spec: Spec


class QueueRecord(Struct, frozen=True, array_like=True):
    """The settings of a queue."""

    pause: Pause | None = None
    declared: bool = False  # by PUT, not only by a job


_encode = msgspec.msgpack.Encoder().encode
_birth = msgspec.msgpack.Decoder(Birth).decode
_head = msgspec.msgpack.Decoder(Head).decode
_attempt = msgspec.msgpack.Decoder(Attempt).decode
_queue = msgspec.msgpack.Decoder(QueueRecord).decode


def encode(record: Struct) -> bytes:
    """Return the bytes of any record."""
    return _VERSION + _encode(record)


def decode_birth(raw: bytes) -> Birth:
    """Read a birth."""
    return _birth(memoryview(raw)[1:])


def decode_head(raw: bytes) -> Head:
    """Read a head."""
    return _head(memoryview(raw)[1:])


def decode_attempt(raw: bytes) -> Attempt:
    """Read an attempt."""
    return _attempt(memoryview(raw)[1:])


def decode_queue(raw: bytes) -> QueueRecord:
    """Read the settings of a queue."""
    return _queue(memoryview(raw)[1:])


def encode_counts(counts: list[int]) -> bytes:
    """Return a queue's counters, eight bytes a state."""
    return b"".join(n.to_bytes(8, signed=True) for n in counts)


def decode_counts(raw: bytes) -> list[int]:
    """Read a queue's counters."""
    return [int.from_bytes(raw[i : i + 8], signed=True) for i in range(0, len(raw), 8)]


def listing_value(spec: Spec, head: Head) -> bytes:
    """Return what a listing says of a job beside its key, so that filters need no look at the job."""
    last = head.last
    return _listing_value(spec.queue, spec.host, last.response.status if last is not None and last.response else "")


@lru_cache(maxsize=4096)
def _listing_value(queue: str, host: str, status: int | str) -> bytes:
    return f"{queue}\0{host}\0{status}".encode()


def parse_listing(value: bytes) -> tuple[str, str, int | None]:
    """Return (queue, host, status of the last answer) of a listing entry."""
    queue, host, status = value.decode().split("\0")
    return queue, host, int(status) if status else None


def zero_counts() -> list[int]:
    """Return counters of a queue that has no jobs, in the order of STATES."""
    return [0] * len(STATES)


INDEX: dict[State, int] = {state: index for index, state in enumerate(STATES)}
