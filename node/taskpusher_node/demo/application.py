"""The sample application: a small shop, whose endpoints answer well, slowly, now and then, or not at all.

A deploy broke its endpoint /invoice, until somebody POSTs to /admin/fix.
"""

import asyncio
import random
import socket
from contextlib import suppress
from time import monotonic
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

from taskpusher import headers

HOST = "127.0.0.1"
SITES = ("shop", "media", "partner", "warehouse")  # one application, on a port for each: a target host is host and port
DOWN = "webhooks"  # a port where nobody listens

_SHUTDOWN_S = 0.1
_HANG_S = 10.0
_LEASE_S = 15
_CRM_EVERY_S = 0.5
_CRM_AFTER_S = 3
_FRAMES_A_STEP = 250
_ACCEPTED = {headers.OUTCOME: f"accepted; lease={_LEASE_S}"}
_TRACEBACK = """\
TypeError: Invoice::total(): Argument #1 ($vat) must be of type float, null given in /srv/shop/invoice.php:42
Stack trace:
#0 /srv/shop/invoice.php(87): Invoice->total(NULL)
#1 /srv/shop/public/index.php(15): Invoice->render(Object(Order))
#2 {main}
"""

_dice = random.Random()  # noqa: S311 - no secret is drawn


class Application:
    """Listens from `async with` to its end. `node` is the URL of the node that hears of long jobs."""

    def __init__(self) -> None:
        self.urls: dict[str, str] = {}
        self.node = ""
        self._broken = True
        self._crm_free = 0.0
        self._recoding: set[asyncio.Task[None]] = set()
        self._refusing = socket.socket()  # bound, so that nobody else listens on its port
        app = web.Application()
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        await self._runner.setup()
        for _ in SITES:
            await web.TCPSite(self._runner, HOST, 0).start()
        self._refusing.bind((HOST, 0))
        addresses = [*self._runner.addresses, self._refusing.getsockname()]
        self.urls = {
            name: f"http://{HOST}:{address[1]}" for name, address in zip((*SITES, DOWN), addresses, strict=True)
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._recoding:
            task.cancel()
        await asyncio.gather(*self._recoding, return_exceptions=True)
        await self._runner.cleanup()
        await self._http.close()
        self._refusing.close()

    def host(self, name: str) -> str:
        """Return a site as the node's /targets calls it."""
        return URL(self.urls[name]).authority

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.post("/admin/fix", self._fix),
            web.post("/admin/break", self._break),
            web.post("/invoice", self._invoice),
            web.post("/stock", _flaky),
            web.post("/crm", self._crm),
            web.post("/recode", self._recode),
            web.get("/report", _slow),
            web.route("*", "/{path:.*}", _well),
        ]

    async def _fix(self, _: web.Request) -> web.Response:
        self._broken = False
        return web.Response(text="/invoice is mended: retry what failed, and it goes through\n")

    async def _break(self, _: web.Request) -> web.Response:
        self._broken = True
        return web.Response(text="/invoice is broken in three ways again\n")

    async def _invoice(self, request: web.Request) -> web.Response:
        order: int = (await request.json())["order"]
        if not self._broken:
            return web.json_response({"invoice": f"{order}.pdf"})
        way = order % 3
        if way == 0:
            return web.Response(status=500, text=_TRACEBACK)
        if way == 1:
            message = f"order {order} has no billing address"
            return web.json_response({"error": {"code": "no-address", "message": message}}, status=422)
        await asyncio.sleep(_HANG_S)  # the job's timeout is shorter
        return web.Response()

    async def _crm(self, _: web.Request) -> web.Response:
        """Take so many calls a second, and ask all others to come later."""
        now = monotonic()
        if now < self._crm_free:
            return web.Response(status=429, headers={"Retry-After": str(_CRM_AFTER_S)}, text="too many requests\n")
        self._crm_free = now + _CRM_EVERY_S
        return web.json_response({"synchronised": True})

    async def _recode(self, request: web.Request) -> web.Response:
        """Accept a long job, and go on by itself."""
        sent = request.headers
        task = asyncio.create_task(self._recode_film(sent[headers.JOB], sent[headers.TOKEN]))
        self._recoding.add(task)
        task.add_done_callback(self._recoding.discard)
        return web.Response(status=202, headers=_ACCEPTED)

    async def _recode_film(self, uid: str, token: str) -> None:
        steps = _dice.randint(20, 60)
        for step in range(steps):
            note = f"frame {step * _FRAMES_A_STEP:,} of {steps * _FRAMES_A_STEP:,}"
            if not await self._say(uid, token, "heartbeat", lease=_LEASE_S, percent=100 * step // steps, note=note):
                return  # somebody has cancelled it
            await asyncio.sleep(1)
        if _dice.random() < 0.1:  # noqa: PLR2004
            await self._say(uid, token, "fail", error="the sound ends before the picture does", retry=True)
        else:
            await self._say(uid, token, "complete", result={"frames": steps * _FRAMES_A_STEP})

    async def _say(self, uid: str, token: str, what: str, **told: object) -> bool:
        """Tell the node of a long job; returns whether the job is still ours, or the node may be back soon."""
        url = f"{self.node}/job/{uid}/{what}"
        with suppress(aiohttp.ClientConnectionError, TimeoutError):
            async with self._http.post(url, json=told, headers={headers.TOKEN: token}) as answer:
                return answer.ok or answer.status >= 500  # noqa: PLR2004
        return True


async def _well(_: web.Request) -> web.Response:
    await asyncio.sleep(_dice.uniform(0.02, 0.2))
    return web.json_response({"ok": True})


async def _slow(_: web.Request) -> web.Response:
    await asyncio.sleep(_dice.uniform(1, 5))
    return web.Response(text="month;orders;turnover\n2026-10;4711;81234.50\n", content_type="text/csv")


async def _flaky(_: web.Request) -> web.Response:
    if _dice.random() < 0.4:  # noqa: PLR2004
        return web.Response(status=500, text="deadlock found when trying to get lock; try restarting transaction\n")
    return web.json_response({"reserved": True})
