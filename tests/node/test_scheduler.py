"""The scheduler: what is due becomes ready in time, whatever the clock and the hints do."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from taskpusher import uid as uids
from taskpusher.clock import unix_ms
from taskpusher.job import Spec
from taskpusher_node.lifecycle import State
from taskpusher_node.scheduler import Scheduler
from taskpusher_node.store.base import NewJob, Pause
from taskpusher_node.store.rocksdb import RocksStore


class Clock:
    """The wall clock, moved by hand."""

    def __init__(self) -> None:
        self.step_ms = 0

    def __call__(self) -> int:
        return unix_ms() + self.step_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path, clock) -> AsyncIterator[RocksStore]:
    store = await RocksStore.open(tmp_path / "store", "n1", now_ms=clock)
    scheduler = Scheduler(store, clock)
    scheduler.start()
    await asyncio.sleep(0.05)  # it has looked, and found nothing
    yield store
    await scheduler.stop()
    await store.close()


async def _add(store, clock, delay_ms, **fields):
    uid = uids.mint("n1")
    await store.put_new([NewJob(uid, Spec(url="http://a/", host="a:80", **fields), clock(), clock() + delay_ms)])
    return uid


async def _waits_for(store, uid, state, within_s=5.0) -> float:
    start = time.monotonic()
    async with asyncio.timeout(within_s):
        while store.get(uid).head.state is not state:
            await asyncio.sleep(0.001)
    return time.monotonic() - start


async def test_a_delayed_job_waits_its_time_and_not_much_longer(store, clock):
    uid = await _add(store, clock, 300)
    assert 0.25 < await _waits_for(store, uid, State.WAITING) < 0.45


async def test_a_sooner_job_is_not_kept_by_a_later_one(store, clock):
    late = await _add(store, clock, 60_000)
    soon = await _add(store, clock, 200)
    assert await _waits_for(store, soon, State.WAITING) < 0.35
    assert store.get(late).head.state is State.SCHEDULED


async def test_many_more_than_one_look_takes_become_ready_at_once(store, clock):
    due_ms = clock() + 200
    spec = Spec(url="http://a/", host="a:80")
    await store.put_new([NewJob(uids.mint("n1"), spec, clock(), due_ms) for _ in range(2_500)])
    async with asyncio.timeout(3):
        while store.counts()[State.WAITING] < 2_500:
            await asyncio.sleep(0.01)


async def test_a_clock_that_steps_ahead_is_seen_within_about_a_second(store, clock):
    uid = await _add(store, clock, 3_600_000)
    clock.step_ms = 3_600_000
    assert await _waits_for(store, uid, State.WAITING) < 1.5


async def test_a_ttl_that_is_over_ends_a_job_that_waits(store, clock):
    uid = await _add(store, clock, 0, ttl_s=0.2)
    assert await _waits_for(store, uid, State.ERROR) < 0.5
    assert store.get(uid).head.error.kind == "expired"


async def test_a_pause_with_an_end_is_over_in_time(store, clock):
    await store.set_pause("default", Pause(None, clock(), clock() + 200))
    start = time.monotonic()
    async with asyncio.timeout(3):
        while store.queue("default").pause is not None:
            await asyncio.sleep(0.002)
    assert 0.15 < time.monotonic() - start < 0.5


async def test_a_stopped_scheduler_leaves_what_becomes_due(tmp_path, clock):
    store = await RocksStore.open(tmp_path / "store", "n1", now_ms=clock)
    scheduler = Scheduler(store, clock)
    scheduler.start()
    uid = await _add(store, clock, 100)
    await scheduler.stop()
    await asyncio.sleep(0.2)
    assert store.get(uid).head.state is State.SCHEDULED
    await store.close()
