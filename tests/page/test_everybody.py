"""Whether everybody can use the page: on a telephone and a desk, in the light and in the dark, with any aid."""

import pytest
from playwright.async_api import Page, expect

from ..e2e.processes import add, say, until
from .looking import axe, overflow, picture, ready


async def bars_nobody(page: Page, name: str) -> None:
    """Look whether what a page shows can be used with any aid and fits, and take a picture of it where asked for."""
    assert await axe(page) == []
    assert await overflow(page) <= 0
    await picture(page, name)


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
        await bars_nobody(page, state)


OF_WHAT_HAPPENS = {
    "errors": "127.0.0.1:9",
    "targets": "for it was not reached",
    "queues": "Paused",
    "limits": "customer-7",
    "nodes": "40%",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
async def test_the_views_of_what_happens_bar_nobody_and_fit(pages, node, target, http, width, theme):
    await http.post(f"{node.url}/targets/127.0.0.1:13/hold?for=600")
    await http.put(f"{node.url}/queues/paused", json={"concurrency": 3, "defaults": {"timeout": 20}})
    await http.post(f"{node.url}/queues/paused/pause?for=600")
    long = await add(http, node, url=f"{target.url}/accept", limit={"key": "customer-7", "concurrency": 1})
    await target.called(1)
    assert await say(http, node, target, long, "heartbeat", percent=40, note="page 4 of 10") == 200
    for n in range(3):
        await add(http, node, url=f"http://127.0.0.1:9/nobody-listens/{n}", unreached_attempts=0)
    await until(http, node, error=3)
    for view, shown in OF_WHAT_HAPPENS.items():
        page = await pages.open(f"{node.url}/tasks?view={view}", width, theme)
        await ready(page, shown)
        await bars_nobody(page, view)


OF_A_LISTING = [
    ("selected", ["j", "x", "J"], "2 selected"),
    ("asked", ["r"], "Retry 2 jobs?"),
    ("keys", ["Escape", "?"], "Select on to the next job"),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
async def test_a_selection_a_dialog_and_the_help_bar_nobody_and_fit(pages, node, target, http, width, theme):
    for n in range(3):
        await add(http, node, url=f"http://127.0.0.1:9/nobody-listens/{n}", unreached_attempts=0, key=f"key-{n}")
    await until(http, node, error=3)
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=errors", width, theme)
    await ready(page, "nobody-listens")
    for name, keys, shown in OF_A_LISTING:
        for key in keys:
            await page.keyboard.press(key)
        await expect(page.get_by_text(shown).first).to_be_visible()
        await bars_nobody(page, name)
