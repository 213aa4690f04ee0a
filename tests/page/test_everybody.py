"""Whether everybody can use the page: on a telephone and a desk, in the light and in the dark, with any aid."""

import pytest

from ..e2e.processes import add, until
from .looking import axe, overflow, picture, ready

SHOWN = {
    "completed": "/ok?mail",
    "scheduled": "/ok?later",
    "running": "/hang",
    "errors": "/nobody-listens",
    "waiting": "Waiting",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
async def test_the_page_bars_nobody_and_fits(pages, node, target, http, width, theme):
    await add(http, node, url=f"{target.url}/ok?mail", queue="mail")
    await add(http, node, url=f"{target.url}/ok?later", delay=3600)
    await add(http, node, url=f"{target.url}/hang")
    await add(http, node, url="http://127.0.0.1:9/nobody-listens", unreached_attempts=0)
    await until(http, node, completed=1, scheduled=1, running=1, error=1)
    for state, shown in SHOWN.items():
        page = await pages.open(f"{node.url}/tasks?view=jobs&state={state}", width, theme)
        await ready(page, shown)
        assert await axe(page) == []
        assert await overflow(page) <= 0
        await picture(page, state)
