"""One verb done to many jobs of all nodes: one node after the other, in the order of their names.

A client calls again with `last_uid` until it is null: on a router NODE!POSITION, of which the position is the node's.
"""

from time import monotonic
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

from taskpusher import errors
from taskpusher.fields import FORM, Pairs, query_and_form
from taskpusher.uid import name_of
from taskpusher.web import json_response

from .fanout import Fanout
from .query import read_limit, take

BULK_MAX = 1_000


class _Walk:
    """How far a call has come; `left` is None where the limit is for the nodes to refuse."""

    def __init__(self, left: int | None) -> None:
        self.left = left
        self.done = 0
        self.examined = 0
        self.last_uid: str | None = None
        self.missing: list[str] = []

    def add(self, name: str, told: dict[str, Any] | None) -> None:
        """Count what a node has done, None where it did not answer."""
        if told is None:
            self.missing.append(name)
            return
        self.done += told["done"]
        self.examined += told["examined"]
        if self.left is not None:
            self.left -= told["done"]
        if told["last_uid"] is not None:
            self.last_uid = f"{name}!{told['last_uid']}"


class BulkApi:
    """Changes many jobs."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.post("/jobs/{state}/retry", self.change),
            web.post("/jobs/{state}/cancel", self.change),
            web.delete("/jobs/{state}", self.change),
        ]

    async def change(self, request: web.Request) -> web.Response:
        """Go on where the last call ended, until as many jobs are changed as may be, or the time of a call is over."""
        ends = monotonic() + self._fanout.timeout_s
        own, rest = take(await query_and_form(request), ("limit", "last_uid"))
        first, position = self._place(own.get("last_uid"))
        walk = _Walk(read_limit(own.get("limit"), BULK_MAX))
        for name in sorted(node.name for node in self._fanout.nodes if node.name >= first):
            if walk.left == 0 or monotonic() > ends:
                walk.last_uid = f"{name}!"
                break
            pairs = [*rest, ("limit", own["limit"] if walk.left is None else str(walk.left))]
            if name == first and position:
                pairs.append(("last_uid", position))
            walk.add(name, await self._change(request, name, pairs))
            if walk.last_uid is not None:
                break
        if walk.missing:
            self._fanout.check_any(walk.missing)
            self._fanout.count_partial(request)
        told = {"done": walk.done, "examined": walk.examined, "last_uid": walk.last_uid}
        return json_response({**told, "partial": bool(walk.missing), "missing": walk.missing})

    async def _change(self, request: web.Request, name: str, pairs: Pairs) -> dict[str, Any] | None:
        """Return what one node has done, None where it does not answer: what it did, it does not do again."""
        try:
            answers = await self._fanout.ask(
                request,
                {name: request.rel_url.raw_path},
                body=urlencode(pairs).encode(),
                sent={"Content-Type": FORM},
            )
        except errors.UnknownAtNode:
            return None
        told: dict[str, Any] | None = orjson.loads(answers.given[name].body) if name in answers.given else None
        return told

    def _place(self, last_uid: str | None) -> tuple[str, str]:
        """Return the node at which to go on, and from which of its positions; raises CursorGone."""
        if last_uid is None:
            return "", ""
        name, mark, position = last_uid.partition("!")
        if mark:
            return name, position
        owner = name_of(last_uid)
        if owner is None or self._fanout.nodes.get(owner) is None:
            raise errors.CursorGone(f"{last_uid[:100]} is no place to go on from: begin again without last_uid")
        return owner, last_uid
