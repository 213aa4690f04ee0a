"""A shop that jobs are called at: a deploy breaks its endpoints, each in a way of its own, and somebody mends them."""

import asyncio
from collections import Counter

import aiohttp
from aiohttp import web

from ..e2e.processes import NodeProcess

WAYS = ("charge", "mail", "label")  # what it has endpoints for, and how each fails: see _fail
TRACEBACK = """KeyError: total
  File "shop/charge.py", line 12, in charge
    amount = order["total"]  # renamed to "sum" by release 81
"""


class Shop:
    """Answers calls by the name of an endpoint; a mended one waits with its answers while `open` is not set."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.open = asyncio.Event()
        self.done: Counter[str] = Counter()  # calls that were answered well, by endpoint
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_post("/{name}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.open.set()

    async def stop(self) -> None:
        """Close it."""
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await request.read()
        if name in self.broken:
            return self._fail(name, request)
        await self.open.wait()
        self.done[name] += 1
        return web.json_response({"done": name})

    def _fail(self, name: str, request: web.Request) -> web.Response:
        if name == "charge":
            return web.Response(status=500, text=TRACEBACK)
        if name == "mail":
            return web.json_response({"error": "template welcome.html is missing"}, status=422)
        assert request.transport is not None
        request.transport.abort()  # as a process does that is killed
        return web.Response()


async def order(http: aiohttp.ClientSession, node: NodeProcess, shop: Shop, n: int, name: str, **given: object) -> None:
    """Add so many jobs of an endpoint."""
    job = {"url": f"{shop.url}/{name}", "method": "POST", "queue": name, **given}
    jobs = [{**job, "body": {"order": i}} for i in range(n)]
    async with http.post(f"{node.url}/add", json=jobs) as answer:
        assert answer.status == 201, await answer.text()
