"""What every test of the API gets: a node in this process on the loop of the product, a target, a quiet log."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
import uvloop

from .harness import Api, Target


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def faults(caplog) -> Iterator[list[str]]:
    """Whatever a test does, the node logs no fault of its own but those that the test puts into this list."""
    expected: list[str] = []
    with structlog.testing.capture_logs() as lines:
        yield expected
    lines = [line for line in lines if line["event"] not in expected]
    loud = [r.getMessage() for r in caplog.get_records("call") if r.levelname == "ERROR" and r.name != "aiohttp.server"]
    assert (loud, [line for line in lines if line["log_level"] == "error"]) == ([], [])


@pytest.fixture
async def api(tmp_path) -> AsyncIterator[Api]:
    async with Api(tmp_path) as api:
        yield api


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with Target() as target:
        yield target
