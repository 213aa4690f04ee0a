"""Jobs one by one: the uid names the node, which answers."""

import asyncio
import math
from contextlib import suppress

from aiohttp import web

from taskpusher import errors
from taskpusher.job import WAIT_DEFAULT_S
from taskpusher.uid import name_of

from ..nodes import Node
from .forward import Forward, owner_down

_VERBS = ("retry", "cancel", "run", "complete", "fail", "heartbeat")
_LOOK_EVERY_S = 1.0  # whether the node is still there
_WAIT_MAX_S = 86_400.0  # more than any node waits


class JobsApi:
    """Hands on what is asked of a job; `stopping` is set when the router is about to end."""

    def __init__(self, forward: Forward, stopping: asyncio.Event) -> None:
        self._forward = forward
        self._stopping = stopping

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.get("/job/{uid}", self.hand_on),
            web.get("/job/{uid}/wait", self.wait),
            web.get("/job/{uid}/why", self.hand_on),
            *(web.post(f"/job/{{uid}}/{verb}", self.hand_on) for verb in _VERBS),
            web.patch("/job/{uid}", self.hand_on),
            web.delete("/job/{uid}", self.hand_on),
        ]

    async def hand_on(self, request: web.Request) -> web.Response:
        """Answer as the node of the job does."""
        return await self._forward.forward(self._node(request), request)

    async def wait(self, request: web.Request) -> web.Response:
        """Answer when the job has ended, or its node waits no longer; as it is when the router is about to end."""
        node = self._node(request)
        timeout_s = _wait_s(request.query.get("timeout")) + self._forward.timeout_s
        waiting = asyncio.create_task(self._forward.forward(node, request, timeout_s=timeout_s))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while not (waiting.done() or stopping.done()):
                await asyncio.wait({waiting, stopping}, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                if not (node.usable or waiting.done()):
                    raise owner_down(node, "it went away meanwhile")
            if waiting.done():
                return await waiting
        finally:
            stopping.cancel()
            waiting.cancel()
            with suppress(asyncio.CancelledError, errors.Problem):
                await waiting
        return await self._forward.forward(node, request, path=f"/job/{request.match_info['uid']}")

    def _node(self, request: web.Request) -> Node:
        uid = request.match_info["uid"]
        name = name_of(uid)
        node = self._forward.nodes.get(name) if name is not None else None
        if node is None:
            raise errors.NotFound(f"there is no job {uid[:100]}: its end names no node of this cluster")
        return node


def _wait_s(text: str | None) -> float:
    """Return how long a node holds its answer back; of what is no time it says so at once."""
    try:
        wait_s = WAIT_DEFAULT_S if text is None else float(text)
    except ValueError:
        return 0.0
    return wait_s if math.isfinite(wait_s) and 0 <= wait_s <= _WAIT_MAX_S else 0.0
