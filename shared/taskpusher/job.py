"""The job as it was asked for: every field with its default, and the few rules that are read out of its fields."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

QUEUE_RULE = "1 to 64 of A-Z, a-z, 0-9, _, . and -, but not . or .."
DEFAULT_QUEUE = "default"
ALSO_CALLED = {"errors": "error", "runing": "running"}  # states, in the paths of listings
WAIT_DEFAULT_S = 30.0  # how long GET /job/{uid}/wait waits for its end
ENDS = ("completed", "error", "cancelled")  # the states that a callback may tell of
CALLBACK_QUEUE = "callbacks"  # of the jobs that tell of the end of others

_members = msgspec.json.Decoder(dict[str, Raw]).decode
# A path of . or .. leads elsewhere: browsers would take /queues/../resume for the /resume of the node.
_QUEUE = re.compile(r"(?!\.\.?$)[A-Za-z0-9_.-]{1,64}")

_SPAN = r" *[1-5]([0-9]{2}(-[1-5][0-9]{2})?|[xX]{2}) *"
STATUSES_SCHEMA = {"pattern": f"^{_SPAN}(,{_SPAN})*$"}  # what parse_statuses takes, but that a span may not be empty

Text512 = Annotated[str, Meta(min_length=1, max_length=512, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]  # bytes: checked apart
Concurrency = Annotated[int, Meta(ge=1, le=1_000_000)]
Rate = Annotated[float, Meta(ge=0.000_001, le=1_000_000)]  # not so small that no time is told of its next call
Per = Annotated[float, Meta(ge=0.001, le=86_400)]
Seconds = Annotated[float, Meta(ge=0, le=315_360_000)]  # ten years
OnConflict = Literal["keep", "replace", "after"]
QueueName = Annotated[str, Meta(pattern=rf"\A{_QUEUE.pattern}\Z")]


class Backoff(Struct, frozen=True, forbid_unknown_fields=True):
    """Delays that grow: initial * factor ** (n - 1) up to max seconds, each less a random share up to jitter."""

    initial: Seconds = 1.0
    factor: Annotated[float, Meta(ge=1, le=100)] = 2.0
    max: Seconds = 3600.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.5


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """What all jobs of a limit key may do together: run so many calls at once, begin `rate` calls in `per` seconds."""

    key: Text512
    concurrency: Concurrency | None = None
    rate: Rate | None = None
    per: Per = 1.0


class Callback(Struct, frozen=True):
    """Who is told when a job has ended, as which states."""

    url: str  # as it is sent
    host: str  # lower-case host:port of it
    headers: dict[str, str] = {}
    on: tuple[str, ...] = ENDS
    max_attempts: int = 10
    timeout_s: float = 300.0


class Spec(Struct, frozen=True, array_like=True):
    """What to call, when and how often: fixed by POST /add, never changed by running."""

    url: str
    host: str  # lower-case host:port, what fairness between targets goes by
    method: str = "GET"
    headers: dict[str, str] = {}
    body: bytes | None = None
    body_kind: str | None = None  # text, json, base64: how the body was given, and so is shown again
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    delay_s: float | None = None
    run_at_ms: int | None = None
    timeout_s: float = 300.0
    max_attempts: int = 1
    unreached_attempts: int = 10
    backoff: Backoff | list[float] = Backoff()
    success: str = "200"
    ttl_s: float | None = None
    meta: bytes | None = None  # a JSON object, as given
    trace: dict[str, str] = {}  # W3C Trace Context headers of the add
    redirects: int = 0  # how many are followed
    redact: tuple[str, ...] = ()  # names of headers and query parameters that are shown masked
    key: str | None = None
    ordered: bool = False  # one at a time with the others of its key, in order of arrival
    idempotency_key: str | None = None
    unique: str | None = None  # at most one unfinished job of this text
    on_conflict: OnConflict = "keep"  # what an add does that finds one
    limit: Limit | None = None
    callback: Callback | None = None
    callback_of: str | None = None  # uid of the job whose end this one tells


def is_queue_name(text: str) -> bool:
    """Tell whether a text can name a queue."""
    return _QUEUE.fullmatch(text) is not None


def scope_of(spec: Spec) -> str:
    """Return what ordered lines, unique texts and idempotency keys of a job are told apart by.

    The same text under another scope is another text, so that a router can send all of one to one node.
    """
    if spec.limit is not None:
        return f"l:{spec.limit.key}"
    return f"k:{spec.key}" if spec.key is not None else ""


def meta_says(meta: bytes | None, members: Mapping[str, str]) -> bool:
    """Tell whether a JSON object has all of some members at its top: as texts, or as the text of any other scalar."""
    if meta is None:
        return False
    there = _members(meta)
    return all(name in there and _says(bytes(there[name]), text) for name, text in members.items())


def _says(value: bytes, text: str) -> bool:
    """Compare a JSON value; an array or an object equals no text."""
    if value[:1] == b'"':
        return bool(msgspec.json.decode(value) == text)
    return value[:1] not in (b"[", b"{") and value == text.encode(errors="replace")


def parse_statuses(text: str) -> tuple[range, ...]:
    """Return the status ranges of "200", "200,204", "2xx" or "200-299"; ValueError for any other text."""
    ranges = []
    for part in text.split(","):
        single = re.fullmatch(r"([1-5])(\d\d|[xX]{2})(?:-([1-5]\d\d))?", part.strip(" "), re.ASCII)
        if single is None:
            raise ValueError(text)
        hundred, rest, last = single.groups()
        if rest.lower() == "xx":
            if last is not None:
                raise ValueError(text)
            ranges.append(range(int(hundred) * 100, int(hundred) * 100 + 100))
        else:
            first = int(hundred + rest)
            if last is not None and int(last) < first:
                raise ValueError(text)
            ranges.append(range(first, int(last or first) + 1))
    return tuple(ranges)


@lru_cache(maxsize=1024)  # asked twice a call, mostly of 200 and "200"
def status_in(status: int, text: str) -> bool:
    """Tell whether a status is among those of a text that `parse_statuses` takes."""
    return any(status in span for span in parse_statuses(text))


def backoff_delay_s(backoff: Backoff | Sequence[float], n: int, random_share: float) -> float:
    """Return the seconds to wait after the n-th failed call (n from 1); `random_share` is drawn from [0, 1).

    A list gives its n-th delay, the last one for all later calls.
    """
    if not isinstance(backoff, Backoff):
        return backoff[min(n, len(backoff)) - 1]
    # 64 doublings pass any maximum, and a power of 1,000 would overflow
    grown = backoff.initial * backoff.factor ** min(n - 1, 64)
    return min(backoff.max, grown) * (1 - backoff.jitter * random_share)
