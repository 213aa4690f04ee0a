"""GET /jobs/{state} of all nodes as one listing."""

from math import ceil, sqrt
from time import monotonic
from typing import NamedTuple

from aiohttp import web

from taskpusher import errors, fields
from taskpusher.job import ALSO_CALLED
from taskpusher.position import Position
from taskpusher.uid import name_of
from taskpusher.web import json_response

from ..merge import BadPage, NodePage, merge, position_of, read
from .fanout import Answers, Fanout
from .query import read_limit, read_partial, take, with_query

PAGE_MAX = 100


class _Asked(NamedTuple):
    """What a client asks for: of `limit`, None where it is for the nodes to refuse, and all that nodes are asked."""

    path: str
    state: str
    limit: int | None
    after: Position | None
    rest: fields.Pairs

    def path_for(self, after: Position | None, limit: int) -> str:
        """Return what a node is asked for a part of a page."""
        pairs = list(self.rest)
        if self.limit is not None:
            pairs.append(("limit", str(limit)))
        if after is not None:
            pairs.append(("last_uid", str(after)))
        return with_query(self.path, pairs)


class ListingsApi:
    """Lists jobs."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [web.get("/jobs/{state}", self.listing)]

    async def listing(self, request: web.Request) -> web.Response:
        """Answer with a page of the jobs in a state, of all nodes."""
        deadline = monotonic() + self._fanout.timeout_s
        partial_ok, pairs = read_partial(request)
        asked = await self._asked(request, pairs)
        limit = asked.limit or PAGE_MAX

        share = _share(limit, len(self._fanout.nodes.usable()))
        answers = await self._fanout.ask_all(request, asked.path_for(asked.after, share))
        pages, full = _read(asked.state, answers, share)
        self._fanout.check(request, answers, partial_ok=partial_ok)
        while True:
            merged = merge(asked.state, pages, after=asked.after, limit=limit)
            # who stopped before its page was full has looked at as many entries as one call may
            again = merged.behind & full
            left_s = deadline - monotonic()
            if not again or left_s <= 0:
                break
            more = limit - len(merged.jobs)
            paths = {name: asked.path_for(pages[name].scanned_to, more) for name in sorted(again)}
            further, still_full = _read(asked.state, await self._fanout.ask(request, paths, timeout_s=left_s), more)
            full = full - again | still_full
            pages |= {name: pages[name].then(page) for name, page in further.items()}
        position = str(merged.position) if merged.position is not None else None
        return json_response({"jobs": merged.jobs, "last_uid": position, "scanned_to": position, **answers.told()})

    async def _asked(self, request: web.Request, pairs: fields.Pairs) -> _Asked:
        name = request.match_info["state"]
        state = ALSO_CALLED.get(name, name)
        own, rest = take(pairs, ("limit", "last_uid"))
        limit = read_limit(own.get("limit"), PAGE_MAX)
        if limit is None:
            rest.append(("limit", own["limit"]))
        after = await self._after(request, state, own["last_uid"]) if "last_uid" in own else None
        return _Asked(request.rel_url.raw_path, state, limit, after, rest)

    async def _after(self, request: web.Request, state: str, last_uid: str) -> Position:
        """Return the position that a client goes on from; one that is a job's is told by its node."""
        try:
            return Position.parse(last_uid)
        except ValueError:
            pass
        gone = errors.CursorGone(f"{last_uid[:100]} is not in {state}: begin again without last_uid")
        owner = name_of(last_uid)
        if owner is None or self._fanout.nodes.get(owner) is None:
            raise gone
        try:
            answers = await self._fanout.ask(request, {owner: f"/job/{last_uid}"}, may_lack=True)
            self._fanout.check(request, answers, partial_ok=False)
            position = position_of(state, answers.given[owner].body) if owner in answers.given else None
        except BadPage as error:
            raise errors.OwnerDown(f"what {owner} answers is no job") from error
        if position is None:
            raise gone
        return position


def _share(limit: int, nodes: int) -> int:
    """Return how many jobs each node is asked for first: so many that a second call is rarely needed."""
    if nodes < 2:  # noqa: PLR2004
        return limit
    even = limit / nodes
    return min(limit, ceil(even + 2 * sqrt(even)))


def _read(state: str, answers: Answers, asked: int) -> tuple[dict[str, NodePage], set[str]]:
    """Return the pages that nodes answered, and whose are full; what is no page is missing."""
    pages: dict[str, NodePage] = {}
    for name, answer in list(answers.given.items()):
        try:
            pages[name] = read(state, answer.body)
        except BadPage:
            del answers.given[name]
            answers.missing.append(name)
    return pages, {name for name, page in pages.items() if len(page.jobs) >= asked}
