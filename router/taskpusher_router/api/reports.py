"""What all nodes tell, added up: numbers, queues, targets, errors."""

from aiohttp import web

from taskpusher.web import ROLE, json_response

from .. import sums
from .fanout import Fanout


class ReportsApi:
    """Reads of all nodes."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.get("/stats", self.stats),
            web.get("/errors", self.groups),
            web.get("/targets", self.targets),
            web.get("/queues", self.queues),
            web.get("/queues/{name}", self.queue),
        ]

    async def stats(self, request: web.Request) -> web.Response:
        """Answer with the numbers that say how all nodes are doing."""
        told = await self._fanout.read_all(request)
        added = sums.stats(list(told.by_name.values()))
        return json_response({**added, "role": request[ROLE], **told.missing})

    async def groups(self, request: web.Request) -> web.Response:
        """Answer with the groups of the jobs in error, the largest first."""
        told = await self._fanout.read_all(request)
        return json_response({"groups": sums.groups(told.listed("groups")), **told.missing})

    async def targets(self, request: web.Request) -> web.Response:
        """Answer with the hosts that matter most."""
        told = await self._fanout.read_all(request)
        added = sums.targets(told.listed("targets"))
        known = max(len(added), *told.listed("known"))
        return json_response({"targets": added, "known": known, **told.missing})

    async def queues(self, request: web.Request) -> web.Response:
        """Answer with every queue."""
        told = await self._fanout.read_all(request)
        return json_response({"queues": sums.queues(told.listed("queues")), **told.missing})

    async def queue(self, request: web.Request) -> web.Response:
        """Answer with one queue, of the nodes that have it."""
        told = await self._fanout.read_all(request, may_lack=True)
        return json_response({**sums.queue(list(told.by_name.values())), **told.missing})
