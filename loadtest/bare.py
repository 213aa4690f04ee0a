"""The bare aiohttp reference: what TaskPusher would do if it stored, checked and remembered nothing.

python bare.py PORT TARGET_URL IN_FLIGHT adds|drain|both

adds: a web.Application reads each body and answers JSON. drain: a ClientSession loop, so many calls in flight. both:
each add is one call later. It speaks as much of TaskPusher's HTTP as the bench needs to drive both in the same way.
"""

import asyncio
import gc
import sys
from itertools import count

import aiohttp
import uvloop
from aiohttp import web
from processes import LOOPBACK

UID = "0123456789abcdef0123456789abcdef-bench"


class Bare:
    """Counts what it answers and what it calls."""

    def __init__(self, target_url: str, mode: str) -> None:
        self._target_url = target_url
        self._mode = mode
        self._numbers = count()
        self._todo: asyncio.Queue[None] = asyncio.Queue()
        self._going = asyncio.Event()
        if mode != "drain":  # a drain begins when the bench resumes it
            self._going.set()
        self._states = {"waiting": 0, "running": 0, "completed": 0, "error": 0}

    def app(self) -> web.Application:
        """Return the application that adds come to."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/add", self._add),
                web.get("/ready", self._stats),
                web.get("/stats", self._stats),
                web.post("/queues/default/{verb}", self._pause),
            ]
        )
        return app

    async def call_for_ever(self, session: aiohttp.ClientSession) -> None:
        """Call the target again and again: one of the calls in flight."""
        states = self._states
        while True:
            await self._going.wait()
            if self._mode == "both":
                await self._todo.get()
                states["waiting"] -= 1
            states["running"] += 1
            async with session.get(f"{self._target_url}?b={next(self._numbers)}") as answer:
                await answer.read()
            states["running"] -= 1
            states["completed" if answer.status == 200 else "error"] += 1

    async def _add(self, request: web.Request) -> web.Response:
        await request.read()
        self._states["waiting"] += 1
        if self._mode == "both":
            self._todo.put_nowait(None)
        return web.json_response({"uid": UID}, status=201)

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response({"states": self._states})

    async def _pause(self, request: web.Request) -> web.Response:
        if request.match_info["verb"] == "pause":
            self._going.clear()
        else:
            self._going.set()
        return web.json_response({})


async def _main(port: int, target_url: str, in_flight: int, mode: str) -> None:
    bare = Bare(target_url, mode)
    runner = web.AppRunner(bare.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port, backlog=1024).start()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        gc.freeze()
        await asyncio.gather(*(bare.call_for_ever(session) for _ in range(in_flight)), asyncio.Event().wait())


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
