"""A backup is one moment, whole; what is restored of it is a store of its own whose queues stand still."""

import asyncio
import os
import shutil
from itertools import chain
from pathlib import Path

import pytest

from taskpusher.clock import unix_ms
from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import BackupRefused, Pause, StoreRefused
from taskpusher_node.store.rocksdb import RocksStore, backup
from taskpusher_node.store.rocksdb.db import REPAIR_PART, Database

from .bench import NAME, Bench
from .conftest import RocksEngine


@pytest.fixture
def elsewhere() -> Path:
    """A folder on another file system than the tests' own."""
    folder = Path(f"/dev/shm/taskpusher-test-{os.getpid()}")
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def restored(bench: Bench, made: Path, folder: Path) -> None:
    """Go on with a store restored from a backup."""
    await bench.store.close()
    backup.restore(made, folder, bench.now_ms)
    bench.store = await RocksStore.open(folder, NAME, now_ms=lambda: bench.now_ms)


@pytest.mark.parametrize("other", [False, True])
async def test_a_backup_has_all_that_was_acknowledged_and_nothing_later(bench, tmp_path, elsewhere, other):
    target = (elsewhere if other else tmp_path) / "backups" / "first"
    before = await bench.add_many(5)
    before.append(await bench.bring(State.SCHEDULED, body=b"x" * 100_000))
    made = await bench.store.backup(target)
    later = await bench.add()
    assert (made.path, made.jobs) == (str(target), 6)
    assert made.bytes == backup.size_of(target) > 0
    await restored(bench, target, tmp_path / "new")
    assert sorted(chain(*(await bench.where()).values())) == sorted(before)
    assert bench.store.get(later) is None
    assert bench.store.verification().step(10_000) == []


async def test_a_backup_leaves_nothing_but_itself(bench: Bench, engine: RocksEngine, tmp_path: Path):
    await bench.add_many(5)
    await bench.store.backup(tmp_path / "backups" / "one")
    assert [file.name for file in (tmp_path / "backups").iterdir()] == ["one"]
    assert not [file for file in engine.path.iterdir() if file.is_dir()]
    assert await bench.run_all()


async def test_restored_queues_are_paused_and_nothing_runs_again_unasked(bench: Bench, tmp_path: Path):
    uids = await bench.add_many(3, queue="mail")
    await bench.bring(State.SCHEDULED)
    await bench.pause("default", bench.now_ms + 50)
    await bench.store.backup(tmp_path / "b")
    assert await bench.run_all() == uids
    await restored(bench, tmp_path / "b", tmp_path / "new")
    await bench.promote(100_000)
    assert await bench.claim(10) == []
    assert {view.name: view.pause.by for view in bench.store.queues()} == {"default": "restore", "mail": "restore"}
    await bench.resume("mail")
    assert await bench.run_all() == uids


async def test_without_the_pause_they_would_run_again_at_once(bench: Bench, tmp_path: Path):
    uids = await bench.add_many(3, queue="mail")
    await bench.store.backup(tmp_path / "b")
    await bench.run_all()
    await bench.store.close()
    shutil.copytree(tmp_path / "b", tmp_path / "copied")
    bench.store = await RocksStore.open(tmp_path / "copied", NAME, now_ms=lambda: bench.now_ms)
    assert await bench.run_all() == uids


async def test_a_pause_made_by_hand_is_kept_as_it_is(bench: Bench, tmp_path: Path):
    await bench.add()
    await bench.pause()
    await bench.store.backup(tmp_path / "b")
    await restored(bench, tmp_path / "b", tmp_path / "new")
    assert bench.store.queue("default").pause == Pause("me", bench.now_ms)


async def test_a_restored_store_keeps_its_name_and_has_an_id_of_its_own(bench: Bench, tmp_path: Path):
    first = bench.store.store_id
    await bench.reopen()
    assert (bench.store.store_id, len(first)) == (first, 32)
    await bench.store.backup(tmp_path / "b")
    ids = {first}
    for folder in ("new", "newer"):
        await restored(bench, tmp_path / "b", tmp_path / folder)
        ids.add(bench.store.store_id)
        assert bench.store.name == NAME
    assert len(ids) == 3


async def test_what_ran_in_the_moment_of_the_backup_is_nobodys_crash(bench: Bench, tmp_path: Path):
    uid = await bench.add()
    await bench.start()
    await bench.store.backup(tmp_path / "b")
    await restored(bench, tmp_path / "b", tmp_path / "new")
    assert (bench.state(uid), bench.head(uid).crashes) == (State.WAITING, 0)


async def test_only_one_backup_is_made_at_a_time(bench: Bench, tmp_path: Path):
    await bench.add_many(100)
    first, second = await asyncio.gather(
        bench.store.backup(tmp_path / "a"), bench.store.backup(tmp_path / "b"), return_exceptions=True
    )
    assert first.jobs == 100
    assert isinstance(second, BackupRefused)
    assert await bench.store.backup(tmp_path / "b")


async def test_no_backup_takes_the_place_of_another(bench: Bench, tmp_path: Path):
    await bench.store.backup(tmp_path / "b")
    with pytest.raises(BackupRefused, match="there already"):
        await bench.store.backup(tmp_path / "b")
    assert await bench.add()


async def test_no_backup_is_taken_for_the_unfinished_one_of_another(bench: Bench, tmp_path: Path, elsewhere: Path):
    for folder in (tmp_path / "backups", elsewhere):
        for name in ("a.part", "a"):
            await bench.store.backup(folder / name)
        assert names(folder) == {"a.part", "a"}


async def test_no_backup_is_made_among_the_files_of_the_store(bench: Bench, engine: RocksEngine):
    before = names(engine.path)
    with pytest.raises(BackupRefused, match="the store itself"):
        await bench.store.backup(engine.path / "alerts")
    assert names(engine.path) == before
    assert await bench.store.backup(engine.path / "backups" / "b")


async def test_what_a_killed_node_left_of_a_backup_is_in_nobodys_way(bench: Bench, elsewhere: Path):
    left = elsewhere / backup._PART.format("b")
    left.mkdir()
    (left / "000001.sst").write_bytes(b"x")
    await bench.store.backup(elsewhere / "b")
    assert names(elsewhere) == {"b"}
    assert "000001.sst" not in names(elsewhere / "b")


async def test_a_backup_that_does_not_fit_is_refused_and_leaves_nothing(
    bench: Bench, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
):
    await bench.add_many(10)
    monkeypatch.setattr(backup, "SPARE_BYTES", 1 << 50)
    with pytest.raises(BackupRefused, match="bytes free"):
        await bench.store.backup(elsewhere / "b")
    assert files(elsewhere) == {}
    assert await bench.add()


async def test_a_backup_to_where_nothing_can_be_made_is_refused(bench: Bench, tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BackupRefused):
        await bench.store.backup(tmp_path / "file" / "b")
    assert await bench.add()


@pytest.mark.parametrize("name", [backup._UNFINISHED, REPAIR_PART])
async def test_what_was_cut_short_and_not_used_is_removed_at_the_next_start(
    bench: Bench, engine: RocksEngine, name: str
):
    await bench.store.close()
    part = engine.path / name
    part.mkdir()
    (part / "000001.sst").write_bytes(b"x")
    await bench.open()
    assert not part.exists()


async def test_every_file_and_folder_of_a_backup_is_synced_before_it_is_said_to_be_made(
    bench: Bench, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
):
    synced: set[str] = set()
    really = os.fsync

    def fsync(handle: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{handle}").readlink()).replace(".part", ""))
        really(handle)

    await bench.add_many(10)
    monkeypatch.setattr(os, "fsync", fsync)
    for target in (tmp_path / "backups" / "b", elsewhere / "backups" / "b"):
        await bench.store.backup(target)
        names = {file.name for file in target.iterdir()}
        assert {Path(path).name for path in synced} >= names
        assert str(target.parent) in synced
        synced.clear()


# -- restore


@pytest.fixture
async def made(bench: Bench, tmp_path: Path) -> Path:
    """A backup with two jobs."""
    await bench.add_many(2)
    await bench.store.backup(tmp_path / "b")
    return tmp_path / "b"


async def test_nothing_is_restored_over_something(made: Path, tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(StoreRefused, match="not empty"):
        backup.restore(made, tmp_path / "full", unix_ms())
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["file"]


async def test_what_is_no_backup_is_refused(tmp_path: Path, bench: Bench):
    with pytest.raises(StoreRefused, match="no backup"):
        backup.restore(tmp_path, tmp_path / "new", unix_ms())


async def test_a_backup_stays_as_it_is_when_it_is_restored(made: Path, tmp_path: Path):
    before = files(made)
    assert backup.restore(made, tmp_path / "new", unix_ms()) == (NAME, 2)
    assert files(made) == before


async def test_a_restore_that_was_cut_short_is_no_store(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def cut(*_: object) -> None:
        raise OSError(5, "cut short")

    monkeypatch.setattr(backup, "move_in", cut)
    with pytest.raises(Exception, match="cut short"):
        backup.restore(made, tmp_path / "new", unix_ms())
    for _ in range(2):
        with pytest.raises(StoreRefused, match="cut short"):
            Database(tmp_path / "new")
