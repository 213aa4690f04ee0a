"""The router itself: alive, ready, drained, measured."""

import re

from aiohttp import web

from taskpusher import __version__
from taskpusher.exposition import Exposition
from taskpusher.phase import Phase
from taskpusher.web import bytes_response, json_response

from ..status import Status

OPEN_PATHS = frozenset({"/health", "/ready"})  # need no credentials
OPEN_CHANGES = re.compile(r"/job/[^/]+/(complete|fail|heartbeat)")  # need the token of a call, which the node looks at


class RouterApi:
    """Answers for the router alone; a drain of it is forgotten when it ends."""

    def __init__(self, status: Status, exposition: Exposition) -> None:
        self._status = status
        self._exposition = exposition

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.get("/health", self.health),
            web.get("/ready", self.ready),
            web.get("/metrics", self.metrics),
            web.post("/drain", self.drain),
            web.post("/resume", self.resume),
        ]

    async def health(self, _: web.Request) -> web.Response:
        """Answer while the process is alive."""
        return json_response({"status": "alive", "version": __version__})

    async def ready(self, _: web.Request) -> web.Response:
        """Answer 200 when a node is ready, else 503 with the reason."""
        status = self._status
        told = {
            "state": status.phase,
            "reason": status.reason,
            "warnings": status.warnings,
            "accepts_adds": status.accepts_adds,
            "name": None,
            "store_id": None,
            "version": __version__,
        }
        return json_response(told, status=200 if status.phase is Phase.READY else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """Answer with every metric of the router; Prometheus asks the nodes for theirs."""
        return bytes_response(*self._exposition.render())

    async def drain(self, _: web.Request) -> web.Response:
        """Hand on no new jobs; all else goes on."""
        return self._set_draining(on=True)

    async def resume(self, _: web.Request) -> web.Response:
        """Hand on new jobs again."""
        return self._set_draining(on=False)

    def _set_draining(self, *, on: bool) -> web.Response:
        self._status.draining = on
        return json_response({"state": self._status.phase, "reason": self._status.reason})
