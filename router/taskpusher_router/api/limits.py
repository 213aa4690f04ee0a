"""Limit keys: read on all nodes, fixed and let go at the owner of the key."""

from aiohttp import web

from taskpusher.web import json_response

from .. import sums
from ..nodes import Node
from ..ring import hashed_text
from .fanout import Fanout
from .forward import Forward, response_of


class LimitsApi:
    """Reads, pins and unpins limit keys. Before a resize the jobs of a key went elsewhere: it may stand on several."""

    def __init__(self, fanout: Fanout, forward: Forward) -> None:
        self._fanout = fanout
        self._forward = forward

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.get("/limits", self.limits),
            web.get("/limits/{key}", self.limit),
            web.put("/limits/{key}", self.put),
            web.delete("/limits/{key}", self.delete),
        ]

    async def limits(self, request: web.Request) -> web.Response:
        """Answer with limit keys, at most 1,000, by key."""
        told = await self._fanout.read_all(request)
        return json_response({**sums.limits(told.by_name, lambda key: self._owner(key).name), **told.missing})

    async def limit(self, request: web.Request) -> web.Response:
        """Answer with one limit key."""
        told = await self._fanout.read_all(request, may_lack=True)
        added = sums.limit(told.by_name, self._owner(request.match_info["key"]).name)
        return json_response({**added, **told.missing})

    async def put(self, request: web.Request) -> web.Response:
        """Fix the numbers of a key where its new jobs go."""
        return await self._forward.forward(self._owner(request.match_info["key"]), request)

    async def delete(self, request: web.Request) -> web.Response:
        """Let a key go where its new jobs go, and wherever else it may still be fixed."""
        owner = self._owner(request.match_info["key"])
        answer = await self._forward.ask(owner, request)
        if answer.status < 300:  # noqa: PLR2004
            path = request.rel_url.raw_path
            await self._fanout.ask(request, {node.name: path for node in self._fanout.nodes if node is not owner})
        return response_of(answer)

    def _owner(self, key: str) -> Node:
        return self._fanout.nodes.owner(hashed_text(key, None, None, None, ""))
