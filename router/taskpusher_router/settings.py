"""Keeps equal on all nodes what is said of queues, and tells each node its share of what the cluster limits.

Every queue of every node has a version. Where digests of all of them differ, each node is told the newest of every
queue that any node has; of two that are equally new a node takes the one whose digest is greater, so that all end at
the same.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
import structlog
from msgspec import Struct

from taskpusher.background import Background

from .nodes import Answer, Node, Nodes, NotReached, Unanswered
from .shares import Share, shares

_JSON = {"Content-Type": "application/json"}
_SHARE = ("members", "low", "high")


class _Known(Struct):
    name: str
    version: int


class _Records(Struct):
    queues: list[_Known]


_check_records = msgspec.json.Decoder(_Records).decode

Record = dict[str, Any]  # all that was said of one queue, as GET /cluster/queues tells it

log = structlog.get_logger()


class Settings(Background):
    """Looks again and again whether nodes differ, and mends it; what one change is to reach, it spreads at once."""

    def __init__(self, nodes: Nodes, *, every_s: float, timeout_s: float) -> None:
        self._nodes = nodes
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._shared: dict[str, Share] = {}  # by node: what it was told last
        self._complained: set[tuple[str, str]] = set()

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Mend what differs, as far as nodes answer."""
        heard = {node: (node.ready or {}).get("cluster") for node in self._nodes if node.usable}
        told = {node: said for node, said in heard.items() if isinstance(said, dict)}
        wanted = shares([node.member for node in self._nodes])
        await asyncio.gather(*(self._share(node, wanted[node.name], told[node]) for node in told))
        if len({said.get("settings") for said in told.values()}) > 1:
            await self._even_out(list(told))

    async def records(self, node: Node) -> list[Record] | None:
        """Return all that was said of queues at one node, None where it does not tell."""
        answer = await self._call(node, "GET", "/cluster/queues")
        if answer is None:
            return None
        try:
            _check_records(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._complain(node, "GET /cluster/queues", f"what it answers cannot be read: {error}")
            return None
        records: list[Record] = orjson.loads(answer.body)["queues"]
        return records

    async def spread(self, records: Iterable[Record], nodes: Sequence[Node]) -> list[str]:
        """Tell nodes some records; returns the names of those that were missed."""
        told = [(node, record) for record in records for node in nodes]
        taken = await asyncio.gather(*(self._put(node, record) for node, record in told))
        return sorted({node.name for (node, _), answer in zip(told, taken, strict=True) if answer is None})

    async def _share(self, node: Node, share: Share, said: dict[str, Any]) -> None:
        if [said.get(name) for name in _SHARE] == list(share):
            self._shared[node.name] = share
            return
        if self._shared.get(node.name) == share:
            self._complain(node, "share", "another router has other members: give all routers the same ones")
        body = orjson.dumps(share._asdict())
        if await self._call(node, "PUT", "/cluster", body) is not None:
            self._shared[node.name] = share

    async def _even_out(self, nodes: list[Node]) -> None:
        """Tell every node the newest record of each queue that it does not have."""
        all_records = await asyncio.gather(*map(self.records, nodes))
        of_nodes = {node: by_name(said) for node, said in zip(nodes, all_records, strict=True) if said is not None}
        for record in newest(of_nodes.values()):
            behind = [node for node, said in of_nodes.items() if said.get(record["name"]) != record]
            await self.spread([record], behind)

    async def _put(self, node: Node, record: Record) -> Answer | None:
        return await self._call(node, "PUT", f"/cluster/queues/{quote(record['name'], safe='')}", orjson.dumps(record))

    async def _call(self, node: Node, method: str, path: str, body: bytes | None = None) -> Answer | None:
        """Ask a node; None where it does not do it, which is said once and tried again at the next look."""
        try:
            answer = await node.call(
                method, path, body=body, sent=_JSON if body else {}, timeout_s=self._timeout_s, op="settings"
            )
        except (NotReached, Unanswered):
            return None
        if answer.status >= 300:  # noqa: PLR2004
            self._complain(node, f"{method} {path}", answer.body[:300].decode(errors="replace"))
            return None
        return answer

    def _complain(self, node: Node, what: str, why: str) -> None:
        if (node.name, what) not in self._complained:
            self._complained.add((node.name, what))
            log.warning("settings", node=node.name, what=what, reason=why)


def by_name(records: Iterable[Record]) -> dict[str, Record]:
    """Return records by the names of their queues."""
    return {record["name"]: record for record in records}


def newest(of_nodes: Iterable[dict[str, Record]]) -> list[Record]:
    """Return the newest records of each queue: mostly one, more where nodes were told different things at once."""
    found: dict[str, list[Record]] = {}
    for records in of_nodes:
        for name, record in records.items():
            known = found.setdefault(name, [record])
            if record["version"] > known[0]["version"]:
                found[name] = [record]
            elif record["version"] == known[0]["version"] and record not in known:
                known.append(record)
    return [record for known in found.values() for record in known]
