"""A verification finds whatever does not fit together, and only that; a repair mends it from the heads."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rocksdict import Options, Rdict

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Damage, Events, StoreDamaged, StoreFailed, StoreRefused
from taskpusher_node.store.rocksdb import backup, groups, keys, records
from taskpusher_node.store.rocksdb import repair as repairing
from taskpusher_node.store.rocksdb.db import LOCK, Batch, Database, locked
from taskpusher_node.store.rocksdb.disk import BALLAST
from taskpusher_node.store.rocksdb.repair import LOST_JOBS, check, repair

from .bench import Bench
from .conftest import RocksEngine

STAMP = "20261125T120000Z"
STATES = [state for state in State if state is not State.RUNNING]


def edit(path: Path, put: dict[bytes, bytes] | None = None, delete: tuple[bytes, ...] = ()) -> None:
    """Change entries of a closed store behind its back."""
    db = Database(path)
    batch = Batch()
    for key in delete:
        batch.delete(key)
    for key, value in (put or {}).items():
        batch.put(key, value)
    db.write(batch)
    db.flush_log()
    db.close()


def entries(path: Path, prefix: bytes) -> list[tuple[bytes, bytes]]:
    with locked(path):
        db = Database(path, read_only=True)
        try:
            return db.all(prefix)
        finally:
            db.close()


def walked(bench: Bench, n: int = 1_000) -> list[Any]:
    """Return all that a verification of a running store finds."""
    walk, found = bench.store.verification(), []
    while not walk.done:
        found += walk.step(n)
    return found


def can_be_opened(path: Path) -> bool:
    """Tell whether another process gets the lock of a store."""
    opens = f"import fcntl; fcntl.lockf(open('{path / LOCK}', 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return subprocess.run([sys.executable, "-c", opens], check=False, capture_output=True).returncode == 0


async def populate(bench: Bench) -> dict[State, str]:
    """Bring a job into each state that survives a stop, one of them after two calls."""
    uids = {}
    for state in sorted(STATES, key=lambda state: state is State.WAITING):  # while nothing else is ready
        uids[state] = await bench.bring(state, ttl_s=3_600.0 if state in (State.WAITING, State.SCHEDULED) else None)
    return uids


async def test_a_store_with_jobs_in_every_state_is_well(bench: Bench, engine: RocksEngine):
    await populate(bench)
    await bench.start()
    assert walked(bench) == []
    assert walked(bench, 1) == []


async def test_a_store_is_well_after_a_stop_and_after_a_kill(bench: Bench, engine: RocksEngine):
    await populate(bench)
    await bench.store.close()
    assert check(engine.path).found == {}
    await bench.open()
    await bench.start()
    await engine.kill()
    report = check(engine.path)
    assert (report.found, report.entries > 15) == ({}, True)


async def test_a_check_changes_no_byte(bench: Bench, engine: RocksEngine):
    await populate(bench)
    await engine.kill()
    before = {file.name: file.read_bytes() for file in engine.path.iterdir()}
    check(engine.path)
    assert {file.name: file.read_bytes() for file in engine.path.iterdir()} == before


def test_what_is_no_store_is_not_made_one(tmp_path: Path):
    with pytest.raises(StoreFailed, match="no store"):
        check(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_newer_format_is_not_looked_at(bench: Bench, engine: RocksEngine):
    await bench.store.close()
    edit(engine.path, {keys.FORMAT: (records.FORMAT + 1).to_bytes(2)})
    with pytest.raises(StoreRefused):
        repair(engine.path, STAMP)
    edit(engine.path, {keys.FORMAT: records.FORMAT.to_bytes(2)})
    await bench.open()


def first(path: Path, prefix: bytes) -> tuple[bytes, bytes]:
    return entries(path, prefix)[0]


def drop(prefix: bytes):
    return lambda path: edit(path, delete=(first(path, prefix)[0],))


def misplace(path: Path) -> None:
    key, value = first(path, keys.listing_prefix(State.COMPLETED))
    t_ms, job_id = keys.listed(key)
    edit(path, {keys.listing_key(State.WAITING, t_ms, job_id): value})


def lose_head(path: Path) -> None:
    _, job_id = keys.listed(first(path, keys.listing_prefix(State.ERROR))[0])
    edit(path, delete=(b"j" + job_id,))


def lose_job(path: Path) -> None:
    _, job_id = keys.listed(first(path, keys.listing_prefix(State.CANCELLED))[0])
    edit(path, delete=(b"b" + job_id,))


def spoil(prefix: bytes, value: bytes):
    return lambda path: edit(path, {first(path, prefix)[0]: value})


def miscount(path: Path) -> None:
    key, value = first(path, b"g")
    group = records.decode_members(value)
    group.count += 5
    edit(path, {key: records.encode(group)})


EMPTY = records.encode(records.Members(groups.OTHER_GROUP, 3))
WRONG = {
    "a listing entry is missing": (drop(keys.listing_prefix(State.COMPLETED)), {Damage.INDEX_MISSING}, 0),
    "a ready entry is missing": (drop(b"r"), {Damage.INDEX_MISSING}, 0),
    "the end of a ttl is missing": (drop(b"x"), {Damage.INDEX_MISSING}, 0),
    "a ready entry tells another time": (spoil(b"r", keys.u64(1)), {Damage.INDEX_MISSING}, 0),
    "a finished job is listed as waiting too": (misplace, {Damage.INDEX_STRAY}, 0),
    "counters are missing": (drop(b"c"), {Damage.COUNTER_WRONG}, 0),
    "counters are wrong": (spoil(b"c", records.encode_counts([7] * 6)), {Damage.COUNTER_WRONG}, 0),
    "counters are cut off": (spoil(b"c", b"\0" * 47), {Damage.UNDECODABLE, Damage.COUNTER_WRONG}, 0),
    "a group of errors is missing": (drop(b"g"), {Damage.COUNTER_WRONG}, 0),
    "a group of errors counts wrong": (miscount, {Damage.COUNTER_WRONG}, 0),
    "a group of errors is empty": (lambda path: edit(path, {b"gno": EMPTY}), {Damage.COUNTER_WRONG}, 0),
    "a group of errors is nonsense": (spoil(b"g", b"\x01nonsense"), {Damage.UNDECODABLE, Damage.COUNTER_WRONG}, 0),
    "a head is missing": (lose_head, {Damage.HEAD_LOST, Damage.INDEX_MISSING}, 0),
    "a head is nonsense": (spoil(b"j", b"\x01nonsense"), {Damage.UNDECODABLE}, None),
    "a job is missing": (lose_job, {Damage.JOB_LOST, Damage.COUNTER_WRONG}, 1),
    "a job is nonsense": (spoil(b"b", b"\x01nonsense"), {Damage.UNDECODABLE, Damage.COUNTER_WRONG}, 1),
    "a share is nonsense": (lambda path: edit(path, {keys.SHARE: b"\x01nonsense"}), {Damage.UNDECODABLE}, 0),
    "a key has no length": (lambda path: edit(path, {b"b": b""}), {Damage.UNDECODABLE}, 0),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_wrong_is_found_and_mended(bench: Bench, engine: RocksEngine, wrong: str):
    damage, kinds, lost = WRONG[wrong]
    uids = await populate(bench)
    await bench.store.close()
    before = check(engine.path)
    damage(engine.path)
    report = check(engine.path)
    assert (before.found, set(report.found) >= kinds) == ({}, True), report
    mended = repair(engine.path, STAMP)
    assert mended.found.keys() >= report.found.keys()
    assert check(engine.path).found == {}
    assert repair(engine.path, STAMP).kept is None
    assert set(check(Path(mended.kept)).found) == set(report.found)
    await bench.open()
    assert walked(bench) == []
    there = {uid: bench.state(uid) for uid in uids.values() if bench.store.get(uid) is not None}
    if lost is not None:
        assert len(mended.lost_jobs) == len(uids) - len(there) == lost
        assert there.items() <= {uid: state for state, uid in uids.items()}.items()
    assert await bench.where() == {state: [uid] for uid, state in there.items()}


async def test_a_job_that_ended_does_not_run_again_because_its_head_is_lost(bench: Bench, engine: RocksEngine):
    uid = await bench.bring(State.ERROR)
    await bench.store.close()
    lose_head(engine.path)
    shutil.copytree(engine.path, engine.path.with_name("unmended"))
    repair(engine.path, STAMP)
    await bench.open()
    assert (await bench.claim(), bench.head(uid).error.kind) == ([], "damaged")
    await bench.store.close()
    # without the repair its birth is all there is, and that waits
    shutil.rmtree(engine.path)
    engine.path.with_name("unmended").rename(engine.path)
    await bench.open()
    assert bench.state(uid) is State.WAITING


async def test_in_which_group_an_error_was_counted_is_history(bench: Bench, engine: RocksEngine, monkeypatch):
    monkeypatch.setattr(groups, "GROUPS_MAX", 0)
    uid = await bench.bring(State.ERROR)
    monkeypatch.undo()
    assert await bench.walk(State.ERROR, group="other") == [uid]
    assert walked(bench) == []
    await bench.store.close()
    assert check(engine.path).found == {}
    await bench.open()


async def test_what_can_be_read_of_a_lost_job_is_kept(bench: Bench, engine: RocksEngine):
    uid = await bench.bring(State.COMPLETED, queue="mail")
    await bench.store.close()
    edit(engine.path, delete=(entries(engine.path, b"b")[0][0],))
    report = repair(engine.path, STAMP)
    lines = [json.loads(line) for line in (Path(report.kept) / LOST_JOBS).read_text().splitlines()]
    assert report.lost_jobs == {uid}
    assert {line["uid"] for line in lines} == {uid}
    assert any(line.get("queue") == "mail" for line in lines)
    assert any("head" in line for line in lines)
    await bench.open()


@pytest.mark.parametrize("wrong", ["gone", "wrong", "of no job", "nonsense"])
async def test_counters_of_limit_keys_are_counted_again_and_what_is_fixed_by_hand_stays(
    bench: Bench, engine: RocksEngine, wrong: str
):
    for n in range(3):
        await bench.add(limit=("k", 2), delay_ms=n // 2 * 60_000)
    await bench.pin("pinned", 7)
    await bench.claim()
    await bench.store.close()
    assert check(engine.path).found == {}
    key = keys.key_gate_key("k" if wrong != "of no job" else "other")
    record = records.encode(records.KeyGateRecord(2, None, 1.0, False, 1.0, bench.now_ms, 5, 0))
    if wrong == "gone":
        edit(engine.path, delete=(key,))
    else:
        edit(engine.path, {key: record if wrong != "nonsense" else b"\x01\xc1"})
    kinds = {Damage.COUNTER_WRONG} | ({Damage.UNDECODABLE} if wrong == "nonsense" else set())
    assert repair(engine.path, STAMP).found.keys() == kinds
    assert check(engine.path).found == {}
    await bench.open()
    told = {view.limit.key: view for view in bench.store.limits(after=None, n=9)}
    assert {key: (view.limit.concurrency, view.pinned) for key, view in told.items()} == {
        "k": (2, False),
        "pinned": (7, True),
    }
    assert (told["k"].running, told["k"].waiting, len(await bench.claim(9))) == (0, 2, 2)


async def test_a_walk_that_is_not_told_what_moves_sees_wrong_counters(bench: Bench):
    """The control of what the model's machine shows at length."""
    for told in (True, False):
        await bench.add_many(10)
        walk = bench.store.verification()
        while walk._position < b"c":
            assert walk.step(3) == []
        if not told:
            bench.store._book.moved = None
        await bench.add_many(5)
        await bench.run_all()
        found = []
        while not walk.done:
            found += walk.step(3)
        assert {finding.kind for finding in found} == (set() if told else {Damage.COUNTER_WRONG})


# -- tables


async def tables(bench: Bench, engine: RocksEngine, n: int = 400) -> list[str]:
    """Leave a stopped store of `n` jobs whose entries stand in tables, and bodies in a blob file."""
    uids = await bench.add_many(n, body=b"x" * 500)
    uids += await bench.add_many(3, body=b"y" * 70_000)
    await bench.store.close()
    Database(engine.path).close()  # replays the log into tables
    return uids


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def largest(path: Path, pattern: str) -> Path:
    return max(path.glob(pattern), key=lambda file: file.stat().st_size)


@pytest.mark.parametrize("pattern", ["*.sst", "*.blob"])
async def test_a_flipped_byte_in_a_table_is_told_and_the_rest_is_salvaged(
    bench: Bench, engine: RocksEngine, pattern: str
):
    uids = await tables(bench, engine)
    file = largest(engine.path, pattern)
    flip(file, file.stat().st_size // 3)
    report = check(engine.path)
    assert report.found[Damage.UNREADABLE]
    assert any("Corruption" in finding.text for finding in report.findings)
    mended = repair(engine.path, STAMP)
    assert 1 <= len(mended.lost_jobs) <= 20
    assert check(engine.path).found == {}
    await bench.open()
    assert walked(bench) == []
    assert {uid for uid in uids if bench.store.get(uid) is None} == mended.lost_jobs
    assert set(await bench.run_all()) == set(uids) - mended.lost_jobs


async def test_a_flipped_byte_in_a_footer_is_told_and_the_table_given_up(bench: Bench, engine: RocksEngine):
    await tables(bench, engine)
    await bench.open()
    later = await bench.add_many(5)
    await bench.store.close()
    file = largest(engine.path, "*.sst")
    flip(file, file.stat().st_size - 20)
    with pytest.raises(StoreDamaged, match=file.name):
        await bench.open()
    mended = repair(engine.path, STAMP)
    assert mended.found[Damage.UNREADABLE]
    await bench.open()
    assert [uid for uid in later if bench.store.get(uid) is None] == []


async def test_a_damaged_table_that_spans_all_keys_hides_no_other_table(bench: Bench, engine: RocksEngine):
    await bench.add_many(2)
    await bench.store.close()
    Database(engine.path).close()  # a table of one block
    small = largest(engine.path, "*.sst")
    await bench.open()
    later = await bench.add_many(300, body=b"x" * 500)
    await bench.store.close()
    Database(engine.path).close()
    assert small.exists()
    flip(small, 100)
    assert check(engine.path).entries == 0  # what could be walked
    repair(engine.path, STAMP)
    assert check(engine.path).found == {}
    await bench.open()
    assert walked(bench) == []
    assert set(later) <= set(await bench.run_all())


async def test_a_read_of_what_is_damaged_fails_closed_and_says_where(bench: Bench, engine: RocksEngine):
    uids = await tables(bench, engine)
    file = largest(engine.path, "*.sst")
    flip(file, file.stat().st_size // 3)
    failed: list[str] = []
    await bench.open(events=Events(failed=failed.append))
    with pytest.raises(StoreDamaged, match=file.name):
        _ = [bench.store.get(uid) for uid in uids]
    assert (len(failed), bench.store.damage is not None, file.name in failed[0]) == (1, True, True)
    with pytest.raises(StoreFailed):
        await bench.add()


async def test_a_scheduled_job_that_is_not_there_fails_closed_and_says_so(bench: Bench, engine: RocksEngine):
    uid = await bench.add(delay_ms=10)
    await bench.store.close()
    edit(engine.path, delete=(b"b" + keys.id_of(uid),))
    await bench.open()
    with pytest.raises(StoreDamaged, match=uid):
        await bench.store.promote(bench.now_ms + 1_000)
    assert bench.store.damage is not None


async def test_a_plain_walk_over_a_damaged_table_would_end_early_without_a_word(bench: Bench, engine: RocksEngine):
    uids = await tables(bench, engine)
    file = largest(engine.path, "*.sst")
    flip(file, file.stat().st_size // 3)
    plain = Rdict(str(engine.path), Options(raw_mode=True))
    assert 0 < sum(key[:1] == b"b" for key in plain.keys()) < len(uids)  # noqa: SIM118 - it is no dict
    plain.close()
    await bench.open()


async def test_a_verification_of_what_is_damaged_tells_it_and_the_store_goes_on(bench: Bench, engine: RocksEngine):
    await tables(bench, engine)
    file = largest(engine.path, "*.sst")
    flip(file, file.stat().st_size // 3)
    await bench.open()
    found = walked(bench)
    assert {finding.kind for finding in found} >= {Damage.UNREADABLE}
    assert any(file.name in finding.text for finding in found)
    assert await bench.add()


async def test_no_node_gets_at_a_store_while_it_is_rebuilt(
    bench: Bench, engine: RocksEngine, monkeypatch: pytest.MonkeyPatch
):
    await tables(bench, engine)
    [file] = engine.path.glob("MANIFEST-*")
    flip(file, file.stat().st_size // 2)
    (engine.path / BALLAST).write_bytes(b"x")
    copied: list[str] = []

    def rebuild(path: Path) -> None:
        copied.extend(file.name for file in path.iterdir())
        assert not can_be_opened(engine.path)
        really(path)

    really = repairing.rebuild
    monkeypatch.setattr(repairing, "rebuild", rebuild)
    assert repair(engine.path, STAMP).kept is not None
    assert file.name in copied
    assert not {LOCK, BALLAST} & {*copied}
    assert can_be_opened(engine.path)
    await bench.open()


async def test_a_store_is_verified_until_a_verification_was_done_and_found_nothing(bench: Bench, engine: RocksEngine):
    await bench.add_many(3)
    await engine.kill()
    await bench.open()
    bench.store.verification().step(1)
    for found in (1, 0):  # the one before was cut short by the stop
        await bench.reopen()
        assert not bench.store.stopped_clean
        assert walked(bench) == []
        bench.store.totals.damaged += found
    await bench.reopen()
    assert bench.store.stopped_clean


async def test_a_repair_that_fails_leaves_the_store_as_it_was(
    bench: Bench, engine: RocksEngine, monkeypatch: pytest.MonkeyPatch
):
    await tables(bench, engine)
    drop(b"c")(engine.path)
    before = {file.name for file in engine.path.iterdir()}
    monkeypatch.setattr(repairing, "_ROUNDS_MAX", 0)
    with pytest.raises(StoreDamaged, match="cannot be repaired"):
        repair(engine.path, STAMP)
    assert {file.name for file in engine.path.iterdir()} == before
    monkeypatch.undo()
    assert repair(engine.path, STAMP).kept is not None
    await bench.open()


async def test_a_repair_that_was_cut_short_is_not_taken_for_a_store(
    bench: Bench, engine: RocksEngine, monkeypatch: pytest.MonkeyPatch
):
    await tables(bench, engine)
    drop(b"c")(engine.path)
    monkeypatch.setattr(backup, "move_in", lambda *_: None)
    kept = Path(repair(engine.path, STAMP).kept)
    for attempt in (Database, lambda path: repair(path, "later")):
        with pytest.raises((StoreRefused, StoreFailed)):
            attempt(engine.path)
    monkeypatch.undo()
    backup.move_in(engine.path / "repair.part", engine.path)
    assert (kept / "CURRENT").exists()
    await bench.open()
    assert walked(bench) == []


async def test_a_store_that_cannot_be_locked_is_not_said_to_be_missing(bench: Bench, engine: RocksEngine):
    await bench.store.close()
    (engine.path / LOCK).unlink()
    (engine.path / LOCK).mkdir()
    with pytest.raises(StoreFailed, match="cannot lock the store"):
        check(engine.path)
    (engine.path / LOCK).rmdir()
    with pytest.raises(StoreFailed, match="there is no store"):
        check(engine.path)
    await bench.open()
