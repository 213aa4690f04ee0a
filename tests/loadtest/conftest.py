"""Lets the tests import the scripts of loadtest/, which are no package."""

from pathlib import Path

import pytest

LOADTEST = Path(__file__).parents[2] / "loadtest"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(LOADTEST)
