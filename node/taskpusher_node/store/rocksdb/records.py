"""What stands in the store under a key: msgpack arrays behind a version byte."""

from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Struct

from taskpusher.job import Spec

from ... import digests
from ...grouping import Group
from ...lifecycle import STATES, Attempt, Head, Progress, State
from ..base import Pause
from ..queues import SCOPES, Share

FORMAT = 1  # of the whole store; a release opens the one before and refuses a newer one
ATTEMPTS_KEPT = 25

_VERSION = b"\x01"


class Birth(Struct, frozen=True, array_like=True):
    """What POST /add made of a job."""

    added_ms: int
    head: Head
    spec: Spec
    asked: bytes | None = None  # digest of the spec as it was asked for, where another took its place since


class Accepted(Struct, frozen=True, array_like=True):
    """What a heartbeat changes of a job that its target has accepted."""

    attempt: int
    lease_ms: int
    progress: Progress | None = None


class QueueRecord(Struct, frozen=True, array_like=True):
    """The settings of a queue."""

    pause: Pause | None = None
    declared: bool = False  # by PUT, not only by a job
    concurrency: int | None = None
    rate: float | None = None
    per: float = 1.0
    scope: str = SCOPES[0]
    defaults: bytes | None = None
    version: int = 0


class Closing(Struct, frozen=True, array_like=True):
    """What the call of a cancelled job holds until it is closed: its ordered line from a place on, its unique text."""

    line: bytes | None  # keys of the first ones
    place: int
    unique: bytes | None


class KeyGateRecord(Struct, frozen=True, array_like=True):
    """A limit key: its numbers, its bucket at a time, and how many of its jobs wait and have not ended otherwise."""

    concurrency: int | None
    rate: float | None
    per: float
    pinned: bool
    level: float
    at_ms: int
    waiting: int
    later: int


class Bucket(Struct, frozen=True, array_like=True):
    """How many tokens a queue's bucket held at a time."""

    level: float
    at_ms: int


class Members(Struct, array_like=True):
    """A group, how many jobs are in it, when its errors were seen, and the newest of them where it still is one."""

    group: Group
    count: int = 0
    first_ms: int = 0
    last_ms: int = 0
    sample: bytes | None = None


_encode = msgspec.msgpack.Encoder().encode
_birth = msgspec.msgpack.Decoder(Birth).decode
_head = msgspec.msgpack.Decoder(Head).decode
_attempt = msgspec.msgpack.Decoder(Attempt).decode
_accepted = msgspec.msgpack.Decoder(Accepted).decode
_queue = msgspec.msgpack.Decoder(QueueRecord).decode
_share = msgspec.msgpack.Decoder(Share).decode
_hold = msgspec.msgpack.Decoder(Pause).decode
_closing = msgspec.msgpack.Decoder(Closing).decode
_key_gate = msgspec.msgpack.Decoder(KeyGateRecord).decode
_bucket = msgspec.msgpack.Decoder(Bucket).decode
_members = msgspec.msgpack.Decoder(Members).decode


def encode(record: Struct) -> bytes:
    """Return the bytes of any record."""
    return _VERSION + _encode(record)


def decode_birth(raw: bytes) -> Birth:
    """Read a birth."""
    return _birth(memoryview(raw)[1:])


def rewritten(birth: Birth, spec: Spec) -> Birth:
    """Return a birth with another spec, which still knows what was asked for at first: a repeat of that is the same."""
    return Birth(birth.added_ms, birth.head, spec, asked_for(birth))


def asked_for(birth: Birth) -> bytes:
    """Return the digest of what was asked for."""
    return birth.asked if birth.asked is not None else digests.of_spec(birth.spec)


def decode_head(raw: bytes) -> Head:
    """Read a head."""
    return _head(memoryview(raw)[1:])


def decode_attempt(raw: bytes) -> Attempt:
    """Read an attempt."""
    return _attempt(memoryview(raw)[1:])


def decode_accepted(raw: bytes) -> Accepted:
    """Read what is known of a job that was handed off."""
    return _accepted(memoryview(raw)[1:])


def decode_queue(raw: bytes) -> QueueRecord:
    """Read the settings of a queue."""
    return _queue(memoryview(raw)[1:])


def decode_share(raw: bytes) -> Share:
    """Read the part of a store in what its cluster shares."""
    return _share(memoryview(raw)[1:])


def decode_hold(raw: bytes) -> Pause:
    """Read who holds a host."""
    return _hold(memoryview(raw)[1:])


def decode_closing(raw: bytes) -> Closing:
    """Read what a call holds."""
    return _closing(memoryview(raw)[1:])


def decode_key_gate(raw: bytes) -> KeyGateRecord:
    """Read a limit key."""
    return _key_gate(memoryview(raw)[1:])


def decode_bucket(raw: bytes) -> Bucket:
    """Read the bucket of a queue."""
    return _bucket(memoryview(raw)[1:])


def decode_members(raw: bytes) -> Members:
    """Read a group of errors."""
    return _members(memoryview(raw)[1:])


def encode_counts(counts: list[int]) -> bytes:
    """Return a queue's counters, eight bytes a state."""
    return b"".join(n.to_bytes(8, signed=True) for n in counts)


def decode_counts(raw: bytes) -> list[int]:
    """Read a queue's counters."""
    return [int.from_bytes(raw[i : i + 8], signed=True) for i in range(0, len(raw), 8)]


class Listed(NamedTuple):
    """What a listing entry says beside its key: `status` is that of the last answer, the rest is of errors."""

    queue: str
    host: str
    status: int | None
    group: str = ""
    error: str = ""


def listing_value(spec: Spec, head: Head, group: str = "") -> bytes:
    """Return what a listing says of a job beside its key, so that filters need no look at the job."""
    last = head.last
    status = last.response.status if last is not None and last.response else ""
    return _listing_value(spec.queue, spec.host, status, group, head.error.kind if head.error is not None else "")


@lru_cache(maxsize=4096)
def _listing_value(queue: str, host: str, status: int | str, group: str, error: str) -> bytes:
    text = f"{queue}\0{host}\0{status}"
    return (f"{text}\0{group}\0{error}" if group or error else text).encode()


def parse_listing(value: bytes) -> Listed:
    """Read a listing entry, also one that was written before errors had groups."""
    queue, host, status, *error = value.decode().split("\0")
    return Listed(queue, host, int(status) if status else None, *error)


def same_listing(one: bytes | None, other: bytes) -> bool:
    """Tell whether two listing entries say the same of a job. In which group its error was counted is history."""
    if one == other:
        return True
    try:
        return one is not None and parse_listing(one)._replace(group="") == parse_listing(other)._replace(group="")
    except (ValueError, TypeError):
        return False


def zero_counts() -> list[int]:
    """Return counters of a queue that has no jobs, in the order of STATES."""
    return [0] * len(STATES)


INDEX: dict[State, int] = {state: index for index, state in enumerate(STATES)}
