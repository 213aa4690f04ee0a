"""How the RocksDB store keeps what adds are known by: flushed before it is told, bounded, mended and brought back."""

import asyncio
import threading

import pytest
from msgspec import structs

from taskpusher_node.lifecycle import FINISHED, State
from taskpusher_node.store.base import Damage, Put, StoreFailed, StoreUnknown, Verb, Why
from taskpusher_node.store.rocksdb import engine, keys, records
from taskpusher_node.store.rocksdb.db import Batch, Stalled

from .bench import Bench, soon

DAY_MS = 86_400_000
TABLES = (b"i", b"e", b"t")


def table(bench: Bench, byte: bytes) -> list[tuple[bytes, bytes]]:
    bench.store._commit.write_now()
    return list(bench.store._book.db.all(byte))


@pytest.fixture
def held_flush(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """Flushes wait until this is set."""
    go = threading.Event()
    flush = bench.store._book.db.flush_log

    def held() -> None:
        assert go.wait(10)
        flush()

    monkeypatch.setattr(bench.store._book.db, "flush_log", held)
    yield go
    go.set()


@pytest.mark.parametrize("by", [{"idempotency_key": "k"}, {"given": True}])
async def test_a_repeat_waits_for_the_flush_of_what_it_found(bench: Bench, held_flush: threading.Event, by: dict):
    job = bench.job(**by)
    first = asyncio.create_task(bench.store.put_new([job]))
    await asyncio.sleep(0.02)  # it is written, and being flushed
    assert bench.store._book.birth(keys.id_of(job.uid)) is not None
    repeat = asyncio.create_task(bench.store.put_new([job]))
    done, _ = await asyncio.wait({first, repeat}, timeout=0.05)
    assert done == set()
    held_flush.set()
    assert [placed.put for [placed] in await soon(asyncio.gather(first, repeat))] == [Put.CREATED, Put.SAME]


@pytest.mark.parametrize("by", [{"idempotency_key": "k"}, {"given": True}])
async def test_in_a_stall_what_must_be_looked_up_is_refused_at_once_and_nothing_of_it_is_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, by: dict
):
    db = bench.store._book.db
    write, over = db.write, asyncio.Event()

    def stalls(batch: Batch) -> None:
        if not over.is_set():
            raise Stalled
        write(batch)

    monkeypatch.setattr(db, "write", stalls)
    plain, special = bench.job(), bench.job(**by)
    puts = [asyncio.create_task(bench.store.put_new([job])) for job in (plain, special)]
    [refused] = await soon(puts[1])
    assert refused.put is Put.BUSY
    assert not puts[0].done()
    over.set()
    [stored] = await soon(puts[0])
    assert stored.put is Put.CREATED
    monkeypatch.undo()
    await bench.kill_and_reopen()
    assert await bench.run_all() == [plain.uid]
    assert await bench.put(special) == [Put.CREATED]


async def test_of_jobs_before_one_whose_look_fails_the_engine_nobody_says_that_they_are_not_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    def fails(_: Batch) -> None:
        raise StoreFailed("input/output error")

    monkeypatch.setattr(bench.store._book.db, "write", fails)
    with pytest.raises(StoreUnknown):
        await bench.put(bench.job(), bench.job(unique="u"))


async def test_forgetting_is_done_in_bounded_parts_and_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "_PROMOTE_AT_ONCE", 3)
    jobs = [bench.job(uid=bench.fresh_uid(), idempotency_key=str(i)) for i in range(8)]
    await bench.put(*jobs)
    await bench.run_all()
    for job in jobs:
        await bench.change(job.uid, Verb.DELETE)
    assert [len(table(bench, byte)) for byte in TABLES] == [8, 8, 8]
    bench.now_ms += DAY_MS + 60_000
    left = []
    while await bench.promote() == bench.now_ms:
        left.append([len(table(bench, byte)) for byte in TABLES])
    assert left == [[5, 5, 5], [2, 2, 2]]
    await bench.kill_and_reopen()
    assert [table(bench, byte) for byte in TABLES] == [[], [], []]


async def test_a_look_for_what_to_forget_reads_nothing_before_its_time(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    await bench.bring(State.COMPLETED, uid=bench.fresh_uid(), idempotency_key="k")
    await bench.promote()
    scanned = []
    scan = bench.store._book.db.scan
    monkeypatch.setattr(
        bench.store._book.db, "scan", lambda start, end, n: scanned.append(start[:1]) or scan(start, end, n)
    )
    assert await bench.promote() is not None
    assert not {b"e", b"t"} & set(scanned)


async def test_a_prune_reads_what_was_asked_of_fresh_jobs_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    old, fresh = bench.fresh_uid(DAY_MS + 1), bench.fresh_uid()
    await bench.put(*(bench.job(uid=uid) for uid in (old, fresh)))
    await bench.run_all()
    read = []
    birth = bench.store._book.birth
    monkeypatch.setattr(bench.store._book, "birth", lambda job_id: read.append(job_id) or birth(job_id))
    await soon(bench.store.prune(Why.COUNT, dict.fromkeys(FINISHED, 2**62), 9))
    assert read == [keys.id_of(fresh)]
    assert [key[1:] for key, _ in table(bench, b"t")] == [keys.id_of(fresh)]


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_job_that_was_rewritten_is_still_what_was_asked_for(bench: Bench, *, deleted: bool):
    job = bench.job(uid=bench.fresh_uid(), given=True)
    await bench.put(job)
    job_id = keys.id_of(job.uid)
    for method in ("PUT", "PATCH"):
        birth = bench.store._book.birth(job_id)
        birth = records.rewritten(birth, structs.replace(birth.spec, method=method))
        bench.store._commit.batch().put(b"b" + job_id, records.encode(birth))
        await bench.durable()
        await bench.kill_and_reopen()
    if deleted:
        assert await bench.run_all() == [job.uid]
        await bench.change(job.uid, Verb.DELETE)
    patched = structs.replace(job, spec=structs.replace(job.spec, method="PATCH"))
    assert await bench.put(job, patched) == [Put.SAME, Put.CONFLICT]


# -- verification and repair


async def looked(bench: Bench) -> list[Damage]:
    """Verify, mend, and verify again."""
    found = bench.store.verification().step(10_000)
    for mend in found:
        await write(bench, mend.put, *mend.delete)
    assert bench.store.verification().step(10_000) == []
    return sorted(mend.kind for mend in found)


async def write(bench: Bench, put: dict[bytes, bytes], *deleted: bytes) -> None:
    batch = bench.store._commit.batch()
    for key, value in put.items():
        batch.put(key, value)
    for key in deleted:
        batch.delete(key)
    await bench.durable()


async def test_a_key_that_would_never_be_forgotten_is_found_and_mended(bench: Bench):
    uid = await bench.bring(State.COMPLETED, idempotency_key="k")
    [(key, value)] = table(bench, b"i")
    [(ended, _)] = table(bench, b"e")
    assert await looked(bench) == []
    await write(bench, {}, ended)
    assert await looked(bench) == [Damage.INDEX_MISSING]
    assert table(bench, b"e") == [(ended, b"")]
    await write(bench, {key: keys.repeat_value(*keys.parse_repeat(value)[:2], 0)}, ended)
    assert await looked(bench) == [Damage.INDEX_MISSING]
    assert (table(bench, b"i"), table(bench, b"e")) == ([(key, value)], [(ended, b"")])
    await bench.change(uid, Verb.DELETE)
    assert await looked(bench) == []


async def test_the_key_of_a_job_that_is_lost_is_free_again(bench: Bench):
    uid = await bench.add(idempotency_key="k")
    [(key, value)] = table(bench, b"i")
    await write(bench, {key: keys.repeat_value(bytes(16), keys.parse_repeat(value)[1], 0)})
    assert await looked(bench) == [Damage.INDEX_STRAY]
    again = bench.job(idempotency_key="k")
    assert await bench.put(again) == [Put.CREATED]
    assert await bench.run_all() == [uid, again.uid]


async def test_nonsense_in_these_tables_is_found_and_taken_out(bench: Bench):
    await bench.add(idempotency_key="k")
    stray = keys.ended_key(1, table(bench, b"i")[0][0])
    await write(bench, {b"ix": b"1", stray: b"", keys.tombstone_key(bytes(16)): b"1", b"t1": bytes(16)})
    assert await looked(bench) == sorted([Damage.INDEX_STRAY, *[Damage.UNDECODABLE] * 3])
    assert await bench.put(bench.job(idempotency_key="k")) == [Put.SAME]
