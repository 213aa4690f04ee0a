"""What every end-to-end test gets: a node that is not started yet, a target, a client."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

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
