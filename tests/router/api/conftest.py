"""What every test of a router's API gets: a cluster of three nodes in this process, a target, a quiet log."""

from collections.abc import AsyncIterator

import pytest
import uvloop

from ...node.api.conftest import faults, target  # noqa: F401 - fixtures
from .harness import Cluster


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def downs(faults) -> None:  # noqa: F811 - the fixture
    """Nodes go down, and are kept out, because a test wants it."""
    faults += ["node down", "node kept out"]


@pytest.fixture
async def cluster(tmp_path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path) as cluster:
        yield cluster
