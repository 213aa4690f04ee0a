"""Jobs that were handed off, where the store is damaged, copied, large or cannot write."""

import asyncio
import shutil

import pytest

from taskpusher_node.lifecycle import Head, Progress, State
from taskpusher_node.reports import Completed, Heartbeat
from taskpusher_node.store.base import Claimed, Damage, Settled, StoreBusy
from taskpusher_node.store.rocksdb import backup, keys, records, wal
from taskpusher_node.store.rocksdb.db import Stalled
from taskpusher_node.store.rocksdb.handed import Handed, HandedOff
from taskpusher_node.store.rocksdb.repair import check, repair

from .bench import Bench
from .conftest import RocksEngine
from .test_verify import edit, entries, walked
from .test_wal import flipped

STAMP = "20261125T120000Z"
LEASE_MS = 600_000


async def accepted(bench: Bench, **fields: object) -> Claimed:
    """Add a job, have it accepted, and hear of it once."""
    await bench.add(**fields)
    job = await bench.start()
    await bench.hand_off(job, LEASE_MS)
    await bench.report(job, Heartbeat(percent=50.0))
    return job


def lose(table: bytes):
    return lambda path, job_id: edit(path, delete=(table + job_id,))


def stale(path, job_id):
    edit(path, {keys.handed_key(job_id): records.encode(records.Accepted(7, 1))})


def spoiled(path, job_id):
    edit(path, {keys.handed_key(job_id): b"\x01nonsense"})


def stray(path, job_id):
    other = bytes(15) + b"\x01"
    edit(path, {keys.handed_key(other): dict(entries(path, b"h"))[keys.handed_key(job_id)]})


WRONG = {
    "what heartbeats change is missing": (lose(b"h"), Damage.INDEX_MISSING),
    "it is of another call": (stale, Damage.INDEX_STRAY),
    "it is nonsense": (spoiled, Damage.UNDECODABLE),
    "the head is missing": (lose(b"j"), Damage.HEAD_LOST),
    "there is one more, of no job": (stray, Damage.JOB_LOST),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_wrong_is_found_and_mended_and_the_job_still_runs(bench: Bench, engine: RocksEngine, wrong: str):
    damage, kind = WRONG[wrong]
    job = await accepted(bench)
    await bench.store.close()
    assert check(engine.path).found == {}
    damage(engine.path, keys.id_of(job.uid))
    assert kind in check(engine.path).found
    repair(engine.path, STAMP)
    assert check(engine.path).found == {}
    await bench.open()
    assert await bench.claim() == []
    assert await bench.where() == {State.RUNNING: [job.uid]}
    assert await bench.report(job, Completed()) is Settled.APPLIED
    assert bench.counts() == {State.COMPLETED: 1}
    assert walked(bench) == []


async def test_a_job_that_was_lost_is_told_and_no_start_fails_for_it(bench: Bench, engine: RocksEngine):
    job = await accepted(bench)
    await engine.kill()
    edit(engine.path, delete=(b"b" + keys.id_of(job.uid),))
    await bench.open()
    assert bench.store.handed_off() == 0
    assert Damage.JOB_LOST in {finding.kind for finding in walked(bench)}


async def test_a_backup_has_what_is_handed_off(bench: Bench, engine: RocksEngine, tmp_path):
    job = await accepted(bench)
    token = bench.store.token(*job.token)
    made = await bench.store.backup(tmp_path / "copies" / "one")
    assert await bench.report(job, Completed(b"1")) is Settled.APPLIED
    await bench.store.close()
    shutil.rmtree(engine.path)
    await asyncio.to_thread(backup.restore, tmp_path / "copies" / "one", engine.path, bench.now_ms)
    assert made.jobs == 1
    await bench.open()
    assert bench.store.authorised(job.uid, token) == job.token
    assert bench.view(job.uid).progress == Progress(50.0, None, bench.now_ms)
    assert await bench.report(job, Completed(b"2")) is Settled.APPLIED


async def test_what_stands_behind_a_damage_of_the_log_is_as_it_was(bench: Bench, engine: RocksEngine):
    uids = [await bench.add(body=b"x" * 40_000) for _ in range(6)]
    jobs = await bench.claim(6)
    assert [job.uid for job in jobs] == uids
    other = await bench.add(body=b"x" * 40_000)
    for job in jobs:
        await bench.hand_off(job, LEASE_MS)
    await bench.report(jobs[0], Heartbeat(lease_s=80_000.0, percent=9.0))
    await bench.report(jobs[1], Completed())
    lease_ms = bench.now_ms + 80_000_000
    await engine.kill()
    log = max(wal.logs(engine.path), key=lambda file: file.stat().st_size)
    log.write_bytes(flipped(log.read_bytes(), log.read_bytes().index(keys.id_of(other))))
    await bench.open()
    there = {job.uid: bench.head(job.uid) for job in jobs if bench.store.get(job.uid) is not None}
    assert there[jobs[0].uid].lease_ms == lease_ms
    assert bench.view(jobs[0].uid).progress == Progress(9.0, None, bench.now_ms)
    assert there[jobs[1].uid].state is State.COMPLETED
    assert [there[job.uid].state for job in jobs[2:]] == [State.RUNNING] * 4
    assert bench.store.handed_off() == 5
    assert walked(bench) == []


async def test_a_store_that_cannot_write_takes_no_word(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    job = await accepted(bench)
    db = bench.store._book.db

    def stall(_: object) -> None:
        raise Stalled

    monkeypatch.setattr(db, "write", stall)
    bench.store.remember("x", b"")
    assert not bench.store._commit.write_now()
    with pytest.raises(StoreBusy):
        await bench.report(job, Completed())
    monkeypatch.undo()
    await bench.durable()
    assert await bench.report(job, Completed()) is Settled.APPLIED


async def test_a_slot_is_free_only_when_its_job_is_durably_handed_off(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    bench.store.limit_host("a:80", 1)
    await bench.add_many(2)
    job = await bench.start()
    flush = bench.store._book.db.flush_log
    released = asyncio.Event()
    loop = asyncio.get_running_loop()

    def held_up() -> None:
        asyncio.run_coroutine_threadsafe(released.wait(), loop).result(5)
        flush()

    monkeypatch.setattr(bench.store._book.db, "flush_log", held_up)
    settling = asyncio.create_task(bench.hand_off(job, LEASE_MS))
    await asyncio.sleep(0.02)
    assert await bench.claim() == []
    assert not settling.done()
    released.set()
    assert await settling is Settled.APPLIED
    assert len(await bench.claim()) == 1


def handed(n: int, lease_ms: int) -> Handed:
    return Handed("u", n.to_bytes(16), 0, None, Head(State.RUNNING, n, lease_ms=lease_ms))


def test_leases_that_change_again_and_again_and_jobs_that_end_leave_no_ends_behind():
    table = HandedOff()
    stays = handed(0, 10)
    table.take(stays)
    for n in range(1, 1_000):
        table.take(handed(n, 100_000 + n))
        table.end(table[n.to_bytes(16)])
        table.renew(stays, 90_000 - n)
    assert len(table._ends) < 200
    assert table.over(89_000) is None
    assert table.over(90_000) is stays
