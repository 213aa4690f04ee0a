"""Exactly one request on the wire for one recorded attempt, whatever the target does."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from taskpusher import uid as uids
from taskpusher.clock import unix_ms
from taskpusher.job import Spec
from taskpusher_node.dispatcher import Dispatcher
from taskpusher_node.lifecycle import FINISHED, Attempt, Head, State
from taskpusher_node.retry import Kind
from taskpusher_node.scheduler import Scheduler
from taskpusher_node.store.base import JobView, NewJob
from taskpusher_node.store.rocksdb import RocksStore

from .servers import OK, Peer, Target, call

METHODS = ("GET", "PUT", "POST")
SECOND_CALL_WOULD_COME_WITHIN_S = 0.05


async def _before_the_request_is_read(peer: Peer) -> None:
    await peer.some_bytes()
    peer.writer.transport.abort()


async def _after_the_request(peer: Peer) -> None:
    await peer.request()


async def _in_the_headers(peer: Peer) -> None:
    await peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-")


async def _in_the_body(peer: Peer) -> None:
    await peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")


async def _in_a_chunk(peer: Peer) -> None:
    await peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf")


async def _after_the_answer(peer: Peer) -> None:
    await peer.request()
    peer.send(OK)


WITHOUT_A_BYTE = (_before_the_request_is_read, _after_the_request)
HANG_UPS = (*WITHOUT_A_BYTE, _in_the_headers, _in_the_body, _in_a_chunk, _after_the_answer)


def _name(value: object) -> str | None:
    return value.__name__.strip("_") if callable(value) else None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hang_up", HANG_UPS, ids=_name)
async def test_a_hang_up_on_a_fresh_connection_is_one_call(runner, hang_up, method):
    async with Target(hang_up) as target:
        outcome = await call(runner, target.url, method=method)
        await asyncio.sleep(SECOND_CALL_WOULD_COME_WITHIN_S)
        assert (target.connections, len(target.requests) <= 1) == (1, True)
    assert outcome.kind is (Kind.ANSWERED if hang_up is _after_the_answer else Kind.DISCONNECT)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hang_up", HANG_UPS, ids=_name)
async def test_a_hang_up_on_a_reused_connection_is_one_call(runner, hang_up, method):
    async def second_time(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await hang_up(peer)

    async with Target(second_time) as target:
        await call(runner, target.url, method=method)
        outcome = await call(runner, target.url, method=method, head=_head(attempt=2))
        await asyncio.sleep(SECOND_CALL_WOULD_COME_WITHIN_S)
        assert (target.connections, target.calls().count("2") <= 1) == (1, True)
    if hang_up is _after_the_answer:
        assert outcome.kind is Kind.ANSWERED
    elif hang_up in WITHOUT_A_BYTE and method != "POST":
        assert outcome.kind is Kind.STALE
    else:
        assert outcome.kind is Kind.DISCONNECT


async def test_a_hang_up_that_takes_its_time_is_no_stale_connection(runner):
    async def late(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.request()
        await asyncio.sleep(0.2)

    async with Target(late) as target:
        await call(runner, target.url)
        outcome = await call(runner, target.url, head=_head(attempt=2))
        assert (outcome.kind, target.calls()) == (Kind.DISCONNECT, ["1", "2"])


async def test_a_call_after_a_stale_one_takes_a_fresh_connection_and_keeps_it_for_nobody(runner):
    async def keep(peer: Peer) -> None:
        while await peer.request() is not None:
            peer.send(OK)

    stale = Attempt(1, 0, 0.0, Kind.STALE.value)
    async with Target(keep) as target:
        await call(runner, target.url)
        for attempt in (2, 3):
            await call(runner, target.url, head=_head(attempt=attempt, last=stale))
        assert target.connections == 3


async def test_an_idle_connection_is_closed_before_common_servers_would_close_it(runner):
    closed = asyncio.Event()

    async def keep(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.closed()
        closed.set()

    async with Target(keep) as target:
        await call(runner, target.url)
        await asyncio.wait_for(closed.wait(), 4)  # 1.5 s; gunicorn closes after 2, Apache and Node after 5


def _head(**fields: object) -> Head:
    return Head(State.RUNNING, 1, due_ms=0, started_ms=0, **fields)


# -- with a dispatcher and a store: what is recorded is what was on the wire


class Rig:
    """A store and a dispatcher that runs its jobs one at a time."""

    def __init__(self, store: RocksStore) -> None:
        self._store = store

    async def run(self, url: str, **fields: object) -> JobView:
        """Add a job and return it when it has ended."""
        now_ms = unix_ms()
        uid = uids.mint("n1")
        spec = Spec(url=url, host=url.removeprefix("http://"), timeout_s=5.0, **fields)
        await self._store.put_new([NewJob(uid, spec, now_ms, now_ms)])
        async with asyncio.timeout(5):
            while self._store.get(uid).head.state not in FINISHED:
                await asyncio.sleep(0.002)
        return self._store.get(uid, attempts=True)


@pytest.fixture
async def rig(tmp_path, runner) -> AsyncIterator[Rig]:
    store = await RocksStore.open(tmp_path / "store", "n1")
    dispatcher = Dispatcher(store, runner.call, concurrency=1, unreached_status="", now_ms=unix_ms)
    scheduler = Scheduler(store, unix_ms)
    dispatcher.start()
    scheduler.start()
    yield Rig(store)
    await scheduler.stop()
    await dispatcher.stop()
    await store.close()


def _recorded(view: JobView) -> list[tuple[str, str]]:
    attempts = [*reversed(view.attempts), view.head.last]
    return [(str(attempt.n), attempt.outcome) for attempt in attempts]


def _calls_of(target: Target, view: JobView) -> list[str]:
    return [r.header("TaskPusher-Call") for r in target.requests if r.header("TaskPusher-Job") == view.uid]


def _second_request_on_a_connection(then: Callable) -> Callable:
    """Answer; hang up at the second request of the first connection, and do `then` on all later ones."""
    first = True

    async def behave(peer: Peer) -> None:
        nonlocal first
        if not first:
            await then(peer)
            return
        first = False
        await peer.request()
        peer.send(OK)
        await peer.request()

    return behave


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_stale_connection_is_redone_once_at_once_on_a_fresh_one_and_uses_up_no_try(rig, method):
    async with Target(_second_request_on_a_connection(_after_the_answer)) as target:
        await rig.run(target.url)
        view = await rig.run(target.url, method=method)
        assert (view.head.state, view.head.tries) == (State.COMPLETED, 1)
        assert _recorded(view) == [("1", "stale"), ("2", "answered")]
        assert (_calls_of(target, view), target.connections) == (["1", "2"], 2)


async def test_a_stale_connection_is_not_redone_twice(rig):
    async with Target(_second_request_on_a_connection(_after_the_request)) as target:
        await rig.run(target.url)
        view = await rig.run(target.url)
        assert (view.head.state, view.head.tries, view.head.error.kind) == (State.ERROR, 1, "disconnect")
        assert _recorded(view) == [("1", "stale"), ("2", "disconnect")]
        assert (_calls_of(target, view), target.connections) == (["1", "2"], 2)


async def test_a_post_on_a_stale_connection_may_have_arrived_and_is_not_redone(rig):
    async with Target(_second_request_on_a_connection(_after_the_answer)) as target:
        await rig.run(target.url)
        view = await rig.run(target.url, method="POST", body=b"x", body_kind="text")
        assert (view.head.state, view.head.tries) == (State.ERROR, 1)
        assert (_recorded(view), _calls_of(target, view)) == ([("1", "disconnect")], ["1"])


@pytest.mark.parametrize("hang_up", [_in_the_headers, _in_the_body, _after_the_request], ids=_name)
async def test_every_try_is_one_request_on_the_wire(rig, hang_up):
    async with Target(hang_up) as target:
        view = await rig.run(target.url, max_attempts=3, backoff=[0.0])
        expected = [("1", "disconnect"), ("2", "disconnect"), ("3", "disconnect")]
        assert (_recorded(view), _calls_of(target, view)) == (expected, ["1", "2", "3"])
