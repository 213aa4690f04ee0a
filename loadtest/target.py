"""The target of the kill test: answers 200 to everything, and remembers which uid was called at which URL how often.

python target.py PORT
"""

import asyncio
import random
import sys
from collections import Counter

import uvloop
from aiohttp import web
from processes import LOOPBACK

UID = "TaskPusher-Job"
_SLOWEST_S = 0.010  # calls take a while, so that a kill finds some of them on their way


def app() -> web.Application:
    """Return the application; its /calls gives [uid, URL, times] of every call so far."""
    calls: Counter[tuple[str, str]] = Counter()

    async def called(request: web.Request) -> web.Response:
        calls[request.headers[UID], request.path_qs] += 1
        await asyncio.sleep(random.random() * _SLOWEST_S)
        return web.Response(text="ok")

    async def show(_: web.Request) -> web.Response:
        return web.json_response([[uid, url, times] for (uid, url), times in calls.items()])

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({})

    made = web.Application()
    made.add_routes([web.get("/ready", ready), web.get("/calls", show), web.route("*", "/job/{number}", called)])
    return made


async def _main(port: int) -> None:
    runner = web.AppRunner(app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
