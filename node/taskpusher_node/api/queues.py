"""Queues: what stands in them, and standing still for a while or until somebody lets them go on."""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from taskpusher import errors
from taskpusher.contract import operation
from taskpusher.fields import FORM, Errors, JsonObject, of_query_form_or_json
from taskpusher.job import QUEUE_RULE, Concurrency, Per, Rate, is_queue_name
from taskpusher.web import json_response, no_content

from ..config import Config
from ..defaults import RULE as DEFAULTS_RULE
from ..defaults import DefaultsJson, broken_rules
from ..placing import LIMIT_RULES
from ..request import SpecBuilder
from ..store.base import Changed, Put, QueueView, Store
from ..store.queues import SCOPES, QueueSettings
from ..store.tallies import OWN_QUEUES
from . import answers, shapes
from .problems import no_queue_left
from .until import UntilFields, read_pause


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be said of a queue, but for defaults."""

    concurrency: Annotated[Concurrency, Meta(description=LIMIT_RULES["concurrency"])] | None = None
    rate: Annotated[Rate, Meta(description=LIMIT_RULES["rate"])] | None = None
    per: Annotated[Per, Meta(description=LIMIT_RULES["per"])] | None = None
    scope: Annotated[Literal[SCOPES], Meta(description="cluster or node")] | None = None  # type: ignore[valid-type]
    version: Annotated[int, Meta(ge=0, le=2**63 - 1, description="an integer: the version replaced")] | None = None


class QueueFields(Settings, frozen=True, kw_only=True):
    """The settings of a queue; what is not given is none."""

    defaults: JsonObject | None = None  # for adds that do not give them


class QueueJson(Settings, frozen=True, kw_only=True):
    """The same in JSON."""

    defaults: Annotated[DefaultsJson, Meta(description=DEFAULTS_RULE)] | None = None  # type: ignore[valid-type]


class QueuesApi:
    """Reads, pauses and resumes queues."""

    def __init__(self, store: Store, config: Config, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._builder = SpecBuilder(config, store.name)
        self._max_queues = config.max_queues
        self._now_ms = now_ms

    @operation("GET", "/queues", answers={200: answers.Queues})
    async def queues(self, _: web.Request) -> web.Response:
        """Answer with every queue."""
        shape: answers.Queues = {"queues": [shapes.queue(view) for view in self._store.queues()]}
        return json_response(shape)

    @operation("GET", "/queues/{name}", answers={200: answers.Queue}, problems=[errors.NotFound])
    async def queue(self, request: web.Request) -> web.Response:
        """Answer with one queue."""
        return json_response(shapes.queue(self._found(request)))

    @operation(
        "PUT",
        "/queues/{name}",
        fields=QueueFields,
        bodies={"application/json": QueueJson, FORM: QueueFields},
        answers={200: answers.Queue, 201: answers.Queue, 207: answers.Queue},
        problems=[errors.WrongVersion],
    )
    async def put(self, request: web.Request) -> web.Response:
        """Declare a queue with all its settings: what is not given is none. It is told apart in the metrics."""
        name = request.match_info["name"]
        if not is_queue_name(name):
            raise errors.InvalidField([("name", QUEUE_RULE)])
        asked = await of_query_form_or_json(request, QueueFields)
        match await self._store.declare_queue(name, self._settings(asked), asked.version):
            case Put.CONFLICT:
                view = self._store.queue(name)
                version = view.version if view is not None else 0
                raise errors.WrongVersion(f"its version is {version}, not {asked.version}")
            case Put.NO_QUEUE:
                raise no_queue_left("name", self._max_queues)
            case Put.CREATED:
                return json_response(shapes.queue(self._found(request)), status=201, location=f"/queues/{name}")
        return json_response(shapes.queue(self._found(request)))

    @operation(
        "POST",
        "/queues/{name}/pause",
        fields=UntilFields,
        answers={200: answers.Queue, 207: answers.Queue},
        problems=[errors.NotFound],
    )
    async def pause(self, request: web.Request) -> web.Response:
        """Start no more calls of a queue, for good or `for` seconds or `until` a time; what runs goes on."""
        name = self._found(request).name
        await self._store.set_pause(name, await read_pause(request, self._now_ms()))
        return json_response(shapes.queue(self._found(request)))

    @operation(
        "POST",
        "/queues/{name}/resume",
        answers={200: answers.Queue, 207: answers.Queue},
        problems=[errors.NotFound],
    )
    async def resume(self, request: web.Request) -> web.Response:
        """Let a queue go on; twice is fine."""
        await self._store.set_pause(self._found(request).name, None)
        return json_response(shapes.queue(self._found(request)))

    @operation("DELETE", "/queues/{name}", answers={204: None}, problems=[errors.NotFound, errors.WrongState])
    async def delete(self, request: web.Request) -> web.Response:
        """Delete a queue that has no jobs, with its settings; a later add makes it anew."""
        view = self._found(request)
        if view.name in OWN_QUEUES:
            raise errors.WrongState(f"the queue {view.name} always stays")
        if await self._store.delete_queue(view.name) is Changed.WRONG_STATE:
            jobs = ", ".join(f"{n} {state}" for state, n in self._found(request).counts.items() if n)
            raise errors.WrongState(f"it has jobs: {jobs}")
        return no_content()

    def _settings(self, asked: QueueFields) -> QueueSettings:
        broken: Errors = []
        if asked.per is not None and asked.rate is None:
            broken.append(("per", "only with rate"))
        members, scope = self._store.share.members, asked.scope or SCOPES[0]
        if scope == SCOPES[0] and asked.concurrency is not None and asked.concurrency < members:
            rule = f"at least {members}, one for each node; a limit of the jobs is exact also where it is less"
            broken.append(("concurrency", rule))
        if asked.defaults is not None:
            broken += broken_rules(self._builder, asked.defaults)
        if broken:
            raise errors.InvalidField(broken)
        text = asked.defaults and msgspec.json.format(asked.defaults, indent=-1)
        return QueueSettings(asked.concurrency, asked.rate, asked.per or 1.0, scope, text)

    def _found(self, request: web.Request) -> QueueView:
        name = request.match_info["name"]
        view = self._store.queue(name)
        if view is None:
            raise errors.NotFound(f"there is no queue {name[:100]}; the first job makes it")
        return view
