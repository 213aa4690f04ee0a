"""A page that is left open: after 2,000 polls it holds what it held after 200, while jobs come and go."""

import asyncio
import re

import pytest
from playwright.async_api import Page

from ..e2e.processes import add
from .looking import ready

# Time runs a thousand times as fast for whoever waits on the page: its polls follow each other at once.
HURRY = """
const wait = window.setTimeout;
window.setTimeout = (run, ms = 0, ...given) => wait(run, ms / 1000, ...given);
"""
VIEWS = ["Errors in groups", "Targets", "Queues", "Limits", "Node", "Add a job", "Errors", "Running", "Completed"]
POLLS_OF_A_VIEW = 20  # at least; also of a job's panel
BEFORE, AFTER = 200, 2_000
GROWTH_MAX = 1.5
MORE_MAX = 400  # nodes and listeners: of rows that are shown by chance; one left a poll would be four times as much
POLLED_WITHIN_S = 60  # by a view; a second is usual


class Polls:
    """Counts the polls of a page by what each begins with."""

    def __init__(self, page: Page) -> None:
        self.n = 0
        page.on("request", self._note)

    async def go_on(self, n: int) -> None:
        """Wait for so many more."""
        wanted = self.n + n
        async with asyncio.timeout(POLLED_WITHIN_S):
            while self.n < wanted:
                await asyncio.sleep(0.01)

    def _note(self, request) -> None:
        self.n += request.url.endswith("/ready")


@pytest.mark.timeout(400)
async def test_a_page_that_is_left_open_for_2000_polls_holds_what_it_held_after_200(pages, node, target, http):
    await add(http, node, url=f"{target.url}/hang", queue="long", timeout=3600)
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=completed", script=HURRY)
    pages.expect(r"404 .*/job/")  # of jobs that have left a list it asks what became of them: they are deleted here
    await ready(page)
    polls = Polls(page)
    await look_round(page, polls, http, node, target)
    assert polls.n >= BEFORE
    before = await holds(page)
    while polls.n < AFTER:
        await look_round(page, polls, http, node, target)
    after = await holds(page)
    assert after["Nodes"] <= before["Nodes"] + MORE_MAX, (before, after)
    assert after["JSEventListeners"] <= before["JSEventListeners"] + MORE_MAX, (before, after)
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] * GROWTH_MAX, (before, after)


async def look_round(page: Page, polls: Polls, http, node, target) -> None:
    """Look at each view for a while, and at a job, while jobs come and go."""
    for view in VIEWS:
        await page.get_by_role("navigation").get_by_role("link", name=re.compile(rf"^{view}( \d+)?$")).click()
        await come_and_go(http, node, target)
        await polls.go_on(POLLS_OF_A_VIEW)
        if view == "Running":
            await page.get_by_role("main").get_by_role("link", name=re.compile("hang$")).click()
            await polls.go_on(POLLS_OF_A_VIEW)
            await page.get_by_role("complementary", name="Job").get_by_role("link", name="Close").click()


async def come_and_go(http, node, target) -> None:
    """Have some jobs completed, some fail, and all that ended before be gone."""
    for state in ("completed", "errors"):
        async with http.delete(f"{node.url}/jobs/{state}") as answer:
            assert answer.status == 200, await answer.text()
    fine = [{"url": f"{target.url}/ok?{n}", "queue": f"queue-{n}"} for n in range(10)]
    failing = [{"url": "http://127.0.0.1:9/nobody-listens", "unreached_attempts": 0} for _ in range(10)]
    async with http.post(f"{node.url}/add", json=fine + failing) as answer:
        assert answer.status == 201, await answer.text()


async def holds(page: Page) -> dict[str, float]:
    """Return what a page holds once all that nobody needs is thrown away."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Performance.enable")
    for _ in range(2):  # what the first one finds, the second one frees
        await devtools.send("HeapProfiler.collectGarbage")
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    await devtools.detach()
    told = {metric["name"]: metric["value"] for metric in metrics}
    return {name: told[name] for name in ("Nodes", "JSEventListeners", "JSHeapUsedSize")}
