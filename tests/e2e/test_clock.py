"""The wall clock of a running node steps by an hour, either way (libfaketime, which leaves the monotonic one alone)."""

import asyncio
import datetime as dt
from pathlib import Path

import aiohttp
import pytest

from .processes import NodeProcess, Target, add, job, until, without

HOUR_S = 3_600
RETENTION_S = 1_800


class Clock:
    """A file that says how far the wall clock of a process is off."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.step(0)

    def step(self, seconds: int) -> None:
        """Set the clock."""
        self._file.with_suffix(".new").write_text(f"{seconds:+d}\n")
        self._file.with_suffix(".new").rename(self._file)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to have this clock."""
        [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
async def node(tmp_path, clock):
    process = NodeProcess(tmp_path, f"--retention={RETENTION_S}", env=clock.environment)
    yield process
    await process.kill()


def time_of(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


async def ready(http: aiohttp.ClientSession, node: NodeProcess) -> dict:
    async with http.get(f"{node.url}/ready") as answer:
        return await answer.json()


async def warned(http: aiohttp.ClientSession, node: NodeProcess) -> None:
    """Wait until the node has seen the step."""
    async with asyncio.timeout(10):
        while "clock" not in (await ready(http, node))["warnings"]:
            await asyncio.sleep(0.05)


async def test_an_hour_ahead(node, http, target: Target, clock):
    await node.start()
    old = await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    running = await add(http, node, url=f"{target.url}/hang", timeout=60)
    await target.called(2)
    due = await add(http, node, url=f"{target.url}/ok", delay=HOUR_S / 2)
    late = await add(http, node, url=f"{target.url}/ok", delay=HOUR_S * 2)
    over = await add(http, node, url=f"{target.url}/ok", delay=HOUR_S * 2, ttl=1)
    spent = await add(http, node, url=f"{target.url}/ok", delay=60, queue="paused", ttl=60)
    async with http.post(f"{node.url}/queues/paused/pause"):
        pass
    clock.step(HOUR_S)
    await warned(http, node)
    new = await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=3, running=1, scheduled=2, error=1)
    assert (await job(http, node, spent))["error"]["kind"] == "expired"
    assert {(await job(http, node, uid))["state"] for uid in (old, due, new)} == {"completed"}
    assert {(await job(http, node, uid))["state"] for uid in (late, over)} == {"scheduled"}
    target.released.set()  # its timeout is a minute, and an hour has passed by the wall
    await until(http, node, completed=4)
    assert (await job(http, node, running))["attempts"][0]["duration"] < 60
    assert target.calls == dict.fromkeys((old, running, due, new), 1)
    assert sorted([old, running, due, late, over, spent, new]) == [old, running, due, late, over, spent, new]
    # the step is why what seems to be an hour old is still there: a start that knows of no step deletes it
    await node.kill()
    await node.start()
    async with asyncio.timeout(10):
        while True:
            async with http.get(f"{node.url}/job/{old}") as answer:
                if answer.status == 404:
                    break
            await asyncio.sleep(0.05)
    assert (await job(http, node, new))["state"] == "completed"


async def test_an_hour_back(node, http, target: Target, clock):
    await node.start()
    old = await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    running = await add(http, node, url=f"{target.url}/hang", timeout=60)
    await target.called(2)
    due = await add(http, node, url=f"{target.url}/ok", delay=2)
    clock.step(-HOUR_S)
    await warned(http, node)
    new = [await add(http, node, url=f"{target.url}/ok") for _ in range(3)]
    soon = await add(http, node, url=f"{target.url}/ok", delay=1)
    short = await add(http, node, url=f"{target.url}/ok", delay=HOUR_S * 2, ttl=1)
    await until(http, node, completed=5, running=1, scheduled=2)
    seen = await job(http, node, soon)
    assert 0.9 < time_of(seen["started_at"]) - time_of(seen["added_at"]) < 5
    assert time_of((await job(http, node, old))["ended_at"]) - time_of(seen["ended_at"]) > HOUR_S / 2
    assert (await job(http, node, due))["state"] == "scheduled"  # its time is an hour away again
    target.released.set()
    await until(http, node, completed=6)
    order = [old, running, due, *new, soon, short]
    assert sorted(order) == order
    async with http.get(f"{node.url}/jobs/completed") as answer:
        listed = [each["uid"] for each in (await answer.json())["jobs"]]
    assert listed[-1:] == [new[0]]
    assert sorted(listed) == sorted([old, running, *new, soon])
    clock.step(0)
    await until(http, node, completed=7, scheduled=1)
    assert target.calls == dict.fromkeys((old, running, due, *new, soon), 1)


async def test_uids_by_the_wall_clock_would_go_back(node, http, target: Target, clock):
    node.command = without("mint_by_the_wall_clock")
    await node.start()
    before = await add(http, node, url=f"{target.url}/ok")
    clock.step(-HOUR_S)
    assert await add(http, node, url=f"{target.url}/ok") < before
