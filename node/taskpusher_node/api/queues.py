"""Queues: what stands in them, and standing still for a while or until somebody lets them go on."""

from collections.abc import Callable

from aiohttp import web
from msgspec import Struct

from taskpusher import errors
from taskpusher.contract import operation
from taskpusher.fields import of_query_or_form
from taskpusher.job import QUEUE_RULE, is_queue_name
from taskpusher.web import json_response

from ..store.base import Put, QueueView, Store
from . import answers, shapes
from .problems import no_queue_left
from .until import UntilFields, read_pause


class QueueFields(Struct, frozen=True, kw_only=True):
    """The settings of a queue: none so far."""


class QueuesApi:
    """Reads, pauses and resumes queues."""

    def __init__(self, store: Store, max_queues: int, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._max_queues = max_queues
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

    @operation("PUT", "/queues/{name}", fields=QueueFields, answers={200: answers.Queue, 201: answers.Queue})
    async def put(self, request: web.Request) -> web.Response:
        """Declare a queue: it is made before its first job, and told apart in the metrics."""
        name = request.match_info["name"]
        if not is_queue_name(name):
            raise errors.InvalidField([("name", QUEUE_RULE)])
        await of_query_or_form(request, QueueFields)
        match await self._store.declare_queue(name):
            case Put.NO_QUEUE:
                raise no_queue_left("name", self._max_queues)
            case Put.CREATED:
                return json_response(shapes.queue(self._found(request)), status=201, location=f"/queues/{name}")
        return json_response(shapes.queue(self._found(request)))

    @operation(
        "POST", "/queues/{name}/pause", fields=UntilFields, answers={200: answers.Queue}, problems=[errors.NotFound]
    )
    async def pause(self, request: web.Request) -> web.Response:
        """Start no more calls of a queue, for good or `for` seconds or `until` a time; what runs goes on."""
        name = self._found(request).name
        await self._store.set_pause(name, await read_pause(request, self._now_ms()))
        return json_response(shapes.queue(self._found(request)))

    @operation("POST", "/queues/{name}/resume", answers={200: answers.Queue}, problems=[errors.NotFound])
    async def resume(self, request: web.Request) -> web.Response:
        """Let a queue go on; twice is fine."""
        await self._store.set_pause(self._found(request).name, None)
        return json_response(shapes.queue(self._found(request)))

    def _found(self, request: web.Request) -> QueueView:
        name = request.match_info["name"]
        view = self._store.queue(name)
        if view is None:
            raise errors.NotFound(f"there is no queue {name[:100]}; the first job makes it")
        return view
