"""POST /add on a router: each job to its node, as the client sent it; every answer after the node's flush."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import web
from msgspec import Raw

from taskpusher import codec, errors
from taskpusher.adding import (
    MEDIA_RULE,
    Kind,
    add_lines,
    check_count,
    form_of,
    given,
    header_keys,
    status_of_many,
    trace_of,
)
from taskpusher.web import document_response, json_response

from .. import placing
from ..config import Config
from ..pipe import Handed
from ..placer import RETRY_AFTER_S, Asked, Placer, asked_of

Trace = dict[str, str]

_LATER = frozenset({429, 503, 507})  # it may be taken when it is sent again


class AddApi:
    """Takes jobs."""

    def __init__(self, placer: Placer, config: Config, draining: Callable[[], bool]) -> None:
        self._placer = placer
        self._config = config
        self._draining = draining
        self.rejected: Counter[str] = Counter()  # how many jobs were not stored, by the type of the problem

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [web.post("/add", self.add)]

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Hand on what the body, or the query, asks for."""
        try:
            self._check_draining()
            return await self._add(request)
        except errors.Problem as problem:
            self.rejected[problem.type] += 1
            raise

    def _check_draining(self) -> None:
        if self._draining():
            raise errors.Draining("the router is drained; POST /resume takes jobs again", retry_after_s=5)

    async def _add(self, request: web.Request) -> web.StreamResponse:
        trace = trace_of(request)
        keys = header_keys(request)
        kind, body = await given(request, keys, self._config.max_request_bytes)
        if kind is Kind.ONE:
            return await self._add_one(asked_of(placing.of_json(body, keys), "json", body, trace, keys))
        if kind is Kind.FORM:
            place = placing.of_form(form_of(*body), keys)
            text = "&".join(part for part in (body[0], body[1].decode()) if part)
            return await self._add_one(asked_of(place, "form", codec.to_json(text), trace, keys))
        if kind is Kind.MANY:
            return await self._add_many(body, trace)
        if kind is Kind.LINES:
            return await self._add_lines(request, trace)
        raise errors.UnsupportedMediaType(MEDIA_RULE)

    async def _add_one(self, asked: Asked) -> web.Response:
        handed = await self._placer.add(asked)
        if handed.error is not None:
            return self._refused(handed.error)
        return json_response(_told(handed), status=handed.status, location=f"/job/{handed.uid}")

    async def _add_many(self, parts: list[Raw], trace: Trace) -> web.Response:
        check_count(parts, self._config.max_batch)
        results = await self._hand_on([bytes(part) for part in parts], trace)
        return json_response(results, status=status_of_many(results))

    async def _add_lines(self, request: web.Request, trace: Trace) -> web.StreamResponse:
        async def store(parts: list[bytes]) -> list[dict[str, Any]]:
            self._check_draining()
            return await self._hand_on(parts, trace)

        return await add_lines(request, store, max_line=self._config.max_request_bytes, rejected=self.rejected)

    async def _hand_on(self, parts: list[bytes], trace: Trace) -> list[dict[str, Any]]:
        """Hand each job to its node on its own merits; returns a result for each, in order."""
        results = await asyncio.gather(*(self._one_of_many(part, trace) for part in parts))
        self.rejected.update(result["error"]["type"] for result in results if "error" in result)
        return results

    async def _one_of_many(self, part: bytes, trace: Trace) -> dict[str, Any]:
        try:
            handed = await self._placer.add(asked_of(placing.of_json(part), "json", part, trace, ()))
        except errors.Problem as problem:
            return {"error": problem.document()}
        return {"error": handed.error} if handed.error is not None else {**_told(handed), "status": handed.status}

    def _refused(self, document: dict[str, Any]) -> web.Response:
        """Return the answer that tells a node's problem as the node's own would."""
        self.rejected[str(document.get("type"))] += 1
        return document_response(document, RETRY_AFTER_S if document["status"] in _LATER else None)


def _told(handed: Handed) -> dict[str, Any]:
    told: dict[str, Any] = {"uid": handed.uid}
    if handed.deduplicated:
        told["deduplicated"] = True
    if handed.replaced:
        told["replaced"] = True
    return told
