"""Power cuts on a real file system that drops what it was not told to keep."""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from .processes import NodeProcess, Target, add, job, say, until

ROUNDS = 2
ADDS_S = 0.4
CLIENTS = 8


def _as_root(*command: str | Path) -> None:
    subprocess.run([*([] if os.geteuid() == 0 else ["sudo"]), *command], check=True, stdout=subprocess.DEVNULL)


class Disk:
    """An XFS in a file. A cut loses what was not flushed, as a machine does that loses power."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()
        with self._image.open("wb") as image:
            image.truncate(320 << 20)
        self._mounted = False
        _as_root("mkfs.xfs", "-q", self._image)
        self.mount()

    def mount(self) -> None:
        """Make it usable; what its journal has is replayed."""
        _as_root("mount", "-o", "loop", self._image, self.path)
        self._mounted = True
        _as_root("chmod", "0777", self.path)

    def cut(self) -> None:
        """From now on nothing reaches the disk, and what has not is gone."""
        _as_root("xfs_io", "-x", "-c", "shutdown", self.path)

    def unmount(self) -> None:
        """Let go of it; its loop device goes with it."""
        if self._mounted:
            _as_root("umount", self.path)
            self._mounted = False


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path)
    yield disk
    disk.unmount()


async def _cut_under_load(http, node: NodeProcess, target: Target, disk: Disk) -> list[str]:
    """Add jobs until the power is cut under it; returns the uids that were acknowledged."""
    acknowledged: list[str] = []

    async def client() -> None:
        with suppress(aiohttp.ClientError):
            while True:
                async with http.post(f"{node.url}/add", data={"url": f"{target.url}/ok"}) as answer:
                    if answer.status != 201:
                        return
                    acknowledged.append((await answer.json())["uid"])

    clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    await asyncio.sleep(ADDS_S)
    await asyncio.to_thread(disk.cut)
    await asyncio.wait_for(asyncio.gather(*clients), 20)
    await node.kill()
    disk.unmount()
    disk.mount()
    return acknowledged


async def _missing(http, node: NodeProcess, uids: list[str]) -> list[str]:
    missing = []
    for uid in uids:
        async with http.get(f"{node.url}/job/{uid}") as answer:
            if answer.status == 404:
                missing.append(uid)
    return missing


async def test_what_was_acknowledged_before_a_power_cut_is_there_after_it_and_runs(disk, tmp_path, http, target):
    node = NodeProcess(tmp_path)
    node.store = disk.path / "store"
    acknowledged: list[str] = []
    try:
        for _ in range(ROUNDS):
            await node.start()
            acknowledged += await _cut_under_load(http, node, target, disk)
        await node.start()
        await until(http, node, waiting=0, running=0)
        assert len(acknowledged) > 20 * ROUNDS
        assert await _missing(http, node, acknowledged) == []
        assert [uid for uid in acknowledged if not target.calls[uid]] == []
        assert [line for line in node.events("recovery") if line["kind"] == "point_in_time"] == []
    finally:
        await node.kill()


async def test_what_was_handed_off_before_a_power_cut_is_completed_after_it(disk, tmp_path, http, target):
    node = NodeProcess(tmp_path)
    node.store = disk.path / "store"
    try:
        await node.start()
        uids = [await add(http, node, url=f"{target.url}/accept") for _ in range(20)]
        await target.called(20)
        await until(http, node, waiting=0, running=20)
        for uid in uids:
            assert await say(http, node, target, uid, "heartbeat", percent=50) == 200
        done = uids[:10]
        for uid in done:
            assert await say(http, node, target, uid, "complete", result=uid) == 200
        acknowledged = await _cut_under_load(http, node, target, disk)
        await node.start()
        for uid in uids[10:]:
            seen = await job(http, node, uid)
            assert (seen["state"], seen["crashes"], seen["progress"]["percent"]) == ("running", 0, 50)
        assert [await say(http, node, target, uid, "complete", result=uid) for uid in uids] == [200] * 20
        await until(http, node, waiting=0, running=0)
        assert [target.calls[uid] for uid in uids] == [1] * 20
        assert await _missing(http, node, acknowledged) == []
    finally:
        await node.kill()


async def test_with_the_flush_left_out_acknowledged_jobs_are_missing(disk, tmp_path, http, target):
    node = NodeProcess(tmp_path)
    node.store = disk.path / "store"
    node.command = [sys.executable, str(Path(__file__).with_name("unflushed.py"))]
    try:
        await node.start()
        acknowledged = await _cut_under_load(http, node, target, disk)
        node.command = NodeProcess(tmp_path).command
        await node.start()
        assert len(acknowledged) > 20
        assert len(await _missing(http, node, acknowledged)) > 10
    finally:
        await node.kill()
