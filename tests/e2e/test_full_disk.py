"""A disk that is full: the node fails closed, and what it acknowledged is there when there is room again."""

import pytest

from .mounts import as_root
from .processes import NodeProcess, until

BATCH = [{"url": "http://127.0.0.1:1/", "method": "POST", "body": "x" * 2_000}] * 100


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", "size=24m,mode=0777", "tmpfs", folder)
    yield folder
    as_root("umount", folder)


async def test_what_was_acknowledged_before_the_disk_was_full_is_there_afterwards(small_disk, tmp_path, http):
    node = NodeProcess(tmp_path)
    node.store = small_disk / "store"
    await node.start("--disk-reserve=0")
    acknowledged = []
    async with http.post(f"{node.url}/queues/default/pause"):
        pass
    for _ in range(400):
        async with http.post(f"{node.url}/add", json=BATCH) as answer:
            results = await answer.json()
        if answer.status != 201:
            break
        acknowledged += [result["uid"] for result in results]
    assert (answer.status, results[0]["error"]["type"]) == (503, "unknown-outcome")
    assert await node.wait() == 1
    assert b"Traceback" not in node.log.read_bytes()

    as_root("mount", "-o", "remount,size=200m", small_disk)
    await node.start("--disk-reserve=0")
    try:
        seen = await until(http, node)
        assert seen["waiting"] >= len(acknowledged) > 1_000
        for uid in acknowledged[:: len(acknowledged) // 50]:
            async with http.get(f"{node.url}/job/{uid}") as answer:
                assert answer.status == 200
    finally:
        await node.kill()
