"""A disk that fails or is slow under a running node: system calls that strace makes fail or last."""

import asyncio
import signal

import aiohttp
import pytest

from .injection import injected
from .processes import COMMAND, NodeProcess, health_times, until, without

PAUSED = {"url": "http://127.0.0.1:1/"}
HEALTH_WITHIN_S = 0.1
SLOW_FLUSH_US = 300_000  # three times as long, so that who waits for one is told from who does not
MIB = 1 << 20


async def push(http: aiohttp.ClientSession, node: NodeProcess) -> tuple[int, str | None]:
    """Add a job; returns the status and its uid or the problem's type, 0 where there is no node any more."""
    try:
        async with http.post(f"{node.url}/add", json=PAUSED) as answer:
            body = await answer.json()
            return answer.status, body["uid"] if answer.status == 201 else body["type"]
    except aiohttp.ClientError:
        return 0, None


async def push_some(http: aiohttp.ClientSession, node: NodeProcess, n: int) -> list[tuple[int, str | None]]:
    return [outcome for _ in range(n) for outcome in await asyncio.gather(*[push(http, node) for _ in range(8)])]


async def start_paused(http: aiohttp.ClientSession, node: NodeProcess, *flags: str) -> None:
    await node.start(*flags)
    async with http.post(f"{node.url}/queues/default/pause") as answer:
        assert answer.status == 200


async def all_there(http: aiohttp.ClientSession, node: NodeProcess, outcomes: list[tuple[int, str | None]]) -> int:
    """Look that every acknowledged job is there; returns how many."""
    uids = [uid for status, uid in outcomes if status == 201]
    for uid in uids:
        async with http.get(f"{node.url}/job/{uid}") as answer:
            assert answer.status == 200, uid
    return len(uids)


@pytest.mark.parametrize("inject", ["fdatasync:error=EIO:when=1+", "fdatasync:error=ENOSPC:when=1+"])
async def test_after_a_flush_that_failed_nothing_is_acknowledged_and_the_node_ends(node, http, inject):
    await start_paused(http, node)
    before = await push_some(http, node, 5)
    async with injected(node, inject):
        during = await push_some(http, node, 5)
        assert await node.wait() == 1
    assert {status for status, _ in before} == {201}
    assert {status for status, _ in during} <= {0, 503}
    assert (503, "unknown-outcome") in during
    assert len(node.events("failed")) == 1
    assert b"Traceback" not in node.log.read_bytes()
    await node.start()
    assert await all_there(http, node, before) == 40
    assert {status for status, _ in await push_some(http, node, 1)} == {201}


async def test_a_flush_that_fails_in_a_stop_is_told_and_ends_it_with_1(node, http):
    await start_paused(http, node)
    async with injected(node, "fdatasync:error=EIO:when=1+"):
        node.signal(signal.SIGTERM)
        assert await node.wait() == 1
    assert len(node.events("failed")) == 1
    assert node.events("stopped")[0]["failure"] == node.events("failed")[0]["reason"]
    assert b"Traceback" not in node.log.read_bytes()


async def test_a_node_that_swallowed_the_error_would_acknowledge_what_is_not_on_disk(node, http):
    node.command = without("swallow_flush_errors")
    await start_paused(http, node)
    async with injected(node, "fdatasync:error=EIO:when=1+"):
        assert (await push(http, node))[0] == 201


async def test_a_write_into_a_full_disk_fails_closed_and_gives_up_the_ballast(node, http):
    await start_paused(http, node, f"--ballast={MIB}")
    ballast = node.store / "BALLAST"
    assert ballast.stat().st_size == MIB
    before = await push_some(http, node, 5)
    [log] = node.store.glob("*.log")
    async with injected(node, "write:error=ENOSPC:when=1+", log):
        during = await push_some(http, node, 2)
        assert await node.wait() == 1
    assert {status for status, _ in during} <= {0, 503}
    assert not ballast.exists()
    await node.start(f"--ballast={MIB}")
    assert await all_there(http, node, before) == 40
    assert ballast.stat().st_size == MIB


async def test_a_node_that_swallowed_the_error_would_acknowledge_what_was_never_written(node, http):
    node.command = without("swallow_write_errors")
    await start_paused(http, node, "--ballast=0")
    [log] = node.store.glob("*.log")
    async with injected(node, "write:error=ENOSPC:when=1+", log):
        during = await push_some(http, node, 2)
    await node.kill()
    node.command = COMMAND
    await node.start()
    with pytest.raises(AssertionError):
        await all_there(http, node, during)


async def slow_answers(http: aiohttp.ClientSession, node: NodeProcess) -> tuple[float, set[int]]:
    """Return what share of looks at /health took long while flushes are slow, and how the adds meanwhile ended."""
    await start_paused(http, node)
    async with injected(node, f"fdatasync:delay_exit={SLOW_FLUSH_US}"):
        adding = asyncio.create_task(push_some(http, node, 8))
        looks = await health_times(node, adding.done, http=http)
    outcomes = await adding
    assert len(looks) >= 5
    await until(http, node, waiting=64)
    assert await all_there(http, node, outcomes) == 64
    return sum(look > HEALTH_WITHIN_S for look in looks) / len(looks), {status for status, _ in outcomes}


async def test_with_a_slow_disk_health_answers_in_time_and_adds_are_right(node, http):
    slow, statuses = await slow_answers(http, node)
    assert statuses == {201}
    assert slow <= 0.05


async def test_a_node_that_flushed_on_its_loop_would_not(node, http):
    node.command = without("flush_on_the_loop")
    slow, _ = await slow_answers(http, node)
    assert slow > 0.1
