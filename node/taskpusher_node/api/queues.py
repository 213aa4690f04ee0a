"""Queues: what stands in them, and standing still for a while or until somebody lets them go on."""

from collections.abc import Callable

from aiohttp import web
from multidict import MultiDict

from taskpusher import codec, errors
from taskpusher.web import USER, json_response

from ..request import RUN_AT_MAX_MS
from ..store.base import Pause, QueueView, Store
from . import shapes


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
        pause = Pause(request.get(USER), now_ms, _until_ms(await _fields(request), now_ms))
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


async def _fields(request: web.Request) -> MultiDict[str]:
    """Return the fields of the query and of a form together."""
    fields: MultiDict[str] = MultiDict(request.query)
    if request.body_exists and request.content_type != "application/x-www-form-urlencoded":
        raise errors.UnsupportedMediaType("send for or until in the query or as a form")
    fields.extend([(name, str(value)) for name, value in (await request.post()).items()])
    return fields


def _until_ms(query: MultiDict[str], now_ms: int) -> int | None:
    problems = [(name[:100], "unknown field") for name in query if name not in ("for", "until")]
    problems += [(name, "given more than once") for name in set(query) if len(query.getall(name)) > 1]
    if "for" in query and "until" in query:
        problems.append(("until", "for or until, not both"))
    until_ms = None
    try:
        if "for" in query:
            until_ms = now_ms + round(float(query["for"]) * 1000)
        elif "until" in query:
            until_ms = codec.parse_time(query["until"])
    except (ValueError, OverflowError):
        until_ms = now_ms
    if until_ms is not None and not now_ms < until_ms <= now_ms + RUN_AT_MAX_MS:
        field = "for" if "for" in query else "until"
        rule = "seconds above 0" if field == "for" else "an RFC 3339 time in the future"
        problems.append((field, f"{rule}, at most ten years ahead"))
    if problems:
        raise errors.InvalidField(problems)
    return until_ms
