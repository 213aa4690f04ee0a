"""Target hosts: how they do, and holding one back by hand."""

from collections.abc import Callable

from aiohttp import web

from taskpusher import errors
from taskpusher.contract import operation
from taskpusher.web import json_response

from ..store.base import Store
from ..targets import Targets
from ..urls import HOST_RULE, is_host
from . import answers, shapes
from .until import UntilFields, read_pause

SHOWN_MAX = 1_000


class TargetsApi:
    """Reads, holds and releases target hosts."""

    def __init__(self, store: Store, targets: Targets, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._targets = targets
        self._now_ms = now_ms

    @operation("GET", "/targets", answers={200: answers.Targets})
    async def targets(self, _: web.Request) -> web.Response:
        """Answer with the hosts that are held, that have calls running and that were called last, in this order."""
        views = self._targets.views(self._now_ms(), SHOWN_MAX)
        shape: answers.Targets = {"targets": [shapes.target(view) for view in views], "known": len(self._targets)}
        return json_response(shape)

    @operation("POST", "/targets/{host}/hold", fields=UntilFields, answers={200: answers.Target, 207: answers.Target})
    async def hold(self, request: web.Request) -> web.Response:
        """Begin no more calls of a host, for good or `for` seconds or `until` a time; what runs goes on."""
        host = _host(request)
        if not await self._store.set_hold(host, await read_pause(request, self._now_ms())):
            raise errors.InvalidField([("host", "one more than may be held by hand at once: release one")])
        return self._answer(host)

    @operation("POST", "/targets/{host}/release", answers={200: answers.Target, 207: answers.Target})
    async def release(self, request: web.Request) -> web.Response:
        """Let a host go on; one that is held back because it was not reached is probed at once. Twice is fine."""
        host = _host(request)
        await self._store.set_hold(host, None)
        return self._answer(host)

    def _answer(self, host: str) -> web.Response:
        return json_response(shapes.target(self._targets.view(host, self._now_ms())))


def _host(request: web.Request) -> str:
    host = request.match_info["host"].lower()
    if not is_host(host):
        raise errors.InvalidField([("host", HOST_RULE)])
    return host
