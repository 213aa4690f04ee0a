"""Group commit over a real database: who is answered when, what a stall and a failure do."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskpusher_node.store.base import Events, StoreBusy, StoreFailed, StoreUnknown
from taskpusher_node.store.rocksdb import db as database
from taskpusher_node.store.rocksdb.commit import Commit
from taskpusher_node.store.rocksdb.db import Batch, Database, Stalled
from taskpusher_node.store.tallies import Totals

from .bench import soon


class Troubled:
    """A real database whose flushes can be held back, and whose writes can be refused."""

    def __init__(self, path: Path) -> None:
        self.real = Database(path)
        self.get = self.real.get
        self.stalls = 0
        self.break_write = False
        self.break_flush = False
        self.writes = 0
        self.flushes = 0
        self.go = threading.Event()
        self.go.set()
        self.began = threading.Event()

    def write(self, batch: Batch) -> None:
        if self.stalls:
            self.stalls -= 1
            raise Stalled
        if self.break_write:
            raise StoreFailed("no space left on device")
        self.writes += 1
        self.real.write(batch)

    def flush_log(self) -> None:
        self.began.set()
        assert self.go.wait(10)
        if self.break_flush:
            raise StoreFailed("input/output error")
        self.flushes += 1
        self.real.flush_log()

    async def flush_began(self) -> None:
        """Wait until a flush is held back."""
        await asyncio.to_thread(self.began.wait, 10)
        self.began.clear()


class Told:
    """What the commit told of its troubles."""

    def __init__(self) -> None:
        self.stalled: list[bool] = []
        self.failed: list[str] = []

    def events(self) -> Events:
        return Events(stalled=self.stalled.append, failed=self.failed.append)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Troubled]:
    db = Troubled(tmp_path / "db")
    yield db
    db.go.set()
    db.real.close()


@pytest.fixture
async def commit(db: Troubled, told: Told) -> AsyncIterator[Commit]:
    commit = Commit(db, told.events(), lambda batch: None, Totals())
    yield commit
    db.go.set()
    db.stalls = 0
    try:
        await soon(commit.close())
    except TimeoutError:
        commit._thread.shutdown(wait=True)


async def turns(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def test_all_of_a_turn_is_one_write(commit: Commit, db: Troubled):
    waiters = []
    for i in range(10):
        commit.batch().put(b"%d" % i, b"")
        waiters.append(commit.durable())
    await soon(asyncio.gather(*waiters))
    assert (db.writes, db.flushes) == (1, 1)
    assert db.get(b"9") == b""


async def test_what_is_written_is_told_before_it_is_flushed(commit: Commit, db: Troubled):
    db.go.clear()
    commit.batch().put(b"k", b"v")
    durable, written = commit.durable(), commit.written()
    await soon(written)
    assert db.get(b"k") == b"v"
    assert not durable.done()
    db.go.set()
    await soon(durable)


async def test_a_waiter_is_answered_by_the_flush_of_its_own_batch_not_by_one_that_began_before(
    commit: Commit, db: Troubled
):
    db.go.clear()
    commit.batch().put(b"1", b"")
    first = commit.durable()
    await db.flush_began()
    commit.batch().put(b"2", b"")
    second = commit.durable()
    await turns()
    assert db.get(b"2") == b""
    db.go.set()
    await soon(first)
    assert not second.done()
    await soon(second)
    assert db.flushes == 2


async def test_a_timer_does_not_answer_for_the_batch_that_is_open(commit: Commit, db: Troubled):
    db.go.clear()
    commit.batch().put(b"settled", b"")  # nobody waits: a timer will flush it
    commit.write_now()
    assert commit._flush_timer is not None
    commit.batch().put(b"added", b"")
    added = commit.durable()
    commit._flush()  # the timer, while a batch is open
    await db.flush_began()
    db.go.set()
    await soon(added)
    assert db.flushes == 2
    assert db.get(b"added") == b""


async def test_calls_come_after_the_flush_in_order(commit: Commit, db: Troubled):
    db.go.clear()
    heard: list[int] = []
    for i in range(3):
        commit.batch().put(b"%d" % i, b"")
        commit.after_flush(heard.append, i)
        commit.write_now()
    await db.flush_began()
    commit.after_flush(heard.append, 3)
    await turns()
    assert heard == []
    db.go.set()
    await soon(commit.durable())
    assert heard == [0, 1, 2, 3]


async def test_a_batch_nobody_waits_for_is_flushed_by_itself(commit: Commit, db: Troubled):
    flushed = asyncio.Event()
    commit.batch().put(b"k", b"v")
    commit.after_flush(lambda _: flushed.set(), None)
    await soon(flushed.wait())
    assert db.flushes == 1


async def test_a_waiter_that_gave_up_keeps_no_other_waiting(commit: Commit):
    commit.batch().put(b"k", b"v")
    gone, stays = commit.durable(), commit.durable()
    gone.cancel()
    await soon(stays)


async def test_a_listener_that_raises_keeps_no_other_from_hearing(commit: Commit):
    raised: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    heard: list[int] = []
    commit.after_flush(lambda _: 1 / 0, None)
    commit.after_flush(heard.append, 1)
    await soon(commit.durable())
    assert heard == [1]
    assert isinstance(raised[0]["exception"], ZeroDivisionError)


async def test_counters_are_put_right_before_the_write(db: Troubled):
    commit = Commit(db, Events(), lambda batch: batch.put(b"count", b"7"), Totals())
    commit.batch()
    await soon(commit.durable())
    assert db.get(b"count") == b"7"
    await commit.close()


async def test_a_stall_keeps_the_batch_and_writes_it_later(commit: Commit, db: Troubled, told: Told):
    db.stalls = 2
    commit.batch().put(b"k", b"v")
    waiter = commit.durable()
    await turns()
    assert told.stalled == [True]
    assert not waiter.done()
    with pytest.raises(StoreBusy):
        commit.check()
    await soon(waiter)
    assert db.get(b"k") == b"v"
    assert told.stalled == [True, False]
    commit.check()


async def test_what_comes_during_a_stall_goes_with_the_kept_batch(commit: Commit, db: Troubled):
    db.stalls = 1
    commit.batch().put(b"1", b"")
    await turns()
    commit.batch().put(b"2", b"")
    await soon(commit.durable())
    assert (db.writes, db.get(b"1"), db.get(b"2")) == (1, b"", b"")


async def test_reads_are_told_that_a_stall_hides_writes_from_them(commit: Commit, db: Troubled):
    assert commit.write_now()
    db.stalls = 1
    commit.batch().put(b"k", b"v")
    assert not commit.write_now()
    assert commit.is_open
    assert commit.write_now()
    assert db.get(b"k") == b"v"


async def test_a_failed_write_fails_its_waiters_and_every_later_call(commit: Commit, db: Troubled, told: Told):
    db.break_write = True
    commit.batch().put(b"k", b"v")
    waiters = [commit.written(), commit.durable(), commit.durable()]
    for waiter in waiters:
        with pytest.raises(StoreUnknown, match="no space"):
            await soon(waiter)
    with pytest.raises(StoreFailed, match="no space"):
        commit.check()
    assert told.failed == ["no space left on device"]


async def test_a_failed_flush_fails_all_who_wait(commit: Commit, db: Troubled, told: Told):
    db.go.clear()
    db.break_flush = True
    heard: list[int] = []
    commit.batch().put(b"flushing", b"")
    commit.after_flush(heard.append, 1)
    flushing = commit.durable()
    await db.flush_began()
    commit.batch().put(b"written", b"")
    written = commit.durable()
    await turns()
    commit.batch().put(b"open", b"")
    still_open = commit.durable()
    db.go.set()
    for waiter in (flushing, written, still_open):
        with pytest.raises(StoreUnknown):
            await soon(waiter)
    assert heard == []
    assert told.failed == ["input/output error"]
    with pytest.raises(StoreFailed):
        commit.check()


async def test_nothing_more_is_written_after_a_failure(commit: Commit, db: Troubled):
    db.break_write = True
    commit.batch().put(b"k", b"v")
    with pytest.raises(StoreUnknown):
        await soon(commit.durable())
    db.break_write = False
    commit.batch().put(b"later", b"")
    assert not commit.write_now()
    await turns()
    assert db.get(b"later") is None


@pytest.mark.parametrize("wait", ["durable", "written"])
async def test_who_waits_after_a_failure_is_told_and_does_not_wait_for_ever(commit: Commit, db: Troubled, wait: str):
    db.break_write = True
    commit.batch().put(b"k", b"v")
    with pytest.raises(StoreUnknown):
        await soon(commit.durable())
    with pytest.raises((StoreFailed, StoreUnknown)):
        await soon(getattr(commit, wait)())


async def test_a_close_flushes_what_is_open(db: Troubled):
    commit = Commit(db, Events(), lambda batch: None, Totals())
    commit.batch().put(b"k", b"v")
    await soon(commit.close())
    assert (db.get(b"k"), db.flushes) == (b"v", 1)


async def test_a_close_after_a_failure_ends(db: Troubled):
    commit = Commit(db, Events(), lambda batch: None, Totals())
    db.break_write = True
    commit.batch().put(b"k", b"v")
    await turns()
    assert commit.failure is not None
    await soon(commit.close())


async def test_real_stalls_are_waited_for_and_lose_nothing(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "_MEMTABLE_BYTES", 64 << 10)  # so small that RocksDB cannot flush as fast as it fills
    db = Database(tmp_path / "small")
    commit = Commit(db, told.events(), lambda batch: None, Totals())
    keys = [b"%d" % i for i in range(400)]
    for start in range(0, len(keys), 4):
        for key in keys[start : start + 4]:
            commit.batch().put(key, b"x" * 15_000)
        if not commit.write_now():
            await soon(commit.written())
    await soon(commit.durable())
    assert told.failed == []
    assert told.stalled[:2] == [True, False]
    assert told.stalled[-1] is False
    assert all(db.get(key) is not None for key in keys)
    await soon(commit.close())
    db.close()
