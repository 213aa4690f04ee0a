"""Hands a request on to the one node that it belongs to, and its answer back as it is."""

from collections.abc import Callable

from aiohttp import hdrs, web

from taskpusher import __version__, errors, headers
from taskpusher.access import SAFE_METHODS
from taskpusher.web import caller_of

from ..nodes import Answer, Node, Nodes, NotReached, Unanswered
from ..placer import RETRY_AFTER_S

_SENT = (hdrs.CONTENT_TYPE, headers.TOKEN)
_TOLD = (hdrs.CONTENT_TYPE, hdrs.LOCATION, hdrs.RETRY_AFTER)


class Forward:
    """Hands requests on. `suspect` hears of nodes that refuse connections."""

    def __init__(self, nodes: Nodes, suspect: Callable[[Node, str], None], *, timeout_s: float) -> None:
        self.nodes = nodes
        self._suspect = suspect
        self.timeout_s = timeout_s

    async def forward(
        self, node: Node, request: web.Request, *, path: str | None = None, timeout_s: float | None = None
    ) -> web.Response:
        """Return what a node answers to a request; raises OwnerDown, UnknownAtNode where it does not."""
        return response_of(await self.ask(node, request, path=path, timeout_s=timeout_s))

    async def ask(
        self, node: Node, request: web.Request, *, path: str | None = None, timeout_s: float | None = None
    ) -> Answer:
        """Return the same as the node gave it; `path` takes the place of the request's own, with its query."""
        if node not in self.nodes.usable():
            raise owner_down(node, node.kept_out or "it is down")
        safe = request.method in SAFE_METHODS
        body = await request.read()
        try:
            answer = await node.call(
                hdrs.METH_GET if safe else request.method,
                request.rel_url.raw_path_qs if path is None else path,
                timeout_s=timeout_s or self.timeout_s,
                body=body or None,
                sent={name: request.headers[name] for name in _SENT if name in request.headers},
                caller=caller_of(request),
            )
        except NotReached as error:
            self._suspect(node, str(error))
            raise owner_down(node, "it takes no connection") from error
        except Unanswered as error:
            if safe:
                raise owner_down(node, "it does not answer") from error
            raise errors.UnknownAtNode(
                f"node {node.name} did not answer: it may have been done", retry_after_s=RETRY_AFTER_S
            ) from error
        if not answer.of_a_node:
            raise owner_down(
                node,
                f"what answers there by {answer.status} does not know this router; have both the same cluster_token",
            )
        return answer


def response_of(answer: Answer) -> web.Response:
    """Return what a node answered as the answer of the router."""
    told = {str(name): answer.headers[name] for name in _TOLD if name in answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=told | {headers.VERSION: __version__})


def owner_down(node: Node, why: str) -> errors.OwnerDown:
    """Return the problem that the one node which may answer does not."""
    return errors.OwnerDown(f"node {node.name}: {why}", retry_after_s=RETRY_AFTER_S, node=node.name)
