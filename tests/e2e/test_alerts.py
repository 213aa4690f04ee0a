"""A node that fails tells its operator before it ends, and tells it once however often it is started again."""

import asyncio
import resource

import pytest
from aiohttp import web


@pytest.fixture
async def alerts(serve):
    """An operator's URL, and what it got."""
    got: list[dict] = []

    async def answer(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", answer)
    return f"{await serve(app)}/", got


async def fail(node, http) -> None:
    """Let a node fail: no file may grow any more."""
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (1, 1))
    async with http.post(f"{node.url}/add", data={"url": "http://127.0.0.1:1/"}) as answer:
        assert answer.status == 503
    assert await node.wait(15) == 1


async def test_a_failure_is_told_before_the_process_ends_and_only_once(node, http, alerts):
    url, got = alerts
    node.env["TASKPUSHER_ALERT_URL"] = url
    await node.start()
    await fail(node, http)
    assert [(one["alert"], one["state"]) for one in got] == [("failed", "open")]
    assert got[0]["text"].startswith("failed: ")
    await node.start()
    await fail(node, http)
    assert len(got) == 1


async def test_a_store_that_does_not_open_is_told(node, http, alerts):
    url, got = alerts
    await node.start()
    await node.kill()
    next(node.store.glob("MANIFEST-*")).write_bytes(b"damaged")
    node.env["TASKPUSHER_ALERT_URL"] = url
    with pytest.raises(AssertionError):
        await asyncio.wait_for(node.start(), 15)
    assert await node.wait(15) == 78
    assert [(one["alert"], one["state"]) for one in got] == [("failed", "open")]
    assert b"Traceback" not in node.log.read_bytes()
