"""Damage between jobs that hold each other is found and mended, and no job waits for ever or is lost for it."""

from pathlib import Path

import pytest
from msgspec import structs

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Damage, Recovery, Verb
from taskpusher_node.store.rocksdb import keys, records, wal
from taskpusher_node.store.rocksdb.repair import check, repair

from .bench import Bench
from .conformance.ordering import drained, line, well
from .conftest import RocksEngine
from .test_verify import STAMP, drop, edit, entries, first, spoil, walked

LATER_MS = 1_000
STRANGER = b"\x01" * 16


async def populate(bench: Bench) -> list[str]:
    """Leave an ordered line of three, and a text with a job between its tries and one behind it."""
    await bench.add(unique="t")
    job = await bench.start()
    follower = await bench.add(unique="t", on_conflict="after")
    await bench.settle(job, State.SCHEDULED, due_ms=bench.now_ms + LATER_MS, tries=1)
    return [*await line(bench, 3), job.uid, follower]


def job_of(path: Path, prefix: bytes, which: int = 0) -> bytes:
    """Return the id in an entry."""
    key, value = entries(path, prefix)[which]
    return value or key[-16:]


def lose(prefix: bytes):
    return lambda path: edit(path, delete=(b"b" + job_of(path, prefix),))


def unhold(prefix: bytes, which: int = 0):
    """Let a job that is held say that nobody holds it."""

    def damage(path: Path) -> None:
        job_id = job_of(path, prefix, which)
        found = entries(path, b"j" + job_id)
        birth = records.decode_birth(entries(path, b"b" + job_id)[0][1])
        head = records.decode_head(found[0][1]) if found else birth.head
        edit(path, {b"j" + job_id: records.encode(structs.replace(head, held=0))})

    return damage


def stray(path: Path) -> None:
    (key, _), (text, _) = first(path, b"k"), first(path, b"u")
    edit(path, {key[:-16] + STRANGER: b"", text[:-1] + b"x": STRANGER, b"fk:z\0z": STRANGER})


WRONG = {
    "the first of a line is not known": (drop(b"f"), {Damage.INDEX_MISSING}, 0),
    "the first of a line is said to be a stranger": (spoil(b"f", STRANGER), {Damage.INDEX_STRAY}, 0),
    "a follower is missing": (drop(b"k"), {Damage.INDEX_MISSING}, 0),
    "a unique text is not known": (drop(b"u"), {Damage.INDEX_MISSING}, 0),
    "a unique text is said to be that of a stranger": (spoil(b"u", STRANGER), {Damage.INDEX_STRAY}, 0),
    "entries are those of no job": (stray, {Damage.INDEX_STRAY}, 0),
    "the first of a line is lost": (lose(b"f"), {Damage.JOB_LOST, Damage.INDEX_STRAY}, 1),
    "a follower is lost": (lose(b"k"), {Damage.JOB_LOST, Damage.INDEX_STRAY}, 1),
    "the first of a text is lost": (lose(b"u"), {Damage.JOB_LOST, Damage.INDEX_STRAY}, 1),
    "two say that they are the first of a line": (unhold(b"k"), {Damage.INDEX_MISSING}, 0),
    "two say that they have a text": (unhold(b"u", 1), {Damage.INDEX_MISSING}, 0),
    "a call that is not closed is nonsense": (
        lambda path: edit(path, {keys.closing_key(STRANGER, 1): b"\x01nonsense"}),
        {Damage.UNDECODABLE},
        0,
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_wrong_between_jobs_is_found_and_mended(bench: Bench, engine: RocksEngine, wrong: str):
    damage, kinds, lost = WRONG[wrong]
    uids = await populate(bench)
    await bench.store.close()
    assert check(engine.path).found == {}
    damage(engine.path)
    report = check(engine.path)
    assert report.found.keys() >= kinds
    mended = repair(engine.path, STAMP)
    assert len(mended.lost_jobs) == lost
    assert check(engine.path).found == {}
    await bench.open()
    assert walked(bench) == []
    left = [uid for uid in uids if bench.store.get(uid) is not None]
    ran = await drained(bench)
    await bench.promote(LATER_MS)
    ran += await drained(bench)
    assert (len(left), sorted(ran)) == (len(uids) - lost, sorted(left))
    assert [uid for uid in ran if uid in uids[:3]] == [uid for uid in left if uid in uids[:3]]
    await well(bench)


async def test_a_running_store_is_told_what_is_wrong_between_jobs(bench: Bench, engine: RocksEngine):
    await populate(bench)
    await bench.store.close()
    unhold(b"k")(engine.path)
    await bench.open()
    assert {finding.kind for finding in walked(bench)} == {Damage.INDEX_MISSING, Damage.INDEX_STRAY}


async def test_a_call_that_is_not_closed_is_well_while_it_runs_and_after_a_kill(bench: Bench, engine: RocksEngine):
    uids = await line(bench, 2, unique=None)
    await bench.start()
    await bench.change(uids[0], Verb.CANCEL)
    await well(bench)
    await engine.kill()
    assert check(engine.path).found == {}
    await bench.open()
    await well(bench)
    assert await drained(bench) == uids[1:]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
async def test_after_a_damaged_log_lines_and_texts_fit_together_and_all_runs(
    bench: Bench, engine: RocksEngine, share: float
):
    for n in range(60):
        await line(bench, 2, str(n % 3), body=b"x" * 900)
        await bench.put(bench.job(unique=str(n % 5), on_conflict=["keep", "replace", "after"][n % 3]))
        if n % 2:
            await bench.durable()
            for job in await bench.claim(2):
                await bench.settle(job, State.COMPLETED, tries=1)
    await bench.durable()
    await engine.kill()
    log = max(wal.logs(engine.path), key=lambda file: file.stat().st_size)
    content = bytearray(log.read_bytes())
    content[int(len(content) * share)] ^= 1
    log.write_bytes(content)
    await bench.open()
    assert bench.store.recovery is Recovery.POINT_IN_TIME
    await well(bench)
    await drained(bench)
    assert await bench.walk(State.WAITING) == []
    await well(bench)
