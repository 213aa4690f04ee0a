"""What every test of the page gets: one Chromium for all of them, a node that runs, a target, a client."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from ..e2e.processes import NodeProcess, Target, free_port
from .browsing import Pages, chromium
from .shop import Shop

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder on one loop, for there the browser is."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="package")
async def node(tmp_path: Path) -> AsyncIterator[NodeProcess]:
    """A node that runs, at an address that is its own also after a restart."""
    process = NodeProcess(tmp_path, f"--address=127.0.0.1:{free_port()}")
    await process.start()
    yield process
    await process.kill()


@pytest_asyncio.fixture(loop_scope="package")
async def target() -> AsyncIterator[Target]:
    server = Target()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="package")
async def shop() -> AsyncIterator[Shop]:
    server = Shop()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="package")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="package")
async def pages(browser: Browser, node: NodeProcess) -> AsyncIterator[Pages]:
    """Opens pages; they are closed before the node ends, and the test fails if anything went wrong on one."""
    opened = Pages(browser)
    yield opened
    await opened.close()
