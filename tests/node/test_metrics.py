"""What counting and a scrape cost: no look at the jobs, and a late loop is seen."""

import asyncio
import time

import pytest
import uvloop

from taskpusher import uid as uids
from taskpusher.clock import unix_ms
from taskpusher.exposition import Exposition
from taskpusher.job import Spec
from taskpusher.lag import LoopLag
from taskpusher_node.metrics import NodeMetrics
from taskpusher_node.status import Status
from taskpusher_node.store.base import NewJob
from taskpusher_node.store.rocksdb import RocksStore
from taskpusher_node.targets import Targets


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def store(tmp_path):
    store = await RocksStore.open(tmp_path / "store", "n1")
    yield store
    await store.close()


async def add(store: RocksStore, n: int, queue: str) -> None:
    spec = Spec(url="http://a/", host="a:80", queue=queue)
    now_ms = unix_ms()
    await store.put_new([NewJob(uids.mint("n1"), spec, now_ms, now_ms) for _ in range(n)])


async def test_a_scrape_looks_at_no_job(store, monkeypatch):
    metrics = NodeMetrics(
        store,
        Status(),
        slots=lambda: (0, 4),
        targets=Targets(store.limit_host, slots=4, later=asyncio.get_running_loop().call_later),
        rejected={},
        connections=lambda: 0,
        lag=LoopLag(),
        now_ms=unix_ms,
    )
    await add(store, 500, "default")
    await add(store, 20, "mail")
    looks = []
    scan, get = store._book.db.scan, store._book.db.get
    monkeypatch.setattr(store._book.db, "scan", lambda *args: looks.append(args) or scan(*args))
    monkeypatch.setattr(store._book.db, "get", lambda *args: looks.append(args) or get(*args))
    body, _ = Exposition(metrics.collect).render()
    assert b'taskpusher_jobs{queue="default",state="waiting"} 500.0' in body
    assert looks == []
    store.get(uids.mint("n1"))
    assert looks != []  # it would have been seen


async def test_a_loop_that_is_held_up_is_seen():
    lag = LoopLag()
    lag.start()
    await asyncio.sleep(0.1)
    time.sleep(0.4)  # noqa: ASYNC251 - this is what must not happen
    async with asyncio.timeout(5):
        while not any(lag.seconds.counts):
            await asyncio.sleep(0.01)
    await lag.stop()
    assert lag.seconds.total > 0.2
