"""Changes of queues: said to one node, which checks them as ever, and then told all others."""

import asyncio
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import hdrs, web

from taskpusher import errors
from taskpusher.web import json_response, no_content

from .. import sums
from ..nodes import Answer, Node, NotReached, Unanswered
from ..placer import RETRY_AFTER_S
from ..settings import Settings, by_name
from .fanout import Fanout
from .forward import Forward, owner_down, response_of

_SOME_MISSED = 207
_WITHOUT = -1  # the version of a queue that a node does not know

Known = dict[Node, dict[str, Any] | None]


class QueuesApi:
    """Declares, pauses, resumes and deletes queues on all nodes."""

    def __init__(self, fanout: Fanout, forward: Forward, settings: Settings) -> None:
        self._fanout = fanout
        self._forward = forward
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.put("/queues/{name}", self.change),
            web.post("/queues/{name}/pause", self.change),
            web.post("/queues/{name}/resume", self.change),
            web.delete("/queues/{name}", self.delete),
        ]

    async def change(self, request: web.Request) -> web.Response:
        """Let the node that knows the newest of the queue do it, and all others follow; 207 where one was missed."""
        name = request.match_info["name"]
        known = await self._known(name)
        leader = max(known, key=lambda node: (known[node] or {}).get("version", _WITHOUT))
        answer = await self._forward.ask(leader, request)
        if answer.status >= 300:  # noqa: PLR2004
            return response_of(answer)
        others = [node for node in known if node is not leader]
        record = by_name(await self._settings.records(leader) or ()).get(name)
        missed = await self._settings.spread([record], others) if record is not None else [n.name for n in others]
        missed += [node.name for node in self._fanout.nodes if node not in known]
        return await self._told(name, answer, sorted(missed))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete an empty queue while all nodes answer: one that was away would bring it back."""
        name = request.match_info["name"]
        known = await self._known(name)
        for node in self._fanout.nodes:
            if node not in known:
                raise owner_down(node, "a queue is deleted while all nodes answer, and it does not")
        having = [node for node, queue in known.items() if queue is not None]
        busy = [node for node in having if any((known[node] or {})["counts"].values())]
        if busy or not having:  # the node says what is wrong
            return response_of(await self._forward.ask((busy or list(known))[0], request))
        answers = await asyncio.gather(*(self._forward.ask(node, request) for node in having))
        refused = next((answer for answer in answers if answer.status >= 300), None)  # noqa: PLR2004
        return response_of(refused) if refused is not None else no_content()

    async def _known(self, name: str) -> Known:
        """Return what each node that answers knows of a queue; raises NodesDown where none does."""
        known = await self._look(name)
        if not known:
            raise errors.NodesDown("none of the nodes answers", retry_after_s=RETRY_AFTER_S)
        return known

    async def _look(self, name: str) -> Known:
        """Return what each node that answers knows of a queue, None of one that does not have it."""
        nodes = self._fanout.nodes.usable()
        told = await asyncio.gather(*(self._ask(node, name) for node in nodes))
        known: Known = {}
        for node, answer in zip(nodes, told, strict=True):
            if answer is not None and answer.status in (200, errors.NotFound.status):
                known[node] = orjson.loads(answer.body) if answer.status == 200 else None  # noqa: PLR2004
        return known

    async def _ask(self, node: Node, name: str) -> Answer | None:
        try:
            return await node.call("GET", f"/queues/{quote(name, safe='')}", timeout_s=self._fanout.timeout_s)
        except (NotReached, Unanswered):
            return None

    async def _told(self, name: str, answer: Answer, missed: list[str]) -> web.Response:
        """Return the queue as it stands on all nodes that answer, or as the one said that did it."""
        queues = [queue for queue in (await self._look(name)).values() if queue is not None]
        told = {**sums.queue(queues or [orjson.loads(answer.body)]), "partial": bool(missed), "missing": missed}
        return json_response(
            told, status=_SOME_MISSED if missed else answer.status, location=answer.headers.get(hdrs.LOCATION)
        )
