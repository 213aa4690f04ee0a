"""Holding a target host back, and letting it go, on all nodes."""

import orjson
from aiohttp import hdrs, web

from taskpusher.web import json_response

from .. import sums
from .fanout import Fanout

_SOME_MISSED = 207


class TargetsApi:
    """Holds and releases hosts."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [web.post(f"/targets/{{host}}/{verb}", self.tell_all) for verb in ("hold", "release")]

    async def tell_all(self, request: web.Request) -> web.Response:
        """Tell every node; 207 where one was missed, which does not learn of it later."""
        body = await request.read()
        sent = {"Content-Type": request.headers[hdrs.CONTENT_TYPE]} if hdrs.CONTENT_TYPE in request.headers else {}
        answers = await self._fanout.ask_all(request, request.rel_url.raw_path_qs, body=body or None, sent=sent)
        self._fanout.check(request, answers)
        added = sums.target([orjson.loads(answer.body) for answer in answers.given.values()])
        return json_response({**added, **answers.told()}, status=_SOME_MISSED if answers.missing else 200)
