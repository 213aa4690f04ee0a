"""GET /openapi.json on a router: the contract of its nodes, but for what a router does not do."""

from typing import Any

import orjson
from aiohttp import web

from taskpusher import errors
from taskpusher.web import bytes_response

from ..nodes import Node
from .forward import Forward, response_of


class ContractApi:
    """Tells what a node that is up promises, as far as it is routed here; `router` has the routes."""

    def __init__(self, forward: Forward, router: web.UrlDispatcher) -> None:
        self._forward = forward
        self._router = router
        self._documents: dict[str, bytes] = {}  # by the version of the node that told it

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [web.get("/openapi.json", self.openapi)]

    async def openapi(self, request: web.Request) -> web.Response:
        """Answer with the contract."""
        nodes = self._forward.nodes.usable()
        if not nodes:
            raise errors.NodesDown("no node is up that could tell its contract")
        version = _version(nodes[0])
        if version is None or version not in self._documents:
            answer = await self._forward.ask(nodes[0], request)
            if answer.status != 200:  # noqa: PLR2004 - it starts, or stops
                return response_of(answer)
            document = self._routed(orjson.loads(answer.body))
            version = str(document["info"]["version"])
            self._documents = {version: orjson.dumps(document)}
        return bytes_response(self._documents[version], "application/json")

    def _routed(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the document without the calls that are not routed here."""
        routed: dict[str, set[str]] = {}
        for route in self._router.routes():
            if route.resource is not None:
                routed.setdefault(route.resource.canonical, set()).add(route.method.lower())
        paths = {
            path: {method: told for method, told in calls.items() if method in routed.get(path, ())}
            for path, calls in document["paths"].items()
        }
        return {**document, "paths": {path: calls for path, calls in paths.items() if calls}}


def _version(node: Node) -> str | None:
    told = (node.ready or {}).get("version")
    return told if isinstance(told, str) else None
