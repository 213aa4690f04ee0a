"""Lets clients in to an application: behind the guard, on bounded connections, at the sockets that are listened on."""

import re
import socket
from collections.abc import Callable, Sequence

from aiohttp import web

from . import errors
from .access import Access
from .connections import GuardedRunner, Limits
from .exposition import HttpTally
from .guard import Guard
from .incoming import Incoming
from .listening import BACKLOG, split_address
from .origin import Origins
from .process import client_connections


class Serving:
    """What lets clients in; the same before and after the application behind it changes.

    `files` are the open files kept for others than clients, `files_each` how many a client may take, `translate` tells
    the problem of an exception that the daemon knows.
    """

    def __init__(
        self,
        config: Incoming,
        *,
        exempt: frozenset[str],
        by_token: re.Pattern[str],
        translate: Callable[[Exception], errors.Problem | None],
        files: int,
        shutdown_s: float,
        files_each: int = 1,
        cluster_token: str | None = None,
    ) -> None:
        self.access = Access(config.basicauth, config.tokens, cluster_token)
        self.tally = HttpTally()
        self._config = config
        self._exempt = exempt
        self._by_token = by_token
        self._translate = translate
        self._files = files
        self._files_each = files_each
        self._shutdown_s = shutdown_s
        self._runner: web.AppRunner | None = None

    async def start(self, sockets: Sequence[socket.socket], app: web.Application) -> web.AppRunner:
        """Answer clients by an application; what is returned is cleaned up to end that."""
        config = self._config
        guard = Guard(
            self.access,
            Origins([split_address(config.address)[0]], config.public_url),
            exempt=self._exempt,
            by_token=self._by_token,
            max_in_flight=config.max_in_flight,
            translate=self._translate,
            observe=self.tally.observe,
        )
        limits = Limits(
            connections=client_connections(config.max_connections, self._files, self._files_each),
            headers_s=config.header_timeout,
            min_rate=config.client_min_rate,
            keepalive_s=config.keepalive,
        )
        self._runner = GuardedRunner(app, guard, limits, shutdown_s=self._shutdown_s)
        await self._runner.setup()
        for sock in sockets:
            await web.SockSite(self._runner, sock.dup(), backlog=BACKLOG).start()
        return self._runner

    def connections(self) -> int:
        """Return how many clients are connected."""
        server = self._runner.server if self._runner is not None else None
        return len(server.connections) if server is not None else 0
