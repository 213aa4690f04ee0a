"""A file system that is full for good: the node fails closed, opens again thanks to its ballast, and makes room."""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from .mounts import ext4
from .processes import NodeProcess, until

DISK_MIB = 160
BODY = "x" * 500_000


@pytest.fixture
async def node(tmp_path):
    """A node on a disk of its own."""
    with ext4(tmp_path, DISK_MIB) as disk:
        process = NodeProcess(tmp_path, "--disk-reserve=none", "--ballast=64M")
        process.store = disk / "store"
        yield process
        await process.kill()


async def push(http, node, target) -> int:
    """Add a job; returns the status, 0 where the node has gone."""
    try:
        async with http.post(f"{node.url}/add", json={"url": f"{target.url}/ok", "body": BODY}) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


async def fill(http, node, target) -> int:
    """Push until the disk is full; returns how many jobs were acknowledged."""
    statuses = [201]
    while statuses[-1] == 201:
        statuses += await asyncio.gather(*[push(http, node, target) for _ in range(4)])
    return statuses.count(201) - 1


async def test_a_full_disk_is_survived_and_jobs_are_taken_again_without_help(node, http, target):
    await node.start("--disk-reserve=1")  # so little that the disk is really full
    assert (node.store / "BALLAST").exists()
    acknowledged = await fill(http, node, target)
    assert acknowledged > 30
    assert await node.wait() == 1
    assert not (node.store / "BALLAST").exists()

    await node.start(f"--disk-reserve={110 << 20}")
    async with http.get(f"{node.url}/ready") as answer:
        low = await answer.json()
    assert (answer.status, low["state"], low["accepts_adds"]) == (503, "disk-low", False)
    assert await push(http, node, target) == 507
    async with asyncio.timeout(30):
        while await push(http, node, target) != 201:
            await asyncio.sleep(0.1)
    seen = await until(http, node, waiting=0, running=0)
    assert 0 < seen["completed"] < acknowledged
    await node.kill()

    await node.start()
    async with asyncio.timeout(20):
        while not (node.store / "BALLAST").exists():
            await asyncio.sleep(0.1)
    assert await push(http, node, target) == 201


@pytest.mark.parametrize("ballast", [32 << 20, 0])
async def test_a_node_that_was_killed_on_a_full_disk_opens_if_it_has_a_ballast(node, http, target, ballast):
    await node.start("--disk-reserve=1", f"--ballast={ballast}")
    statuses = [await push(http, node, target) for _ in range(40)]
    assert statuses == [201] * 40
    await until(http, node, completed=40)
    await node.kill()
    fill_up(node.store.parent)
    if ballast:
        await node.start("--disk-reserve=1", f"--ballast={ballast}")
        assert not (node.store / "BALLAST").exists()
        await until(http, node, completed=40)
    else:
        with pytest.raises(AssertionError, match="No space left on device"):
            await node.start("--disk-reserve=1", f"--ballast={ballast}")
        assert await node.wait() == 1


def fill_up(folder: Path) -> None:
    """Let another program take all that is free."""
    with (folder / "other").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4_096))
