"""RocksDB under the conformance suite, and what only this engine has: a folder, a format, a boot record."""

import asyncio
import itertools
from contextlib import suppress
from pathlib import Path

import pytest

from taskpusher.job import CALLBACK_QUEUE, Callback
from taskpusher_node.lifecycle import CRASHES_MAX, State
from taskpusher_node.store.base import StoreFailed, StoreLocked, StoreRefused
from taskpusher_node.store.rocksdb import RocksStore, keys, records, recovery
from taskpusher_node.store.rocksdb.db import Batch, Database

from .bench import NAME, Bench, soon, tell
from .conformance import SUITE
from .conftest import RocksEngine

for part in SUITE:
    globals()[f"Test{part.__name__}"] = type(f"Test{part.__name__}", (part,), {})
del part


def put_meta(path: Path, key: bytes, value: bytes) -> None:
    """Change a record of a store that is closed."""
    db = Database(path)
    batch = Batch()
    batch.put(key, value)
    db.write(batch)
    db.flush_log()
    db.close()


async def test_a_store_keeps_its_name(bench: Bench, engine: RocksEngine):
    await bench.store.close()
    with pytest.raises(StoreRefused, match="other"):
        await RocksStore.open(engine.path, "other")
    await bench.open(name=None)
    assert bench.store.name == NAME


async def test_a_store_without_a_name_draws_one_and_keeps_it(tmp_path: Path):
    store = await RocksStore.open(tmp_path / "new")
    name = store.name
    await store.close()
    store = await RocksStore.open(tmp_path / "new")
    assert (len(name), store.name) == (5, name)
    await store.close()


async def test_a_newer_format_is_refused_and_left_as_it_is(bench: Bench, engine: RocksEngine):
    uid = await bench.add()
    await bench.store.close()
    put_meta(engine.path, keys.FORMAT, (records.FORMAT + 1).to_bytes(2))
    with pytest.raises(StoreRefused, match=str(records.FORMAT + 1)):
        await RocksStore.open(engine.path, NAME)
    put_meta(engine.path, keys.FORMAT, records.FORMAT.to_bytes(2))
    await bench.open()
    assert await bench.where() == {State.WAITING: [uid]}


async def test_a_second_open_is_locked_out_and_the_first_goes_on(bench: Bench, engine: RocksEngine):
    with pytest.raises(StoreLocked):
        await RocksStore.open(engine.path, NAME)
    assert await bench.run_all() == []
    assert await bench.add()


async def test_a_folder_that_cannot_be_opened_is_a_failed_store(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreFailed):
        await RocksStore.open(tmp_path / "file")


async def test_a_power_cut_is_nobodys_crash(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    uid = await bench.add()
    for boot in (b"second", b"third", b"fourth", b"fifth"):
        await bench.start()
        monkeypatch.setattr(recovery, "_boot_id", lambda boot=boot: boot)
        await bench.kill_and_reopen()
        head = bench.head(uid)
        assert (head.state, head.crashes, head.last.outcome) == (State.WAITING, 0, "power-cut")
    assert bench.head(uid).attempt == 4


async def test_a_power_cut_does_not_forgive_crashes(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    uid = await bench.add()
    for _ in range(2):
        await bench.start()
        await bench.kill_and_reopen()
    await bench.start()
    monkeypatch.setattr(recovery, "_boot_id", lambda: b"another")
    await bench.kill_and_reopen()
    assert (bench.state(uid), bench.head(uid).crashes) == (State.WAITING, 2)
    await bench.start()
    await bench.kill_and_reopen()
    assert bench.state(uid) is State.ERROR


async def test_a_changed_boot_record_makes_a_crash_a_power_cut(bench: Bench, engine: RocksEngine):
    uid = await bench.add()
    await bench.start()
    await engine.kill()
    put_meta(engine.path, keys.BOOT, b"another boot")
    await bench.open()
    assert bench.head(uid).crashes == 0


async def test_after_a_power_cut_buckets_are_empty_and_after_a_stop_they_are_as_they_were(
    bench: Bench, engine: RocksEngine
):
    await bench.add_many(9, limit=("k", None, 4.0))
    await bench.add_many(9, queue="q")
    await bench.number_queue(rate=4.0, queue="q")
    for job in await bench.claim(2):
        await bench.settle(job, State.COMPLETED)
    await bench.store.close()
    put_meta(engine.path, keys.BOOT, b"another boot")
    await bench.open()
    assert len(await bench.claim(9)) == 6
    await engine.kill()
    put_meta(engine.path, keys.BOOT, b"a third boot")
    await bench.open()
    assert await bench.claim(9) == []
    await bench.promote(250)
    assert len(await bench.claim(9)) == 2


async def test_a_settle_is_written_at_once(bench: Bench):
    uid = await bench.add()
    await bench.settle(await bench.start(), State.COMPLETED)
    await asyncio.sleep(0)
    await bench.kill_and_reopen()
    assert await bench.where() == {State.COMPLETED: [uid]}


async def test_a_settle_is_flushed_without_anybody_waiting(bench: Bench):
    uid = await bench.add()
    await bench.settle(await bench.start(), State.COMPLETED)

    async def told() -> None:
        while not bench.heard.ended:
            await asyncio.sleep(0.001)

    await soon(told())
    assert bench.heard.ended == [uid]


@pytest.mark.parametrize("given", [False, True])
async def test_a_kill_in_the_middle_of_an_add_leaves_all_of_its_jobs_or_none(bench: Bench, given: bool):  # noqa: FBT001
    put = asyncio.gather(bench.store.put_new([bench.job(given=given) for _ in range(3)]))
    await asyncio.sleep(0)
    await bench.kill_and_reopen()
    put.cancel()
    await asyncio.gather(put, return_exceptions=True)
    assert len(await bench.walk(State.WAITING)) in (0, 3)


async def test_a_declared_queue_is_counted_by_its_own_name_from_then_on_and_after_a_restart(bench: Bench):
    await bench.add(queue="mail")
    book = bench.store._book
    book.queues["mail"] = records.QueueRecord(declared=True)
    book.retally("mail")
    await bench.add(queue="mail")
    await bench.pause("mail")  # writes the record down
    assert {name: tally.added for name, tally in bench.store.tallies.items()} == {"default": 0, "other": 1, "mail": 1}
    await bench.reopen()
    assert bench.store.queue("mail").declared
    assert bench.store.tallies.keys() == {"default", "other", "mail"}


async def test_of_a_queue_that_is_deleted_only_the_durations_of_its_calls_are_kept(bench: Bench):
    book = bench.store._book
    book.queues["mail"] = records.QueueRecord(declared=True)
    await bench.bring(State.COMPLETED, queue="mail")
    before = bench.store.durations()
    del book.queues["mail"]
    book.retally("mail")
    assert bench.store.tallies.keys() == {"default", "other"}
    assert (bench.store.durations(), sum(before)) == (before, 1)


@pytest.mark.parametrize("writes", range(5))
async def test_a_start_that_is_killed_at_any_write_leaves_an_end_with_its_callback_or_neither(
    bench: Bench, engine: RocksEngine, monkeypatch: pytest.MonkeyPatch, writes: int
):
    told = Callback("http://told:80/", "told:80")
    uids = await bench.add_many(2, callback=told, idempotency_key=None)
    for _ in range(CRASHES_MAX - 1):
        await bench.claim(2)
        await bench.durable()
        await bench.kill_and_reopen()
    await bench.claim(2)
    await bench.durable()
    await engine.kill()
    left = itertools.count(writes, -1)

    def write(db: Database, batch: Batch) -> None:
        if next(left) == 0:
            raise StoreFailed("killed")
        real_write(db, batch)

    real_write = Database.write
    monkeypatch.setattr(Database, "write", write)
    with suppress(StoreFailed):
        await engine.open(name=NAME, tell=tell)
        await engine.kill()
    monkeypatch.undo()
    await bench.open()
    ended = [uid for uid in uids if bench.state(uid) is State.ERROR]
    callbacks = await bench.walk(State.WAITING, queue=CALLBACK_QUEUE)
    assert [bench.view(uid).spec.callback_of for uid in callbacks] == ended
    assert ended
