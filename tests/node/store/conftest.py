"""The RocksDB engine for the conformance suite, and a bench with an open store."""

import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from taskpusher_node.store.base import StoreFailed
from taskpusher_node.store.rocksdb import RocksStore, prune

pytest.register_assert_rewrite(f"{__package__}.bench", f"{__package__}.conformance")

from .bench import Bench, close  # noqa: E402 - asserts are rewritten on import


class RocksEngine:
    """RocksDB in a folder. A kill goes on from a copy: what was written with write(2) survives, memory does not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lives = 0
        self._store: RocksStore | None = None

    @property
    def path(self) -> Path:
        """Where the database of this life is."""
        return self._folder / str(self._lives)

    async def open(self, **options: Any) -> RocksStore:
        """Open the store."""
        self._store = await RocksStore.open(self.path, **options)
        return self._store

    async def kill(self) -> None:
        """Copy the folder under the open store and abandon that."""
        dead, before = self._store, self.path
        if dead is None:
            return
        self._lives += 1
        copy_of_one_moment(before, self.path)
        abandon(dead)
        shutil.rmtree(before)
        self._store = None


def copy_of_one_moment(source: Path, target: Path) -> None:
    """Copy a folder in which a compaction may be deleting files: again, until none came or went meanwhile."""
    while True:
        there = sorted(source.iterdir())
        with suppress(shutil.Error):
            shutil.copytree(source, target)
            if sorted(source.iterdir()) == there:
                return
        shutil.rmtree(target)


def abandon(store: RocksStore) -> None:
    """Let go of a store without writing anything more."""
    commit = store._commit
    for timer in (commit._flush_timer, commit._retry):
        if timer is not None:
            timer.cancel()
    commit._thread.shutdown(wait=True)
    commit._open = None
    commit.failure = "killed"
    with suppress(StoreFailed):  # a close that took too long may have come to its end meanwhile
        store._book.db.close()


@pytest.fixture(autouse=True)
def _long_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stalls for some milliseconds must not end a slice early: what one deletes is looked at."""
    monkeypatch.setattr(prune, "_SLICE_S", 20.0)


@pytest.fixture
def engine(tmp_path: Path) -> RocksEngine:
    return RocksEngine(tmp_path)


@pytest.fixture
async def bench(engine: RocksEngine) -> AsyncIterator[Bench]:
    bench = Bench(engine)
    await bench.open()
    yield bench
    await close(bench)
