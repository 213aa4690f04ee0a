"""The end of a log that was cut off, zeroed or changed is told; a plain kill leaves none of it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Damage, Put, Recovery, StoreDamaged, StoreFailed, Verb
from taskpusher_node.store.rocksdb import RocksStore, keys, recovery, wal
from taskpusher_node.store.rocksdb.db import Batch, Database
from taskpusher_node.store.rocksdb.repair import repair

from .bench import NAME, Bench
from .conftest import RocksEngine

N = 301
SIZES = [10, 300, 3_000, 40_000]  # the last is split over two blocks


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A store of N acknowledged entries as a SIGKILL leaves it."""
    db = Database(tmp_path / "alive")
    for i in range(N):
        batch = Batch()
        batch.put(b"b%04d" % i, bytes([i % 251]) * SIZES[i % 4])
        db.write(batch)
    db.flush_log()
    shutil.copytree(tmp_path / "alive", tmp_path / "killed")
    db.close()
    return tmp_path / "killed"


def change(store: Path, how) -> None:
    [log] = wal.logs(store)
    log.write_bytes(how(log.read_bytes()))


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :]


def last_record(content: bytes) -> int:
    """Return where the last whole record ends without its own last byte: where it begins."""
    return wal._whole_to(content[:-1])


def opened(store: Path, *, read_only: bool = False) -> tuple[str, int, str]:
    """Return how a store opens, how many entries it has, and what it says."""
    db = Database(store, read_only=read_only)
    try:
        return db.recovery, len(db.scan(b"b", b"c", N + 1)), db.recovered
    finally:
        db.close()


DAMAGE = {
    "torn": (lambda c: c[:-5], Recovery.TORN_TAIL, N - 1),
    "cut to its header": (lambda c: c[: last_record(c) + 3], Recovery.TORN_TAIL, N - 1),
    "zeroed from a record on": (lambda c: c[: last_record(c)].ljust(len(c), b"\0"), Recovery.TORN_TAIL, N - 1),
    "zeros behind it": (lambda c: c + bytes(100_000), Recovery.TORN_TAIL, N),
    "nonsense behind it": (lambda c: c + b"nonsense" * 9, Recovery.TORN_TAIL, N),
    "a longer length": (lambda c: flipped(c, last_record(c) + 5), Recovery.TORN_TAIL, N - 1),
    "zeroed within a record": (lambda c: c[:-8] + bytes(8), Recovery.POINT_IN_TIME, N - 1),
    "a flipped last byte": (lambda c: flipped(c, len(c) - 1), Recovery.POINT_IN_TIME, N - 1),
    "a flipped byte in the middle": (lambda c: flipped(c, len(c) // 2), Recovery.POINT_IN_TIME, None),
    "a flipped first byte": (lambda c: flipped(c, 0), Recovery.POINT_IN_TIME, 0),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_log_is_told_and_what_stands_before_is_read(killed, damage):
    how, recovery, entries = DAMAGE[damage]
    [log] = wal.logs(killed)
    change(killed, how)
    damaged = log.read_bytes()
    assert opened(killed, read_only=True)[0] == recovery
    seen, n, text = opened(killed)
    assert (seen, n == entries if entries is not None else 0 < n < N) == (recovery, True)
    assert text
    copies = [file.read_bytes() for folder in wal.copies(killed) for file in folder.iterdir()]
    assert copies == ([damaged] if recovery is Recovery.POINT_IN_TIME else [])
    assert opened(killed)[0] == Recovery.CLEAN


@pytest.mark.parametrize("damage", ["torn", "zeroed from a record on", "a longer length"])
def test_without_the_look_at_the_framing_the_same_loss_would_open_in_silence(killed, damage, monkeypatch):
    change(killed, DAMAGE[damage][0])
    monkeypatch.setattr(wal, "cuts", lambda _: [])
    assert opened(killed)[:2] == (Recovery.CLEAN, N - 1)


def test_after_a_plain_kill_all_is_there_and_nothing_is_said(killed):
    assert opened(killed, read_only=True) == (Recovery.CLEAN, N, "")
    assert opened(killed) == (Recovery.CLEAN, N, "")
    assert wal.copies(killed) == []


def test_after_a_clean_close_nothing_is_said(killed):
    for _ in range(3):
        assert opened(killed) == (Recovery.CLEAN, N, "")


def test_every_cut_that_loses_bytes_of_a_record_is_seen(killed):
    [log] = wal.logs(killed)
    content = log.read_bytes()
    ends = {wal._whole_to(content[:size]) for size in range(len(content) - 90_000, len(content) + 1, 397)}
    assert len(ends) > 5
    for end in ends:
        assert wal._whole_to(content[:end]) == end
        for size in (end + 1, end + 6, end + 8):
            assert wal._whole_to(content[:size]) in (end, size)  # the same, but where a block is filled with zeros


def test_a_folder_that_lost_the_file_to_begin_with_is_refused_and_not_made_anew(killed):
    opened(killed)
    (killed / "CURRENT").unlink()
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="CURRENT"):
            Database(killed)


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST-*"])
def test_a_flipped_byte_in_what_lists_the_tables_is_refused_and_logs_are_not_copied_for_it(killed, name):
    [file] = killed.glob(name)
    content = file.read_bytes()
    file.write_bytes(flipped(content, len(content) // 2))
    with pytest.raises(StoreDamaged, match="Corruption"):
        Database(killed)
    assert wal.copies(killed) == []


def test_copies_of_logs_are_bounded_in_number_and_size(killed, monkeypatch):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    kept = [wal.keep_copies(killed, start + timedelta(seconds=n)) for n in range(wal.COPIES_MAX + 2)]
    assert wal.copies(killed) == kept[2:]
    monkeypatch.setattr(wal, "COPIES_BYTES_MAX", 1)
    newest = wal.keep_copies(killed, start + timedelta(days=1))
    assert wal.copies(killed) == [newest]


# -- what stands behind the damage


async def test_what_stands_behind_the_damage_is_brought_back(bench: Bench, engine: RocksEngine):
    ended = [await bench.bring(State.COMPLETED) for _ in range(5)]
    first = [await bench.add(body=b"x" * 3_000) for _ in range(20)]
    large = await bench.add(body=b"y" * 100_000)
    cancelled = first.pop()
    await bench.change(cancelled, Verb.CANCEL)
    ended.append((await bench.start()).uid)
    await bench.durable()
    await bench.pause("mail")
    await bench.hold("held.example")
    bench.store.remember("ring", b"kept")
    await bench.durable()
    before = {uid: bench.view(uid) for uid in [*ended[:5], *first, large, cancelled]}
    await engine.kill()
    [log] = wal.logs(engine.path)
    spoil = log.read_bytes().index(keys.id_of(first[6]))
    log.write_bytes(flipped(log.read_bytes(), spoil))

    await bench.open()
    assert bench.store.recovery is Recovery.POINT_IN_TIME
    assert "brought back" in bench.store.recovered
    missing = {uid for uid in before if bench.store.get(uid) is None}
    assert first[6] in missing
    assert len(missing) <= 12  # a block of 32 KiB
    assert not missing & {large, cancelled, *first[-5:]}
    there = [uid for uid in before if uid not in missing and uid != ended[5]]
    assert {uid: bench.view(uid) for uid in there} == {uid: before[uid] for uid in there}
    assert bench.store.queue("mail").pause is not None
    assert list(bench.store.holds()) == ["held.example"]
    assert bench.store.memo("ring") == b"kept"
    assert bench.store.verification().step(10_000) == []
    later = await bench.add()
    ran = await bench.run_all()
    assert ran[-1] == later
    assert set(ran) == {later, ended[5], large, *first} - missing


async def test_repeats_of_what_was_brought_back_are_known_and_those_of_what_is_lost_are_stored(
    bench: Bench, engine: RocksEngine
):
    jobs = [bench.job(idempotency_key=str(i), body=b"x" * 3_000) for i in range(20)]
    for job in jobs:
        await bench.put(job)
    ended = await bench.bring(State.COMPLETED, idempotency_key="ended", priority=1, uid=bench.fresh_uid())
    await bench.change(ended, Verb.DELETE)
    for verb in (Verb.CANCEL, Verb.RETRY):  # writes its key once more, where it can be read
        await bench.change(jobs[6].uid, verb)
    await engine.kill()
    [log] = wal.logs(engine.path)
    log.write_bytes(flipped(log.read_bytes(), log.read_bytes().index(keys.id_of(jobs[6].uid))))

    await bench.open()
    missing = {job.uid for job in jobs if bench.store.get(job.uid) is None}
    assert jobs[6].uid in missing
    assert len(missing) <= 12
    assert await bench.put(*jobs) == [Put.CREATED if job.uid in missing else Put.SAME for job in jobs]
    assert await bench.put(bench.job(idempotency_key="ended", priority=1)) == [Put.SAME]
    repeat = bench.job(uid=ended, given=True, idempotency_key="ended", priority=1)
    assert await bench.put(repeat) == [Put.SAME]
    assert await bench.promote(86_400_000 - 1) == bench.now_ms + 1
    await bench.promote(1)
    assert await bench.put(bench.job(idempotency_key="ended", priority=1)) == [Put.CREATED]


async def test_without_bringing_back_all_behind_the_damage_would_be_lost(
    bench: Bench, engine: RocksEngine, monkeypatch: pytest.MonkeyPatch
):
    uids = [await bench.add(body=b"x" * 3_000) for _ in range(40)]
    await engine.kill()
    [log] = wal.logs(engine.path)
    log.write_bytes(flipped(log.read_bytes(), log.stat().st_size // 4))
    copy = engine.path.with_name("copy")
    shutil.copytree(engine.path, copy)
    await bench.open()
    assert sum(bench.store.get(uid) is None for uid in uids) <= 12
    monkeypatch.setattr(wal, "unread", lambda _: [])
    without = await RocksStore.open(copy)
    assert sum(without.get(uid) is None for uid in uids) > 20
    await without.close()


async def test_a_store_whose_first_record_is_damaged_keeps_its_name_and_its_order(bench: Bench, engine: RocksEngine):
    uids = [await bench.add(body=b"x" * 40_000) for _ in range(3)]
    await bench.store.close()
    for _ in range(2):  # the second time, the log begins with an opening
        await bench.open()
        uids += [await bench.add(body=b"x" * 40_000) for _ in range(3)]
        store_id = bench.store.store_id
        await engine.kill()
        [log] = wal.logs(engine.path)
        log.write_bytes(flipped(log.read_bytes(), 10))
        await bench.open(name=None)
        assert (bench.store.name, bench.store.store_id) == (NAME, store_id)
        there = [uid for uid in uids if bench.store.get(uid) is not None]
        assert len(uids) - len(there) <= 2
        uids = there
        await bench.store.close()
    await bench.open()
    later = await bench.add()
    assert await bench.run_all() == [*uids, later]


async def test_what_was_brought_back_once_is_not_brought_back_again(bench: Bench, engine: RocksEngine):
    uids = [await bench.add(body=b"x" * 3_000) for _ in range(20)]
    await engine.kill()
    [log] = wal.logs(engine.path)
    log.write_bytes(flipped(log.read_bytes(), log.stat().st_size // 4))
    await bench.open()
    await bench.run_all()
    for uid in uids:
        await bench.change(uid, Verb.DELETE)
    await bench.reopen()
    assert await bench.where() == {}
    assert "earlier start" in bench.store.recovered


async def test_a_start_over_a_damaged_log_that_was_cut_short_forgets_no_call_that_ran(
    bench: Bench, engine: RocksEngine, monkeypatch: pytest.MonkeyPatch
):
    def cut_short(*_: object) -> int:
        raise OSError(5, "cut short")

    uid = await bench.add()
    await bench.reopen()  # the log begins with taking back that the stop was a clean one
    await bench.add(body=b"x" * 40_000)
    await bench.start()
    await bench.durable()
    await engine.kill()
    [log] = wal.logs(engine.path)
    log.write_bytes(flipped(log.read_bytes(), 10))
    monkeypatch.setattr(recovery, "bring_back", cut_short)
    with pytest.raises(StoreFailed, match="cut short"):
        await bench.open()
    monkeypatch.undo()
    await bench.open()
    assert (bench.store.stopped_clean, bench.head(uid).attempt) == (False, 1)


async def test_a_repair_brings_back_what_stands_behind_the_damage_too(bench: Bench, engine: RocksEngine):
    uids = [await bench.add(body=b"x" * 3_000) for _ in range(40)]
    await engine.kill()
    [log] = wal.logs(engine.path)
    log.write_bytes(flipped(log.read_bytes(), log.stat().st_size // 4))
    assert repair(engine.path, "20261125T120000Z").found == {Damage.LOG: 1}
    await bench.open()
    assert bench.store.recovery is Recovery.CLEAN
    assert sum(bench.store.get(uid) is None for uid in uids) <= 12
    assert bench.store.verification().step(10_000) == []
