"""The nodes beside each other: how each is, what it has, and taking one out for a while."""

import orjson
from aiohttp import web

from taskpusher import errors
from taskpusher.web import json_response

from ..nodes import Node
from .fanout import Fanout
from .forward import Forward

DOWN, KEPT_OUT = "down", "kept-out"


class NodesApi:
    """Tells of nodes, and hands on their drain and resume."""

    def __init__(self, fanout: Fanout, forward: Forward) -> None:
        self._fanout = fanout
        self._forward = forward

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.get("/nodes", self.nodes),
            web.post("/nodes/{node}/drain", self.hand_on),
            web.post("/nodes/{node}/resume", self.hand_on),
        ]

    async def nodes(self, request: web.Request) -> web.Response:
        """Answer with every member; of one that does not answer there are no counts."""
        answers = await self._fanout.ask_all(request, "/stats")
        counts = {name: orjson.loads(answer.body)["states"] for name, answer in answers.given.items()}
        shares = self._fanout.nodes.shares
        told = [
            {
                "name": node.name,
                "address": node.member.url,
                **_how(node),
                "weight": node.member.weight,
                "share": round(shares[node.name], 6),
                "counts": counts.get(node.name),
                "version": (node.ready or {}).get("version"),
                "store_id": (node.ready or {}).get("store_id"),
            }
            for node in self._fanout.nodes
        ]
        return json_response({"nodes": told, **answers.told()})

    async def hand_on(self, request: web.Request) -> web.Response:
        """Let a node take no new jobs, or take them again."""
        name = request.match_info["node"]
        node = self._fanout.nodes.get(name)
        if node is None:
            raise errors.NotFound(f"there is no node {name[:40]} here")
        return await self._forward.forward(node, request)


def _how(node: Node) -> dict[str, str | None]:
    if node.kept_out is not None:
        return {"state": KEPT_OUT, "reason": node.kept_out}
    if not node.up:
        return {"state": DOWN, "reason": node.why_down}
    told = node.ready or {}
    return {"state": str(told.get("state")), "reason": told.get("reason")}
