"""The janitor over a real store: what is deleted when, what never is, and what makes it wait."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from taskpusher import uid as uids
from taskpusher.clock import unix_ms
from taskpusher.job import Spec
from taskpusher_node import janitor as module
from taskpusher_node.config import Config
from taskpusher_node.diskwatch import DiskWatch
from taskpusher_node.janitor import Janitor
from taskpusher_node.lifecycle import Attempt, State, Verdict
from taskpusher_node.status import Status
from taskpusher_node.store.base import NewJob, Verb
from taskpusher_node.store.rocksdb import RocksStore

HUGE = 2**60  # bytes that no disk has
HOUR_MS = 3_600_000


class Room:
    """A store, its janitor, and a clock that is moved by hand."""

    store: RocksStore

    def __init__(self) -> None:
        self.step_ms = 0
        self.status = Status()
        self.rate = 0.0
        self.janitor: Janitor | None = None

    def now_ms(self) -> int:
        return unix_ms() + self.step_ms

    def hire(self, reserve: int = 0, **settings: object) -> Janitor:
        """Return a janitor that has not begun."""
        disk = DiskWatch(self.store, self.status, lambda _: None, reserve=reserve, ballast=0)
        config = Config(**settings)
        self.janitor = Janitor(self.store, config, self.status, disk, finish_rate=lambda: self.rate, now_ms=self.now_ms)
        self.disk = disk
        return self.janitor

    def job(self) -> NewJob:
        now_ms = self.now_ms()
        return NewJob(uids.mint("n1"), Spec(url="http://a/", host="a:80"), now_ms, now_ms)

    async def finish(self, n: int, state: State = State.COMPLETED) -> list[str]:
        """End jobs now."""
        jobs = [self.job() for _ in range(n)]
        await self.store.put_new(jobs)
        for job in await self.store.claim(n, reserve=0):
            if state is State.CANCELLED:
                await self.store.change(job.uid, Verb.CANCEL)
            else:
                attempt = Attempt(job.token.attempt, self.now_ms(), 0.1, "answered")
                await self.store.settle(job.token, Verdict(state, attempt, tries=1))
        await self.store.durable()
        return [job.uid for job in jobs]

    def finished(self) -> int:
        return sum(self.store.counts().values())

    async def until(self, n: int, within_s: float = 5.0) -> None:
        """Wait until so many are left."""
        async with asyncio.timeout(within_s):
            while self.finished() != n:
                await asyncio.sleep(0.01)


@pytest.fixture
async def room(tmp_path, monkeypatch) -> AsyncIterator[Room]:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(module, "BUSY_S", 0.02)
    room = Room()
    room.store = await RocksStore.open(tmp_path / "store", "n1", now_ms=room.now_ms)
    yield room
    if room.janitor is not None:
        await room.janitor.stop()
    await room.store.close()


async def test_jobs_are_kept_their_time_and_those_in_error_longer(room):
    for state in (State.COMPLETED, State.ERROR, State.CANCELLED):
        await room.finish(2, state)
    room.hire(retention=60.0, retention_errors=120.0).start()
    await asyncio.sleep(0.1)
    assert room.finished() == 6
    room.step_ms += 61_000
    await room.until(4)
    assert room.store.counts()[State.COMPLETED] == 0
    room.step_ms += 61_000
    await room.until(0)
    assert room.store.totals.deleted_age == 6


async def test_the_newest_are_kept_where_there_are_too_many(room):
    uids = await room.finish(50)
    new = await room.finish(3, State.ERROR)
    room.hire(retention_count=3).start()
    await room.until(3)
    assert room.store.get(uids[-1]) is None
    assert all(room.store.get(uid) for uid in new)
    assert room.store.totals.deleted_count == 50


async def test_zero_keeps_for_ever(room):
    await room.finish(5)
    room.hire(retention=0.0, retention_errors=0.0, retention_count=0).start()
    await asyncio.sleep(0.1)
    room.step_ms += 500_000
    await asyncio.sleep(0.1)
    assert room.finished() == 5


async def test_a_go_deletes_what_falls_to_a_tenth_of_a_second(room):
    await room.finish(400)
    room.hire(retention_count=1)
    before, gone = room.finished(), 0
    while not gone:  # a go has a few milliseconds, and a busy machine may take them all
        rest_s = await room.janitor._go()
        gone = before - room.finished()
    assert gone <= 100
    assert rest_s == pytest.approx(max(0.01, gone / 1_000))


async def test_it_deletes_a_little_faster_than_jobs_finish(room):
    await room.finish(400)
    room.rate = 50_000.0
    room.hire(retention_count=1)
    before = room.finished()
    rest_s = await room.janitor._go()
    assert rest_s == pytest.approx(max(0.01, (before - room.finished()) / 60_000))


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("guarded", [True, False])
async def test_after_a_step_of_the_clock_nothing_is_old(room, monkeypatch, hours, *, guarded):
    if not guarded:
        monkeypatch.setattr(module, "STEP_MAX_S", 1e9)
    await room.finish(5)
    room.hire(retention=1_800.0).start()
    await asyncio.sleep(0.1)
    room.step_ms += hours * HOUR_MS
    if hours < 0:
        room.step_ms += HOUR_MS  # and right again: what a clock that is set twice does
        await asyncio.sleep(0.1)
        room.step_ms += HOUR_MS - 1
    await asyncio.sleep(0.3)
    assert room.finished() == (5 if guarded else 0)
    assert ("clock" in room.status.warnings) is guarded


async def test_an_hour_after_the_step_it_goes_on(room, monkeypatch):
    monkeypatch.setattr(module, "STEP_PAUSE_S", 0.3)
    await room.finish(5)
    room.hire(retention=1_800.0).start()
    await asyncio.sleep(0.1)
    room.step_ms += HOUR_MS
    await asyncio.sleep(0.1)
    assert (room.finished(), list(room.status.warnings)) == (5, ["clock"])
    await room.until(0)
    assert room.status.warnings == {}


async def test_a_slow_clock_is_no_step(room):
    await room.finish(5)
    room.hire(retention=1_800.0).start()
    for _ in range(8):
        await asyncio.sleep(0.05)
        room.step_ms += 300_000
    await room.until(0)
    assert room.status.warnings == {}


async def test_while_the_store_is_busy_it_waits(room):
    await room.finish(5)
    room.store._commit.stalled = True
    task = room.hire(retention_count=1).start()
    await asyncio.sleep(0.1)
    assert room.finished() == 5
    room.store._commit.stalled = False
    await room.until(1)
    assert not task.done()


async def test_on_a_low_disk_finished_jobs_go_early_and_no_others(room):
    await room.finish(1_500)
    waiting = room.job()
    await room.store.put_new([waiting])
    room.hire(reserve=HUGE)
    await room.disk.look()
    room.janitor.start()
    await room.until(1)
    assert room.store.get(waiting.uid).head.state is State.WAITING
    assert room.store.totals.deleted_disk == 1_500


async def test_no_more_go_early_than_the_disk_needs(room):
    await room.finish(1_500)
    room.hire(reserve=HUGE)
    await room.disk.look()
    room.disk.missing_bytes = 1
    real = room.disk.look

    async def look() -> None:
        await real()
        room.disk.missing_bytes = 0

    room.disk.look = look
    room.janitor.start()
    await room.until(1_499)
    await asyncio.sleep(0.2)
    assert room.finished() == 1_499


async def test_a_stop_ends_it_at_once_and_leaves_the_rest(room):
    await room.finish(1_500)
    task = room.hire(retention_count=1).start()
    await asyncio.sleep(0.15)
    await room.janitor.stop()
    left = room.finished()
    assert task.done()
    assert 1 < left < 1_500
    await asyncio.sleep(0.1)
    assert room.finished() == left
