"""Long ordered lines cost others nothing: they are on disk alone, and the next of one is found without a walk."""

import asyncio

import pytest

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Put, StoreFailed
from taskpusher_node.store.rocksdb import followers, keys
from taskpusher_node.store.rocksdb.commit import STALL_RETRY_S

from .bench import Bench, soon
from .conformance.ordering import line
from .test_deleted import SKIPS_MAX, scan_without_walking

FOLLOWERS = 20_000
ENDED = SKIPS_MAX + 200


class Counted:
    """A scan that counts what it returns."""

    def __init__(self, scan) -> None:
        self._scan = scan
        self.entries = 0

    def __call__(self, start: bytes, end: bytes, n: int) -> list[tuple[bytes, bytes]]:
        found = self._scan(start, end, n)
        self.entries += len(found)
        return found


async def test_a_long_line_behind_one_slow_job_costs_others_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    for _ in range(FOLLOWERS // 1_000):
        await line(bench, 1_000)
    first = await bench.start()
    for again in (False, True):
        if again:
            await bench.kill_and_reopen()
        book = bench.store._book
        counted = Counted(book.db.scan)
        monkeypatch.setattr(book.db, "scan", counted)
        lanes = [lane for queue in book.lanes.lines.values() for lane in queue.lanes()]
        assert (book.lanes._ahead, len(lanes), book.releasing) == (0, int(again), set())
        others = await bench.add_many(100)
        assert {job.uid for job in await bench.claim(200)} == {*others, *([first.uid] if again else [])}
        assert counted.entries <= 300
    assert bench.counts()[State.WAITING] == FOLLOWERS - 1 + 100


async def test_the_next_of_a_line_is_found_without_a_walk_over_those_that_have_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    uids = await line(bench, ENDED + 1)
    book = bench.store._book
    counted = Counted(scan_without_walking(bench))
    monkeypatch.setattr(book.db, "scan", counted)
    for uid in uids[:-1]:
        job = await bench.start()
        assert job.uid == uid
        await bench.settle(job, State.COMPLETED, tries=1)
        await bench.durable()
    assert counted.entries <= 4 * ENDED
    with pytest.raises(StoreFailed, match="walks"):
        followers.next_in_line(book, keys.line_key(job.spec), 0)


async def test_while_the_engine_stalls_an_add_is_told_so_and_an_end_keeps_its_slot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    uids = await line(bench, 2)
    job = await bench.start()
    commit = bench.store._commit
    stalled = commit.write_now
    monkeypatch.setattr(commit, "write_now", lambda: False)
    commit.batch()
    assert await bench.put(bench.job(key="k", ordered=True), bench.job()) == [Put.BUSY, Put.CREATED]
    settling = asyncio.ensure_future(bench.store.settle(job.token, None))
    await asyncio.sleep(STALL_RETRY_S / 2)
    assert (settling.done(), bench.store._book.calls.keys()) == (False, {keys.id_of(uids[0])})
    monkeypatch.setattr(commit, "write_now", stalled)
    settling.cancel()
    await soon(bench.store.durable())
