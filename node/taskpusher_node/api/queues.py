"""Queues: what stands in them, and standing still for a while or until somebody lets them go on."""

from collections.abc import Callable

from aiohttp import web

from taskpusher import errors
from taskpusher.web import USER, json_response

from ..store.base import Pause, QueueView, Store
from . import shapes
from .until import read_until_ms


class QueuesApi:
    """Reads, pauses and resumes queues."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/queues", self.queues),
            web.get("/queues/{name}", self.queue),
            web.post("/queues/{name}/pause", self.pause),
            web.post("/queues/{name}/resume", self.resume),
        ]

    async def queues(self, _: web.Request) -> web.Response:
        """Answer with every queue."""
        return json_response({"queues": [shapes.queue(view) for view in self._store.queues()]})

    async def queue(self, request: web.Request) -> web.Response:
        """Answer with one queue."""
        return json_response(shapes.queue(self._found(request)))

    async def pause(self, request: web.Request) -> web.Response:
        """Start no more calls of a queue, for good or `for` seconds or `until` a time; what runs goes on."""
        name = self._found(request).name
        now_ms = self._now_ms()
        pause = Pause(request.get(USER), now_ms, await read_until_ms(request, now_ms))
        await self._store.set_pause(name, pause)
        return json_response(shapes.queue(self._found(request)))

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
