"""A guarded application on a free port, and a client that checks what every answer has in common."""

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Self

import aiohttp
from aiohttp import web

from taskpusher import __version__, errors
from taskpusher.access import Access, Token
from taskpusher.connections import GuardedRunner, Limits
from taskpusher.guard import Guard
from taskpusher.origin import Origins
from taskpusher.web import ROLE, USER, json_response

LIMITS = {"connections": 100, "headers_s": 10.0, "min_rate": 1024, "keepalive_s": 75.0}


def basic(credentials: str, scheme: str = "Basic") -> str:
    """Return the header of a user and a password."""
    return f"{scheme} {base64.b64encode(credentials.encode()).decode()}"


class Server:
    """Serves /in, /open (to anybody), /raise/{what}, /read (the body), /hang (until released), /big/{bytes}."""

    def __init__(
        self,
        credentials: str | None = None,
        *tokens: Token,
        cluster_token: str | None = None,
        public_url: str | None = None,
        max_in_flight: int = 100,
        **limits: float,
    ) -> None:
        translate = lambda error: errors.Stalled("later", retry_after_s=7) if isinstance(error, LookupError) else None  # noqa: E731
        self.access = Access(credentials, tokens, cluster_token)
        self._guard = Guard(
            self.access,
            Origins(["127.0.0.1", "node.example"], public_url),
            exempt=frozenset({"/open"}),
            by_token=re.compile("/by/[^/]+/token"),
            max_in_flight=max_in_flight,
            translate=translate,
            observe=lambda request, status, _: self.observed.append((request.path, status)),
        )
        self.observed: list[tuple[str, int]] = []
        self._limits = Limits(**{**LIMITS, **limits})
        self.released = asyncio.Event()
        self._app = web.Application()
        routes: list[tuple[str, Callable]] = [
            ("/open", self._ok),
            ("/by/{whom}/token", self._ok),
            ("/in", self._ok),
            ("/raise/{what}", self._raise),
            ("/read", self._read),
            ("/hang", self._hang),
            ("/big/{bytes}", self._big),
        ]
        self._app.add_routes([web.route("*", path, handler) for path, handler in routes])
        self._app.add_routes([web.get("/get", self._ok)])

    async def _ok(self, request: web.Request) -> web.Response:
        return json_response({"user": request.get(USER), "role": request.get(ROLE)})

    async def _read(self, request: web.Request) -> web.Response:
        return json_response({"bytes": len(await request.read())})

    async def _hang(self, _: web.Request) -> web.Response:
        await self.released.wait()
        return json_response({})

    async def _big(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(request.match_info["bytes"]) // 65_536):
            await response.write(b" " * 65_536)
        return response

    async def _raise(self, request: web.Request) -> web.Response:
        raise {
            "bug": ZeroDivisionError("secret"),
            "known": LookupError("known"),
            "problem": errors.UnknownOutcome("perhaps", retry_after_s=5, uid="x"),
            "gone": web.HTTPGone(),
            "large": web.HTTPRequestEntityTooLarge(1, 2),
        }[request.match_info["what"]]

    async def __aenter__(self) -> Self:
        self.runner = GuardedRunner(self._app, self._guard, self._limits, shutdown_s=0.05)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.address = self.runner.addresses[0][:2]
        self._http = aiohttp.ClientSession(f"http://127.0.0.1:{self.address[1]}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.released.set()
        await self._http.close()
        await self.runner.cleanup()

    async def ask(self, path: str, authorization: str | None = None, method: str = "GET", **sent: str):
        """Return (status, headers, JSON); every answer has the version."""
        told = {name.replace("_", "-"): value for name, value in sent.items()}
        if authorization is not None:
            told["Authorization"] = authorization
        async with self._http.request(method, path, headers=told) as answer:
            assert answer.headers["TaskPusher-Version"] == __version__
            assert answer.status < 400 or answer.content_type == "application/problem+json", (path, answer)
            body = None if method == "HEAD" else await answer.json(content_type=None)
            return answer.status, answer.headers, body

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and say nothing."""
        return await asyncio.open_connection(*self.address)

    def open_connections(self) -> int:
        """Return how many connections there are."""
        return len(self.runner.server._open)
