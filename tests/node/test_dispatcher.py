"""The dispatcher with a real store and real servers: who gets the slots, what a stop does, what it survives."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Self

import pytest

from taskpusher import uid as uids
from taskpusher.clock import unix_ms
from taskpusher.job import Spec
from taskpusher_node.dispatcher import Dispatcher
from taskpusher_node.lifecycle import FINISHED, State
from taskpusher_node.runner.addresses import Policy
from taskpusher_node.runner.http import HttpRunner
from taskpusher_node.scheduler import Scheduler
from taskpusher_node.store.base import Changed, NewJob, Pause, Verb
from taskpusher_node.store.rocksdb import RocksStore
from taskpusher_node.store.rocksdb.db import Stalled

HANGING = 2_000
HEALTHY = 200
SLOTS = 4


class Site:
    """A server that answers 200 once it is released, and counts its calls."""

    def __init__(self, status: bytes = b"200 OK", *, released: bool = True, port: int = 0) -> None:
        self.calls: list[float] = []
        self.at_once = 0
        self.most_at_once = 0
        self.released = asyncio.Event()
        if released:
            self.released.set()
        self._answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.host = ""
        self._port = port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.calls.append(time.monotonic())
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    await self.released.wait()
                finally:
                    self.at_once -= 1
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def called(self, n: int) -> None:
        """Wait until `n` calls have come."""
        async with asyncio.timeout(10):
            while len(self.calls) < n:
                await asyncio.sleep(0.002)


class Rig:
    """A store, and a dispatcher that is not started yet."""

    def __init__(self, store: RocksStore, call) -> None:
        self.store = store
        self.dispatcher = Dispatcher(store, call, concurrency=SLOTS, unreached_status="", now_ms=unix_ms)
        self.scheduler = Scheduler(store, unix_ms)

    def start(self) -> None:
        """Begin."""
        self.dispatcher.start()
        self.scheduler.start()

    async def add(self, site: "Site | Down", n: int = 1, **fields) -> list[str]:
        """Add jobs of a site."""
        spec = Spec(url=f"http://{site.host}/", host=site.host, **{"timeout_s": 60.0, **fields})
        jobs = [NewJob(uids.mint("n1"), spec, unix_ms(), 0) for _ in range(n)]
        await self.store.put_new(jobs)
        return [job.uid for job in jobs]

    def head(self, uid: str):
        """Return what has become of a job."""
        return self.store.get(uid).head

    async def until(self, **wanted: int) -> None:
        """Wait until as many jobs as said are in the states."""
        async with asyncio.timeout(20):
            while any(self.store.counts()[State(state)] != n for state, n in wanted.items()):
                await asyncio.sleep(0.002)

    async def drain(self, *, timeout_s=None, grace_s=10.0, hurry=None) -> float:
        """Park and drain as a stop does; returns how long it took."""
        start = time.monotonic()
        self.store.park()
        await self.scheduler.stop()
        await self.dispatcher.drain(timeout_s=timeout_s, grace_s=grace_s, hurry=hurry or asyncio.Event())
        return time.monotonic() - start


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    store = await RocksStore.open(tmp_path / "store", "n1")
    runner = HttpRunner("n1", max_response_bytes=65_536, max_url_bytes=8_192, policy=Policy(), token=store.token)
    rig = Rig(store, runner.call)
    yield rig
    await rig.scheduler.stop()
    await rig.dispatcher.stop()
    await runner.close()
    await store.close()


# -- who gets the slots


async def test_healthy_jobs_behind_many_of_a_host_that_never_answers_all_end_while_those_hang(rig):
    async with Site(released=False) as hanging, Site() as healthy:
        await rig.add(hanging, HANGING)
        await rig.add(healthy, HEALTHY)
        rig.start()
        await rig.until(completed=HEALTHY)
        assert len(healthy.calls) == HEALTHY
        async with asyncio.timeout(20):
            while hanging.at_once < SLOTS:  # now no other host has ready jobs
                await asyncio.sleep(0.002)
        # the last slot was kept for the healthy as long as one of them was ready
        assert all(moment > healthy.calls[-1] for moment in hanging.calls[SLOTS - 1 :])
        await rig.dispatcher.stop()


async def test_a_host_that_hangs_in_every_slot_lets_the_healthy_in_with_the_next_free_one(rig):
    async with Site(released=False) as hanging, Site() as healthy:
        rig.start()
        await rig.add(hanging, 10, timeout_s=0.3)
        await hanging.called(SLOTS)  # alone, so it has them all
        await rig.add(healthy, 20)
        await rig.until(completed=20)
        assert len(hanging.calls) < 10
        await rig.dispatcher.stop()


async def test_the_only_host_keeps_all_slots_and_never_more(rig):
    async with Site(released=False) as site:
        await rig.add(site, 20)
        rig.start()
        await site.called(SLOTS)
        await asyncio.sleep(0.05)
        assert (site.at_once, rig.dispatcher.busy, rig.dispatcher.limit) == (SLOTS, SLOTS, SLOTS)
        site.released.set()
        await rig.until(completed=20)
        assert site.most_at_once == SLOTS


async def test_the_higher_priority_goes_first_and_then_the_order_of_arrival(rig):
    order = []

    async def call(uid, *_):
        order.append(uid)
        await asyncio.sleep(0)
        raise ValueError("no more is needed")

    async with Site() as site:
        rig.dispatcher._call = call
        low, high = await rig.add(site, 5, priority=-1), await rig.add(site, 5, priority=1)
        rig.start()
        await rig.until(error=10)
    assert order == [*high, *low]


async def test_what_becomes_ready_is_called_at_once(rig):
    async with Site() as site:
        rig.start()
        await asyncio.sleep(0.05)
        start = time.monotonic()
        await rig.add(site)
        await site.called(1)
        assert time.monotonic() - start < 0.3


# -- retries


async def test_a_retry_waits_its_backoff(rig):
    async with Site(b"500 Oops") as site:
        rig.start()
        (uid,) = await rig.add(site, max_attempts=3, backoff=[0.2, 0.4])
        await rig.until(error=1)
        first, second, third = site.calls
    assert 0.2 <= second - first < 0.4
    assert 0.4 <= third - second < 0.8
    assert (rig.head(uid).tries, rig.head(uid).error.status) == (3, 500)


async def test_a_job_that_waits_for_its_retry_holds_no_slot(rig):
    async with Site(b"500 Oops") as failing, Site() as healthy:
        rig.start()
        await rig.add(failing, SLOTS, max_attempts=2, backoff=[30.0])
        await rig.until(scheduled=SLOTS)
        await rig.add(healthy, 10)
        await rig.until(completed=10)
        assert rig.dispatcher.busy == 0


# -- a target that is down


class Down:
    """A port that nobody listens on until somebody does."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"


async def held(rig: Rig, host: str) -> None:
    """Wait until a host is held back."""
    async with asyncio.timeout(5):
        while rig.dispatcher.targets.view(host, unix_ms()).held is None:
            await asyncio.sleep(0.002)


async def test_three_unreached_calls_hold_a_host_back_and_the_other_jobs_use_nothing_up(rig):
    down = Down()
    added = await rig.add(down, 100, backoff=[60.0])
    async with Site() as healthy:
        await rig.add(healthy, 50)
        rig.start()
        await rig.until(completed=50)
        await held(rig, down.host)
        await asyncio.sleep(0.1)
    heads = [rig.head(uid) for uid in added]
    # no more than had begun when the third came back
    assert 3 <= sum(head.unreached for head in heads) <= 2 + SLOTS
    assert all(head.attempt == 0 for head in heads if head.state is State.WAITING)
    assert sum(head.state is State.WAITING for head in heads) >= 100 - 2 - SLOTS


async def test_without_the_hold_every_job_of_a_host_that_is_down_uses_up_its_attempts(rig, monkeypatch):
    monkeypatch.setattr("taskpusher_node.targets.UNREACHED_MAX", 10**9)
    down = Down()
    added = await rig.add(down, 100, backoff=[60.0])
    rig.start()
    await rig.until(scheduled=100)
    assert sum(rig.head(uid).unreached for uid in added) == 100


async def test_a_probe_is_one_job_s_real_call_and_when_it_arrives_all_others_follow(rig):
    down = Down()
    added = await rig.add(down, 40, backoff=[0.1])
    rig.start()
    await held(rig, down.host)
    used = sum(rig.head(uid).unreached for uid in added)
    async with asyncio.timeout(5):
        while sum(rig.head(uid).unreached for uid in added) == used:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert sum(rig.head(uid).unreached for uid in added) == used + 1  # though those that failed first were due again
    async with Site(port=down.port) as site:
        await rig.until(completed=40)
        assert len(site.calls) == 40


async def test_a_host_that_is_held_by_hand_gets_no_call_until_it_is_released(rig):
    async with Site() as site:
        await rig.store.set_hold(site.host, Pause("ada", unix_ms()))
        await rig.add(site, 5)
        rig.start()
        await asyncio.sleep(0.1)
        assert site.calls == []
        await rig.store.set_hold(site.host, None)
        await rig.until(completed=5)


async def test_a_hold_by_hand_of_before_the_start_holds_from_the_first_claim_on(rig):
    async with Site() as site:
        await rig.add(site, 5)
        await rig.store.set_hold(site.host, Pause(None, unix_ms(), unix_ms() + 300))
        again = Rig(rig.store, rig.dispatcher._call)
        again.start()
        await asyncio.sleep(0.1)
        assert site.calls == []
        await again.until(completed=5)
        await again.scheduler.stop()
        await again.dispatcher.stop()


async def test_a_drain_leaves_the_jobs_of_a_held_host_for_the_next_start(rig):
    async with Site() as site, Site() as healthy:
        await rig.store.set_hold(site.host, Pause(None, unix_ms()))
        stay = await rig.add(site, 5)
        go = await rig.add(healthy, 20)
        rig.start()
        assert await rig.drain() < 5
        assert {rig.head(uid).state for uid in go} == {State.COMPLETED}
        assert ({rig.head(uid).state for uid in stay}, site.calls) == ({State.WAITING}, [])


# -- stopping


async def test_a_drain_runs_down_what_was_ready_and_leaves_what_comes_later(rig):
    async with Site(released=False) as site:
        ready = await rig.add(site, 20)
        rig.start()
        await site.called(SLOTS)
        draining = asyncio.create_task(rig.drain())
        await asyncio.sleep(0.05)
        (late,) = await rig.add(site)
        site.released.set()
        await asyncio.wait_for(draining, 10)
    assert {rig.head(uid).state for uid in ready} == {State.COMPLETED}
    assert (rig.head(late).state, len(site.calls)) == (State.WAITING, 20)


async def test_a_drain_of_an_idle_dispatcher_ends_at_once(rig):
    rig.start()
    assert await rig.drain() < 1


async def test_a_drain_does_not_wait_for_scheduled_jobs_or_retries(rig):
    async with Site(b"500 Oops") as site:
        (uid,) = await rig.add(site, max_attempts=2, backoff=[60.0])
        rig.start()
        await rig.until(scheduled=1)
        assert await rig.drain() < 1
        assert rig.head(uid).state is State.SCHEDULED


async def test_after_its_timeout_a_drain_starts_nothing_more_and_after_the_grace_it_aborts(rig):
    async with Site(released=False) as site:
        added = await rig.add(site, 6)
        rig.start()
        await site.called(SLOTS)
        took = await rig.drain(timeout_s=0.2, grace_s=0.2)
        assert (len(site.calls), rig.dispatcher.busy) == (SLOTS, 0)
    assert 0.4 <= took < 3
    heads = [rig.head(uid) for uid in added]
    assert {head.state for head in heads} == {State.WAITING}
    aborted = [head for head in heads if head.last is not None]
    assert [(head.last.outcome, head.tries, head.attempt) for head in aborted] == [("aborted", 0, 1)] * SLOTS


async def test_calls_that_end_within_the_grace_are_settled(rig):
    async with Site(released=False) as site:
        await rig.add(site, 6)
        rig.start()
        await site.called(SLOTS)
        draining = asyncio.create_task(rig.drain(timeout_s=0.1, grace_s=10))
        await asyncio.sleep(0.3)
        assert not draining.done()
        site.released.set()
        await asyncio.wait_for(draining, 5)
    counts = rig.store.counts()
    assert (counts[State.COMPLETED], counts[State.WAITING], len(site.calls)) == (SLOTS, 2, SLOTS)


@pytest.mark.parametrize("timeout_s", [None, 0.0])
async def test_hurry_skips_to_the_abort(rig, timeout_s):
    async with Site(released=False) as site:
        await rig.add(site, 6)
        rig.start()
        await site.called(SLOTS)
        hurry = asyncio.Event()
        draining = asyncio.create_task(rig.drain(timeout_s=timeout_s, grace_s=60, hurry=hurry))
        await asyncio.sleep(0.1)
        assert not draining.done()
        hurry.set()
        await asyncio.wait_for(draining, 2)
    assert rig.store.counts()[State.WAITING] == 6


# -- what it survives


async def test_a_runner_that_raises_is_settled_and_the_node_lives(rig):
    calls = []
    right = rig.dispatcher._call

    async def call(uid, spec, head):
        calls.append(uid)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return await right(uid, spec, head)

    rig.dispatcher._call = call
    async with Site() as site:
        rig.start()
        (first,) = await rig.add(site)
        await rig.until(error=1)
        await rig.add(site, 5)
        await rig.until(completed=5)
    error = rig.head(first).error
    assert (error.kind, "a bug" in error.message, rig.dispatcher.busy) == ("disconnect", True, 0)


async def test_a_bug_of_its_own_is_told_without_what_is_secret_in_a_url(rig):
    def bug(*_):
        raise RuntimeError("http://me:se-cret@host/?token=se-cret")

    failures = []
    rig.store.events.failed = failures.append
    rig.dispatcher._tell_targets = bug
    async with Site() as site, asyncio.timeout(5):
        rig.start()
        await rig.add(site, 1)
        while not failures:
            await asyncio.sleep(0.01)
    assert ("RuntimeError" in failures[0], "se-cret" in failures[0]) == (True, False)


async def test_jobs_that_were_interrupted_are_called_again_at_their_place(rig):
    async with Site(released=False) as site:
        added = await rig.add(site, 6)
        rig.start()
        await site.called(SLOTS)
        await rig.dispatcher.stop()
        assert all(rig.head(uid).state is State.WAITING for uid in added)
        site.released.set()
        again = Rig(rig.store, rig.dispatcher._call)
        again.dispatcher.start()
        await again.until(completed=6)
        await again.dispatcher.stop()
    assert [rig.head(uid).attempt for uid in added] == [2] * SLOTS + [1, 1]
    assert all(rig.head(uid).state in FINISHED for uid in added)


# -- what may happen between its steps


async def test_a_job_that_is_cancelled_between_its_claim_and_its_call_is_not_called(rig):
    async with Site() as site:
        rig.start()
        for turns in range(6):  # wherever in the turns of the loop the cancel falls
            (uid,) = await rig.add(site, 1)
            for _ in range(turns):
                await asyncio.sleep(0)
            if await rig.store.change(uid, Verb.CANCEL) is Changed.DONE:
                calls = len(site.calls)
                await asyncio.sleep(0.02)
                assert (len(site.calls), rig.dispatcher.busy) == (calls, 0)
                assert rig.head(uid).state is State.CANCELLED


async def test_a_drain_ends_when_the_store_fails_under_it(rig):
    async with Site() as site:
        await rig.add(site, 1)
        rig.store._commit.fail(OSError("EIO"))
        rig.start()
        assert await asyncio.wait_for(rig.drain(), 5) < 5


async def test_a_drain_runs_down_what_stands_behind_thousands_that_wait_no_more(rig):
    async with Site() as site:
        stale = await rig.add(site, 1_500)
        good = await rig.add(site, 5)
        for uid in reversed(stale):
            await rig.store.change(uid, Verb.CANCEL)
        rig.start()
        await rig.drain()
        assert [rig.head(uid).state for uid in good] == [State.COMPLETED] * 5


async def test_a_stop_does_not_abort_what_waits_to_be_settled(rig, monkeypatch):
    def stalls(_):
        raise Stalled

    async with Site(released=False) as site, asyncio.timeout(5):
        (uid,) = await rig.add(site, unique="u")
        rig.start()
        await site.called(1)
        monkeypatch.setattr(rig.store._book.db, "write", stalls)
        rig.store.remember("what", b"is to be written before the end of a job that may hold others")
        site.released.set()
        while rig.dispatcher.targets.calls():
            await asyncio.sleep(0.002)
        asyncio.get_running_loop().call_later(0.02, monkeypatch.undo)
        await rig.dispatcher.stop()
    assert rig.head(uid).state is State.COMPLETED
