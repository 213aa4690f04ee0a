"""A runner on the loop of the product, and the promise that calls leave no warning in any log."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
import uvloop

from taskpusher_node.runner.addresses import Policy
from taskpusher_node.runner.http import HttpRunner
from taskpusher_node.tokens import Tokens

CAP = 65_536


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _nothing_is_logged(caplog) -> Iterator[None]:
    with structlog.testing.capture_logs() as lines:
        yield
    lines = [line for line in lines if line["log_level"] != "info"]  # the dispatcher tells of each call
    loud = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert (lines, loud) == ([], [])


def make_runner(**given: object) -> HttpRunner:
    """Return a runner, that calls every address where no policy is given."""
    needed = {"max_response_bytes": CAP, "max_url_bytes": 8_192, "policy": Policy(), "token": Tokens(b"key").of}
    return HttpRunner("n1", **{**needed, **given})


@pytest.fixture
async def runner() -> AsyncIterator[HttpRunner]:
    runner = make_runner()
    yield runner
    await runner.close()
