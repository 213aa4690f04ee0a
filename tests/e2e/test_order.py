"""Ordered lines in real nodes: no two calls of a key at once, in order of arrival, over kills and stops."""

import asyncio
import signal
from collections import defaultdict

import pytest
from aiohttp import web

from .processes import add, counts, until

KEYS = "abcde"
JOBS = 12
CALL_S = 0.01
KILLS = 2


class Witness:
    """An application that writes down which calls of a key begin, and whether another one of it was open then."""

    def __init__(self) -> None:
        self.url = ""
        self.begun: dict[str, list[str]] = defaultdict(list)
        self.open: dict[str, set[str]] = defaultdict(set)
        self.together: list[tuple[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        key, uid = request.match_info["key"], request.headers["TaskPusher-Job"]
        self.together += [(key, other) for other in self.open[key]]
        self.begun[key].append(uid)
        self.open[key].add(uid)
        await asyncio.sleep(CALL_S)
        self.open[key].discard(uid)
        return web.Response(text="ok", status=500 if len(self.begun[key]) % 5 == 0 else 200)

    def cut(self) -> None:
        """The node was killed: calls that were open are interrupted, and will come again."""
        self.open.clear()


@pytest.fixture
async def witness(serve):
    application = Witness()
    app = web.Application()
    app.router.add_get("/{key}", application.answer)
    application.url = await serve(app)
    return application


def in_order(uids: list[str]) -> list[str]:
    """Return uids as they came first."""
    return list(dict.fromkeys(uids))


async def test_over_kills_no_two_calls_of_a_key_run_at_once_and_each_line_keeps_its_order(node, http, witness):
    await node.start("--concurrency=8")
    added: dict[str, list[str]] = defaultdict(list)
    for _ in range(JOBS):
        for key in KEYS:
            added[key].append(await add(http, node, url=f"{witness.url}/{key}", key=key, ordered=True))
    for kill in range(KILLS):
        async with asyncio.timeout(20):
            while sum(map(len, witness.begun.values())) < (kill + 1) * len(KEYS) * 2:
                await asyncio.sleep(0.005)
        await node.kill()
        witness.cut()
        await node.start("--concurrency=8")
    await until(http, node, waiting=0, running=0, scheduled=0)
    assert witness.together == []
    assert {key: in_order(uids) for key, uids in witness.begun.items()} == added
    again = sum(len(uids) - len(set(uids)) for uids in witness.begun.values())
    assert again <= KILLS * len(KEYS)


async def test_a_stop_runs_a_line_to_its_end(node, http, witness):
    await node.start("--concurrency=4")
    uids = [await add(http, node, url=f"{witness.url}/k", key="k", ordered=True) for _ in range(20)]
    node.signal(signal.SIGTERM)
    assert await node.wait() == 0
    assert witness.begun["k"] == uids
    await node.start()
    seen = await counts(http, node)
    assert (seen["waiting"], seen["completed"] + seen["error"]) == (0, 20)


async def test_the_last_of_many_updates_of_a_text_is_called_whatever_is_killed(node, http, witness):
    await node.start()
    for n in range(30):
        async with http.post(
            f"{node.url}/add", json={"url": f"{witness.url}/{n}", "unique": "t", "on_conflict": "after"}
        ) as answer:
            assert answer.status in (200, 201)
        if n % 15 == 9:
            await node.kill()
            await node.start()
        await asyncio.sleep(CALL_S / 3)
    await until(http, node, waiting=0, running=0, scheduled=0)
    assert "29" in witness.begun
    assert len(witness.begun) < 30
