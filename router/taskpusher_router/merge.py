"""Makes one page of a listing out of the pages of all nodes, so that a walk shows every job that stays once. Pure.

Every node tells how far it has looked (`scanned_to`, null where it has come to its end). Up to the least advanced of
these all is known, and nothing behind it is told: a job that is not known yet may stand before it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter, gt, lt
from typing import Annotated, NamedTuple

import msgspec
import orjson

from taskpusher import codec
from taskpusher.position import Position

SOONEST_FIRST = frozenset({"waiting", "scheduled"})  # all others are listed latest first

_LISTED_BY = {"waiting": "waiting_at", "scheduled": "due_at", "running": "started_at"}  # all others by ended_at
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

Time = Annotated[datetime, msgspec.Meta(tz=True)] | None


class BadPage(ValueError):
    """What a node answered is no page of a listing, or no job."""


class _Answer(msgspec.Struct):
    jobs: list[msgspec.Raw]
    scanned_to: str | None


class _Job(msgspec.Struct):
    """What of a job says where it stands."""

    uid: str
    state: str
    waiting_at: Time = None
    due_at: Time = None
    started_at: Time = None
    ended_at: Time = None


class Listed(NamedTuple):
    """A job in a page, with the JSON that its node wrote."""

    position: Position
    json: msgspec.Raw


class NodePage(NamedTuple):
    """What a node has told so far, and up to where it has looked; None: to the end."""

    jobs: list[Listed]
    scanned_to: Position | None

    def then(self, further: "NodePage") -> "NodePage":
        """Return this page with the one that was asked for behind it."""
        return NodePage([*self.jobs, *further.jobs], further.scanned_to)


class Merged(NamedTuple):
    """A page of all nodes."""

    jobs: list[orjson.Fragment]
    position: Position | None  # where the next page begins; None: there is none
    behind: frozenset[str]  # the nodes whose pages must go on, for this one has room; empty where it is full or last


_read_answer = msgspec.json.Decoder(_Answer).decode
_read_job = msgspec.json.Decoder(_Job).decode


def read(state: str, body: bytes) -> NodePage:
    """Return what a node answers GET /jobs/{state} with; raises BadPage."""
    try:
        answer = _read_answer(body)
        jobs = [Listed(_position(state, _read_job(raw)), raw) for raw in answer.jobs]
        return NodePage(jobs, Position.parse(answer.scanned_to) if answer.scanned_to is not None else None)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadPage(str(error)) from error


def position_of(state: str, body: bytes) -> Position | None:
    """Return where the job that GET /job/{uid} answers with is listed; None: not in this state. Raises BadPage."""
    try:
        job = _read_job(body)
        return _position(state, job) if job.state == state else None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadPage(str(error)) from error


def merge(state: str, pages: Mapping[str, NodePage], *, after: Position | None, limit: int) -> Merged:
    """Return at most `limit` jobs behind `after`, in the order of the state, out of what each node told from there."""
    soonest_first = state in SOONEST_FIRST
    is_behind = gt if soonest_first else lt
    known = [job for page in pages.values() for job in page.jobs if after is None or is_behind(job.position, after)]
    known.sort(key=attrgetter("position"), reverse=not soonest_first)
    ends = {name: page.scanned_to for name, page in pages.items() if page.scanned_to is not None}
    sure_to = (min if soonest_first else max)(ends.values(), default=None)
    sure = [job for job in known if sure_to is None or not is_behind(job.position, sure_to)]
    if len(sure) > limit:
        sure_to = sure[limit - 1].position
    # what they tell may be all that is needed: those that come next are asked when it turns out that it was not
    behind = frozenset(name for name, end in ends.items() if end == sure_to) if len(sure) < limit else frozenset[str]()
    return Merged([codec.raw_json(bytes(job.json)) for job in sure[:limit]], sure_to, behind)


def _position(state: str, job: _Job) -> Position:
    at: datetime | None = getattr(job, _LISTED_BY.get(state, "ended_at"))
    since = at - _EPOCH if at is not None else timedelta()
    return Position.of(since // _MS, job.uid)
