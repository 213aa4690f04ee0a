"""Stopping: what was ready is run down, what comes meanwhile is kept, nothing runs twice, nothing is lost."""

import asyncio
import signal

import aiohttp

from .processes import add, job, until


async def test_with_a_drain_timeout_nothing_runs_twice_and_nothing_is_lost(node, http, target):
    await node.start("--drain-timeout=2", "--concurrency=4")
    uids = [await add(http, node, url=f"{target.url}/slow?s=0.5") for _ in range(44)]
    await until(http, node, running=4)
    node.signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    async with http.get(f"{node.url}/ready") as answer:
        ready = await answer.json()
        assert (answer.status, ready["state"], ready["accepts_adds"]) == (503, "stopping", True)
    parked = await add(http, node, url=f"{target.url}/ok")
    assert await node.wait() == 0
    ran_before = sum(target.calls[uid] for uid in uids)
    assert 4 <= ran_before < 44
    assert target.calls[parked] == 0

    await node.start("--concurrency=16")
    await until(http, node, completed=45)
    assert [target.calls[uid] for uid in [*uids, parked]] == [1] * 45


async def test_without_a_drain_timeout_the_queue_is_run_down(node, http, target):
    await node.start("--concurrency=4")
    uids = [await add(http, node, url=f"{target.url}/slow?s=0.1") for _ in range(44)]
    delayed = await add(http, node, url=f"{target.url}/ok", delay=0.5)
    await until(http, node, running=4)
    node.signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    parked = await add(http, node, url=f"{target.url}/ok")
    assert await node.wait() == 0
    assert [target.calls[uid] for uid in uids] == [1] * 44
    assert (target.calls[parked], target.calls[delayed]) == (0, 0)
    await node.start()
    await until(http, node, completed=46)


async def test_what_a_paused_queue_holds_does_not_keep_a_stop_waiting(node, http, target):
    await node.start()
    await add(http, node, url=f"{target.url}/ok", queue="other")
    await until(http, node, completed=1)
    async with http.post(f"{node.url}/queues/other/pause") as answer:
        assert answer.status == 200
    held = await add(http, node, url=f"{target.url}/ok", queue="other")
    node.signal(signal.SIGTERM)
    assert await node.wait(5) == 0
    assert target.calls[held] == 0


async def test_a_call_that_outlives_the_grace_is_aborted_and_uses_up_no_try(node, http, target):
    await node.start("--drain-timeout=0", "--stop-grace=0.3")
    uid = await add(http, node, url=f"{target.url}/hang")
    await until(http, node, running=1)
    node.signal(signal.SIGTERM)
    assert await node.wait(5) == 0
    target.released.set()
    await node.start()
    await until(http, node, completed=1)
    seen = await job(http, node, uid)
    assert (seen["attempt"], seen["tries"], seen["crashes"]) == (2, 1, 0)
    assert seen["attempts"][1]["outcome"] == "aborted"


async def test_a_second_signal_skips_to_the_abort(node, http, target):
    await node.start()
    await add(http, node, url=f"{target.url}/hang")
    await until(http, node, running=1)
    node.signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    assert node.process.returncode is None
    node.signal(signal.SIGINT)
    assert await node.wait(5) == 0


async def test_a_wait_ends_at_once_when_the_node_stops(node, http, target):
    await node.start("--drain-timeout=0", "--stop-grace=1")
    uid = await add(http, node, url=f"{target.url}/hang")
    await until(http, node, running=1)
    waiting = asyncio.create_task(_state_after_wait(http, f"{node.url}/job/{uid}/wait?timeout=60"))
    await asyncio.sleep(0.2)
    node.signal(signal.SIGTERM)
    assert await asyncio.wait_for(waiting, 0.9) == "running"
    assert await node.wait(5) == 0


async def test_a_drained_node_stays_drained_over_a_restart_and_goes_on_running_jobs(node, http, target):
    await node.start()
    delayed = await add(http, node, url=f"{target.url}/ok", delay=1)
    async with http.post(f"{node.url}/drain") as answer:
        assert answer.status == 200
    await node.kill()
    await node.start()
    async with http.post(f"{node.url}/add", data={"url": target.url}) as refused:
        assert (refused.status, (await refused.json())["type"]) == (503, "draining")
        assert refused.headers["Retry-After"]
    await until(http, node, completed=1)
    assert target.calls[delayed] == 1
    async with http.post(f"{node.url}/resume") as answer:
        assert answer.status == 200
    await add(http, node, url=f"{target.url}/ok")


async def _state_after_wait(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as answer:
        return (await answer.json())["state"]
