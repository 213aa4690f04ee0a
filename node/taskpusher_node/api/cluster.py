"""What routers keep equal on the nodes of a cluster: each one's share, and what was said of queues."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from taskpusher import errors
from taskpusher.access import Role
from taskpusher.contract import operation
from taskpusher.fields import Errors, JsonObject, Time, of_json
from taskpusher.job import QUEUE_RULE, is_queue_name
from taskpusher.web import ROLE, json_response

from ..config import Config
from ..defaults import RULE as DEFAULTS_RULE
from ..defaults import DefaultsJson, broken_rules
from ..request import SpecBuilder
from ..store.base import Pause, Put, QueueState, Store
from ..store.queues import SCOPES, Share
from . import answers, shapes
from .problems import no_queue_left
from .queues import Settings

_JSON = "application/json"
_MEMBERS_MAX = 10_000
_BY_MAX = 1_000  # characters of who paused a queue
_VERSION_MAX = 2**53  # what every reader of JSON tells apart
_PART_RULE = "a number from 0 to 1"


class ShareFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node's part of what its cluster shares: all three of them."""

    members: (
        Annotated[int, Meta(ge=1, le=_MEMBERS_MAX, description=f"an integer from 1 to {_MEMBERS_MAX:,}")] | None
    ) = None
    low: Annotated[float, Meta(ge=0, le=1, description=_PART_RULE)] | None = None
    high: Annotated[float, Meta(ge=0, le=1, description=_PART_RULE)] | None = None


class PausedFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a queue stands still."""

    since: Time
    by: Annotated[str, Meta(max_length=_BY_MAX)] | None = None
    until: Time | None = None


class RecordFields(Settings, frozen=True, kw_only=True):
    """All that was said of a queue."""

    name: Annotated[str, Meta(description="the name in the path")] | None = None
    declared: Annotated[bool, Meta(description="true or false")] = False
    version: (
        Annotated[int, Meta(ge=1, le=_VERSION_MAX, description=f"an integer from 1 to {_VERSION_MAX:,}")] | None
    ) = None
    defaults: JsonObject | None = None
    paused: Annotated[PausedFields | None, Meta(description="an object of by, since and until, or null")] = None


class RecordJson(RecordFields, frozen=True, kw_only=True):
    """The same for who reads the contract."""

    defaults: Annotated[DefaultsJson, Meta(description=DEFAULTS_RULE)] | None = None  # type: ignore[valid-type]


class ClusterApi:
    """Hears and tells what routers keep equal."""

    def __init__(self, store: Store, config: Config, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._builder = SpecBuilder(config, store.name)
        self._max_queues = config.max_queues
        self._now_ms = now_ms

    @operation(
        "PUT",
        "/cluster",
        bodies={_JSON: ShareFields},
        answers={200: answers.ClusterTold},
        problems=[errors.InvalidField],
    )
    async def put_share(self, request: web.Request) -> web.Response:
        """Say which part of the numbers of queues this node has; routers do."""
        asked = await of_json(request, ShareFields)
        if asked.members is None or asked.low is None or asked.high is None:
            given = {"members": asked.members, "low": asked.low, "high": asked.high}
            raise errors.InvalidField([(name, "missing") for name, value in given.items() if value is None])
        if asked.low >= asked.high:
            raise errors.InvalidField([("high", "more than low")])
        share = Share(asked.members, asked.low, asked.high)
        if share != self._store.share:
            await self._store.set_share(share)
        return json_response(shapes.cluster(share, self._store.settings_digest()))

    @operation("GET", "/cluster/queues", answers={200: answers.QueueRecords})
    async def queues(self, request: web.Request) -> web.Response:
        """Answer with all that was said of queues, secrets too: to an administrator only."""
        if request[ROLE] is not Role.ADMIN:
            raise errors.Forbidden(f"secrets are shown to the role {Role.ADMIN} only")
        said = [shapes.queue_record(view.name, view) for view in self._store.queues() if view.version]
        shape: answers.QueueRecords = {"queues": said}
        return json_response(shape)

    @operation(
        "PUT",
        "/cluster/queues/{name}",
        bodies={_JSON: RecordJson},
        answers={200: answers.Taken},
        problems=[errors.InvalidField],
    )
    async def put_queue(self, request: web.Request) -> web.Response:
        """Let all that is said of a queue be what another node knows, if that is newer; routers do."""
        name = request.match_info["name"]
        if not is_queue_name(name):
            raise errors.InvalidField([("name", QUEUE_RULE)])
        state = self._state(name, await of_json(request, RecordFields))
        put = await self._store.take_queue(name, state)
        if put is Put.NO_QUEUE:
            raise no_queue_left("name", self._max_queues)
        view = self._store.queue(name)
        shape: answers.Taken = {"taken": put is not Put.CONFLICT, "version": view.version if view is not None else 0}
        return json_response(shape)

    def _state(self, name: str, asked: RecordFields) -> QueueState:
        broken: Errors = []
        if asked.name not in (None, name):
            broken.append(("name", f"{name}, as in the path"))
        if asked.version is None:
            broken.append(("version", "missing"))
        if asked.defaults is not None:
            broken += broken_rules(self._builder, asked.defaults)
        if broken:
            raise errors.InvalidField(broken)
        paused = asked.paused
        return QueueState(
            asked.concurrency,
            asked.rate,
            asked.per or 1.0,
            asked.scope or SCOPES[0],
            asked.defaults and msgspec.json.format(asked.defaults, indent=-1),
            pause=Pause(paused.by, int(paused.since), _ms(paused.until)) if paused is not None else None,
            declared=asked.declared,
            version=asked.version or 0,
        )


def _ms(time: Time | None) -> int | None:
    return None if time is None else int(time)  # msgpack knows no kinds of int
