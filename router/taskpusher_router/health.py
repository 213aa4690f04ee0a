"""Asks every node how it is, again and again, and says which are up, which are down and which are kept out."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from taskpusher.background import Background
from taskpusher.phase import Phase

from .nodes import Node, Nodes, NotReached, Unanswered

_AGAIN_S = 0.2  # after a miss, the second look that tells a hiccup from a death; also while a node starts

log = structlog.get_logger()


class Health(Background):
    """Keeps a watch on every node; `changed` hears of one that came up or went down, and of every answer."""

    def __init__(self, nodes: Nodes, *, every_s: float, timeout_s: float, went_down: Callable[[Node], None]) -> None:
        self._nodes = nodes
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._went_down = went_down
        self._told: dict[str, str | None] = {}  # why a node is kept out, as it was said last

    async def look(self) -> None:
        """Ask all nodes once."""
        await asyncio.gather(*map(self._ask, self._nodes))

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            watched: dict[Node, asyncio.Task[None]] = {}
            while True:
                for node in set(self._nodes) - set(watched):
                    watched[node] = group.create_task(self._watch(node))
                for node in set(watched) - set(self._nodes):
                    watched.pop(node).cancel()
                await asyncio.sleep(min(_AGAIN_S, self._every_s))

    async def _watch(self, node: Node) -> None:
        while True:
            answered = await self._ask(node)
            starts = node.ready is None or node.phase is Phase.STARTING  # perhaps all of the cluster does
            doubtful = starts or (node.up and not answered)
            await asyncio.sleep(min(_AGAIN_S, self._every_s) if doubtful else self._every_s)

    async def _ask(self, node: Node) -> bool:
        """Ask one node; returns whether it answered."""
        try:
            ready = await self._ready(node)
        except NotReached as error:
            self.suspect(node, str(error))
            return False
        except Unanswered as error:
            if node.missed(str(error)):
                self._down(node)
            return False
        if node.answered(ready):
            log.warning("node up", node=node.name, url=node.member.url, state=str(ready.get("state"))[:40])
        self._nodes.keep_out_strangers()
        self._tell_strangers()
        return True

    def suspect(self, node: Node, reason: str) -> None:
        """A connection to a node was refused: it is down until it answers."""
        if node.gone(reason):
            self._down(node)

    async def _ready(self, node: Node) -> dict[str, Any]:
        answer = await node.call("GET", "/ready", timeout_s=self._timeout_s, op="health")
        try:
            ready = orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            raise Unanswered("what answers there is no node") from error
        if not isinstance(ready, dict) or "state" not in ready:
            raise Unanswered("what answers there is no node")
        return ready

    def _down(self, node: Node) -> None:
        log.error("node down", node=node.name, url=node.member.url, reason=node.why_down)
        self._went_down(node)

    def _tell_strangers(self) -> None:
        for node in self._nodes:
            if node.kept_out != self._told.get(node.name):
                self._told[node.name] = node.kept_out
                if node.kept_out is not None:
                    log.error("node kept out", node=node.name, url=node.member.url, reason=node.kept_out)
                    self._went_down(node)
                else:
                    log.warning("node let in", node=node.name)
