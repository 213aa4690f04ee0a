"""Deleted jobs cost nothing: no look at the head or the end of a range walks over what was deleted there."""

import pytest
from rocksdict import ReadOptions

from taskpusher_node.lifecycle import FINISHED, State
from taskpusher_node.store.base import Filters, StoreFailed, Why
from taskpusher_node.store.rocksdb import keys

from .bench import Bench, soon

DELETED = 4_000
SKIPS_MAX = 500  # deleted entries that a scan may walk over


def scan_without_walking(bench: Bench):
    """Return a scan that fails where it would walk over many deleted entries."""
    rocks = bench.store._book.db._db

    def scan(start: bytes, end: bytes, n: int) -> list[tuple[bytes, bytes]]:
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        options.set_max_skippable_internal_keys(SKIPS_MAX)
        found = []
        entries = rocks.iter(options)
        entries.seek(start)
        while len(found) < n and entries.valid():
            found.append((entries.key(), entries.value()))
            entries.next()
        try:
            entries.status()
        except Exception as error:
            raise StoreFailed("it walks") from error
        return found

    return scan


@pytest.fixture
async def emptied(bench: Bench) -> Bench:
    """A store in which many jobs were scheduled, waited, ran and were pruned."""
    for _ in range(DELETED // 1_000):
        await bench.add_many(1_000, delay_ms=1, ttl_s=1.0)
    bench.now_ms += 1
    while await bench.promote() == bench.now_ms:
        pass
    for _ in range(DELETED // 1_000):
        for job in await bench.claim(1_000):
            await bench.settle(job, State.COMPLETED, tries=1)
        bench.now_ms += 1
    bench.now_ms += 1_000
    while await bench.promote() is not None:
        pass
    while State.COMPLETED in bench.counts():
        await bench.store.prune(Why.COUNT, dict.fromkeys(FINISHED, 2**62), 1_000)
    await bench.durable()
    bench.store._book.db.scan = scan_without_walking(bench)
    return bench


@pytest.mark.parametrize("prefix", [keys.listing_prefix(State.WAITING), keys.listing_prefix(State.COMPLETED), b"r"])
async def test_a_look_from_the_front_would_walk_over_them(emptied: Bench, prefix: bytes):
    with pytest.raises(StoreFailed, match="walks"):
        emptied.store._book.db.scan(prefix, keys.after(prefix), 1)


async def test_nothing_that_the_store_does_walks_over_them(emptied: Bench):
    for state in State:
        assert (await emptied.page(state)).jobs == []
        assert (await soon(emptied.store.page(state, after=None, limit=9, filters=Filters(queue="x")))).jobs == []
    assert await emptied.claim() == []
    uid = await emptied.add()
    assert emptied.store.oldest_waiting_ms() == emptied.now_ms
    late = await emptied.bring(State.SCHEDULED, ttl_s=600.0)
    assert await emptied.run_all() == [uid]
    await emptied.promote(60_000)
    assert await emptied.run_all() == [late]
    assert await emptied.walk(State.COMPLETED) == [late, uid]
    pruned = await soon(emptied.store.prune(Why.AGE, dict.fromkeys(FINISHED, emptied.now_ms), 1))
    assert pruned.n == 1
    assert await emptied.walk(State.COMPLETED) == [late]


@pytest.mark.parametrize("reclaimed", [True, False])
async def test_a_restart_walks_over_them_unless_the_space_was_reclaimed(emptied: Bench, *, reclaimed: bool):
    if reclaimed:
        await soon(emptied.store.reclaim())
    await emptied.reopen()
    emptied.store._book.db.scan = scan_without_walking(emptied)
    if reclaimed:
        assert (await emptied.page(State.COMPLETED)).jobs == []
        assert (await soon(emptied.store.prune(Why.COUNT, dict.fromkeys(FINISHED, 2**62), 1))).n == 0
    else:
        with pytest.raises(StoreFailed, match="walks"):
            await emptied.page(State.COMPLETED)
