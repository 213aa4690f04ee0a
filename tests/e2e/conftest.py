"""What every end-to-end test gets: a node that is not started yet, a target, a client."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from .cluster import Cluster
from .load import Load
from .processes import NodeProcess, Target


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    server = Target()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NodeProcess]:
    """A node that is not started yet."""
    process = NodeProcess(tmp_path)
    yield process
    await process.kill()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes and two routers, which run."""
    cluster = Cluster(tmp_path)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


@pytest.fixture
def load(cluster: Cluster, target: Target) -> Load:
    """Clients that have not begun yet."""
    return Load(cluster, target)
