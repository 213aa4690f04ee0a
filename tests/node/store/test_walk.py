"""A walk over many jobs gives way to the loop, and ends early where the engine is in trouble."""

import asyncio

import pytest

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import StoreFailed, StoreUnknown, Verb
from taskpusher_node.store.rocksdb.db import Stalled

from .bench import Bench


@pytest.mark.parametrize(("slice_s", "turns"), [(0.0, 1_000), (60.0, 5)])
async def test_a_walk_gives_way_when_its_slice_is_over(bench: Bench, monkeypatch, slice_s: float, turns: int):
    """With endless slices only the end of what is read at once, 200 entries, is one."""
    monkeypatch.setattr("taskpusher_node.store.rocksdb.walk.SLICE_S", slice_s)
    await bench.add_many(1_000)
    seen: set[int] = set()

    async def look():
        while True:
            seen.add(bench.store.counts()[State.CANCELLED])
            await asyncio.sleep(0)

    looking = asyncio.ensure_future(look())
    await bench.change_many(State.WAITING, Verb.CANCEL)
    looking.cancel()
    assert abs(len(seen - {0}) - turns) <= 1


def _trouble(monkeypatch, store, error: Exception, after_writes: int, times: int) -> None:
    """Let some writes raise."""
    real, count = store._book.db.write, 0

    def write(batch):
        nonlocal count
        count += 1
        if after_writes < count <= after_writes + times:
            raise error
        real(batch)

    monkeypatch.setattr(store._book.db, "write", write)


async def test_a_stall_ends_the_part_and_the_walk_goes_on_from_there(bench: Bench, monkeypatch):
    monkeypatch.setattr("taskpusher_node.store.rocksdb.walk.SLICE_S", 0.0)
    await bench.add_many(50)
    _trouble(monkeypatch, bench.store, Stalled(), after_writes=10, times=2)
    part = await bench.change_many(State.WAITING, Verb.CANCEL)
    assert 0 < part.done < 50
    assert part.scanned_to is not None
    rest = await bench.change_many(State.WAITING, Verb.CANCEL, after=part.scanned_to)
    assert (part.done + rest.done, rest.scanned_to) == (50, None)
    assert bench.counts() == {State.CANCELLED: 50}
    await bench.kill_and_reopen()
    assert bench.counts() == {State.CANCELLED: 50}


async def test_after_a_failure_on_the_way_the_outcome_is_unknown(bench: Bench, monkeypatch):
    monkeypatch.setattr("taskpusher_node.store.rocksdb.walk.SLICE_S", 0.0)
    await bench.add_many(50)
    _trouble(monkeypatch, bench.store, StoreFailed("gone"), after_writes=10, times=1)
    with pytest.raises(StoreUnknown):
        await bench.change_many(State.WAITING, Verb.CANCEL)
