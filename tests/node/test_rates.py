"""The rings over a real store: what they count, and what of it is there after a stop and after a crash."""

import asyncio

import pytest
import uvloop

from taskpusher import uid as uids
from taskpusher.job import Spec
from taskpusher_node.lifecycle import Attempt, JobError, State, Verdict
from taskpusher_node.rates import Rates
from taskpusher_node.retry import Kind
from taskpusher_node.store.base import NewJob, StoreBusy
from taskpusher_node.store.rocksdb import RocksStore

T = 1_800_000_000


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


class Node:
    """A store and its rates, with a clock that a test moves."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.now_s = float(T)

    def now_ms(self) -> int:
        return round(self.now_s * 1000)

    async def start(self) -> None:
        self.store = await RocksStore.open(self.folder / "store", "n1", now_ms=self.now_ms)
        self.rates = Rates(self.store, self.now_ms)
        self.rates.start()

    async def stop(self) -> None:
        await self.rates.stop()
        await self.store.close()

    async def crash(self) -> None:
        """What is in memory is lost; what was remembered is flushed within 10 ms."""
        self.rates._task.cancel()
        await self.store.close()

    async def run(self, to: State, duration_s: float = 0.2) -> None:
        spec = Spec(url="http://a/", host="a:80")
        await self.store.put_new([NewJob(uids.mint("n1"), spec, self.now_ms(), self.now_ms())])
        [job] = await self.store.claim(1, reserve=0)
        error = JobError("timeout", "") if to is State.ERROR else None
        attempt = Attempt(1, self.now_ms(), duration_s, Kind.TIMEOUT)
        await self.store.settle(job.token, Verdict(to, attempt, error=error))

    def look(self, seconds: float = 1.0) -> None:
        """Let time pass as the task of the rates sees it."""
        self.now_s += seconds
        self.rates._tick()

    def buckets(self, name: str = "1h") -> dict[int, tuple[int, int, int, int | None]]:
        _, buckets = self.rates.series(name)
        shown = {b.t - T: (b.added, b.completed, b.errors, b.waiting) for b in buckets}
        return {t: counts for t, counts in shown.items() if counts != (0, 0, 0, None)}


@pytest.fixture
async def node(tmp_path):
    node = Node(tmp_path)
    await node.start()
    yield node
    await node.stop()


async def test_what_happens_is_counted_in_the_bucket_in_which_it_happened(node):
    await node.run(State.COMPLETED)
    node.look(9)
    await node.run(State.ERROR)
    node.look(1)  # at the end of the bucket
    await node.run(State.COMPLETED, duration_s=7)
    assert node.buckets() == {0: (2, 1, 1, 0), 10: (1, 1, 0, 0)}
    assert node.buckets("24h") == {0: (3, 2, 1, 0)}
    step_s, buckets = node.rates.series("24h")
    assert (step_s, len(buckets), sum(buckets[-1].durations)) == (300, 288, 3)


async def test_the_last_second_is_shown(node):
    await node.run(State.COMPLETED)
    assert node.buckets() == {0: (1, 1, 0, 0)}


async def test_rings_are_kept_over_a_stop_and_counted_on(node):
    await node.run(State.COMPLETED)
    node.look(1)
    await node.stop()
    node.now_s += 2
    await node.start()
    await node.run(State.ERROR)
    assert node.buckets() == {0: (2, 1, 1, 0)}
    assert node.buckets("24h") == {0: (2, 1, 1, 0)}


async def test_while_the_node_was_down_nothing_happened_and_nobody_knows_how_much_waited(node):
    await node.run(State.COMPLETED)
    await node.stop()
    node.now_s += 40
    await node.start()
    await node.run(State.COMPLETED)
    assert node.buckets() == {0: (1, 1, 0, 0), 40: (1, 1, 0, 0)}


async def test_a_crash_loses_the_open_bucket_at_most(node):
    await node.run(State.COMPLETED)
    node.look(10)
    await node.run(State.COMPLETED)
    node.look(5)
    await node.crash()
    node.now_s += 1
    await node.start()
    assert {t: counts[:3] for t, counts in node.buckets().items()} == {0: (1, 1, 0), 10: (0, 0, 0)}
    assert node.buckets("24h")[0][:3] == (1, 1, 0)


async def test_without_keeping_buckets_a_crash_loses_them_all(node, monkeypatch):
    monkeypatch.setattr(node.store, "remember", lambda *_: None)
    await node.run(State.COMPLETED)
    node.look(10)
    await node.crash()
    await node.start()
    assert 0 not in node.buckets()


async def test_a_store_that_stalls_costs_a_bucket_and_no_more(node, monkeypatch):
    def stalled(*_):
        raise StoreBusy

    monkeypatch.setattr(node.store, "remember", stalled)
    await node.run(State.COMPLETED)
    node.look(10)
    assert node.buckets()[0] == (1, 1, 0, 0)


@pytest.mark.parametrize("step_s", [-3_600, 3_600])
async def test_a_clock_that_steps_an_hour_makes_no_negative_count_and_loses_none(node, step_s):
    await node.run(State.COMPLETED)
    node.look(1)
    await node.run(State.COMPLETED)
    node.look(step_s)
    await node.run(State.ERROR)
    node.look(1)
    assert node.buckets()[step_s] == (1, 0, 1, 0)
    node.now_s = T + 3_600 if step_s > 0 else T + 5.0
    assert sum(counts[0] for counts in node.buckets("24h").values()) == 3


async def test_the_task_looks_once_a_second_and_keeps_buckets_that_ended(tmp_path):
    node = Node(tmp_path)
    later = 0.0
    node.now_ms = lambda: round((T + 9.9 + later) * 1000)
    await node.start()
    try:
        await node.run(State.COMPLETED)
        later = 0.2
        async with asyncio.timeout(5):
            while node.store.memo("ring.1h.0") is None:
                await asyncio.sleep(0.01)
        assert node.buckets()[0] == (1, 1, 0, 0)
    finally:
        await node.stop()
