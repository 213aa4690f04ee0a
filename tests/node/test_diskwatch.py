"""The disk watch: how much is to stay free, and when the node is in trouble and out of it again."""

from types import SimpleNamespace

import pytest

from taskpusher.phase import Phase
from taskpusher_node.diskwatch import DiskWatch, reserve_bytes
from taskpusher_node.status import Status
from taskpusher_node.store.base import Health
from taskpusher_node.store.rocksdb import RocksStore

MIB, GIB = 1 << 20, 1 << 30
RESERVE = 1_000 * MIB


@pytest.mark.parametrize(
    ("disk", "reserve"),
    [(24 * MIB, 24 * MIB // 5), (5 * GIB, GIB), (10 * GIB, GIB), (20 * GIB, GIB), (100 * GIB, 5 * GIB)],
)
def test_by_default_the_larger_of_a_gib_and_a_twentieth_but_never_more_than_a_fifth(disk, reserve):
    assert reserve_bytes(None, disk) == reserve


@pytest.mark.parametrize("setting", [0, 1, 1 << 40])
def test_a_reserve_that_is_set_stands(setting):
    assert reserve_bytes(setting, 10 * GIB) == setting


@pytest.fixture
def watched() -> SimpleNamespace:
    """A watch without a store, told what it would have seen."""
    status = Status()
    status.base = Phase.READY
    held = []
    watch = DiskWatch(None, status, held.append, reserve=None, ballast=0)
    see = lambda mib, reserve=RESERVE: watch._judge(Health(True, 100 * GIB, mib * MIB, {}), reserve)  # noqa: E731
    return SimpleNamespace(watch=watch, status=status, held=held, see=see)


def test_below_the_reserve_no_jobs_are_taken_until_there_is_a_tenth_more(watched):
    for mib, phase in ((1_000, "ready"), (999, "disk-low"), (1_050, "disk-low"), (1_100, "ready"), (1_050, "ready")):
        watched.see(mib)
        assert (watched.status.phase, watched.status.accepts_adds) == (phase, phase == "ready")
    assert watched.held == []


def test_below_a_quarter_of_it_calls_are_held_until_there_is_a_tenth_more(watched):
    for mib in (251, 249, 260, 251, 275, 260, 1_100):
        watched.see(mib)
    assert watched.held == [True, False]


def test_what_is_missing_is_counted_up_to_where_the_trouble_is_over(watched):
    missing = []
    for mib in (1_001, 900, 1_050, 1_100):
        watched.see(mib)
        missing.append(watched.watch.missing_bytes // MIB)
    assert missing == [0, 200, 50, 0]


def test_without_a_reserve_nothing_is_low(watched):
    watched.see(0, reserve=0)
    assert watched.status.phase is Phase.READY
    assert (watched.held, watched.watch.missing_bytes) == ([], 0)


def test_while_stopping_a_low_disk_takes_no_jobs_either(watched):
    watched.status.base = Phase.STOPPING
    assert watched.status.accepts_adds
    watched.see(10)
    assert not watched.status.accepts_adds
    assert "10 MiB of disk are free" in watched.status.disk_low


async def test_the_ballast_is_made_where_there_is_room_and_goes_with_the_reserve(tmp_path):
    store = await RocksStore.open(tmp_path / "store")
    ballast = tmp_path / "store" / "BALLAST"

    async def look(**settings: int) -> None:
        await DiskWatch(store, Status(), lambda _: None, **settings).look()

    await look(reserve=1 << 60, ballast=MIB)
    assert not ballast.exists()
    await look(reserve=1, ballast=MIB)
    assert ballast.stat().st_blocks * 512 >= MIB
    assert (await store.measure()).sizes["ballast"] >= MIB
    await look(reserve=1 << 60, ballast=MIB)
    assert ballast.exists()
    await look(reserve=1, ballast=2 * MIB)
    assert ballast.stat().st_size == 2 * MIB
    await look(reserve=0, ballast=MIB)
    assert not ballast.exists()
    await store.close()


async def test_the_store_tells_how_it_is(tmp_path):
    store = await RocksStore.open(tmp_path / "store")
    health = store.health()
    assert health.healthy
    assert 0 < health.free_bytes <= health.disk_bytes
    assert set(health.sizes) == {"sst", "wal", "blob", "ballast", "other"}
    assert health.sizes["wal"] > 0
    store._commit.failure = "broken"
    assert not store.health().healthy
    store._commit.failure = None
    await store.close()
