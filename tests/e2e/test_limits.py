"""Limits as an application sees them: how many calls of a key it has at once, and how many came in a time."""

import asyncio
from collections import Counter
from time import monotonic

import pytest
from aiohttp import web

from .processes import add, until

LIMITS = {"a": 1, "b": 2, "c": 5}
JOBS = 30  # of each key
CALL_S = 0.03


class Application:
    """Answers /KEY after a moment; it knows how many calls of each key it has, the most it had, and when they came."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.times: list[float] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        self.times.append(monotonic())
        self.now[key] += 1
        self.most[key] = max(self.most[key], self.now[key])
        await asyncio.sleep(CALL_S if key in LIMITS else 0)
        self.now[key] -= 1
        return web.Response(text="ok")

    async def called(self, n: int) -> None:
        async with asyncio.timeout(20):
            while len(self.times) < n:
                await asyncio.sleep(0.005)


@pytest.fixture
async def application(serve):
    application = Application()
    app = web.Application()
    app.router.add_get("/{key}", application.answer)
    application.url = await serve(app)
    return application


async def test_an_application_never_has_more_calls_of_a_key_than_its_limit_through_a_kill(node, http, application):
    await node.start("--concurrency=16")
    for _ in range(JOBS):
        for key, calls in LIMITS.items():
            await add(http, node, url=f"{application.url}/{key}", limit={"key": key, "concurrency": calls})
    await application.called(JOBS // 2)
    await node.kill()
    await asyncio.sleep(2 * CALL_S)  # what the application still does, nobody waits for any more
    assert sum(application.now.values()) == 0
    await node.start("--concurrency=16")
    await until(http, node, completed=len(LIMITS) * JOBS)
    assert all(application.most[key] <= calls for key, calls in LIMITS.items())
    assert application.most["b"] == LIMITS["b"]  # and not fewer


async def test_a_rate_gives_no_more_than_its_bucket_and_the_time_since_also_over_a_kill(node, http, application):
    await node.start("--concurrency=16")
    begun = monotonic()
    for _ in range(12):
        await add(http, node, url=f"{application.url}/r", limit={"key": "r", "rate": 5, "per": 1})
    await application.called(6)
    await node.kill()
    await node.start("--concurrency=16")
    await until(http, node, completed=12)
    for n, time in enumerate(application.times, 1):
        assert n <= 5 + 5 * (time - begun)
