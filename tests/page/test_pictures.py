"""The pictures of the README, which are made anew by every run: CONTRIBUTING says how to keep them."""

import re
import struct

from playwright.async_api import Page, expect

from ..e2e.processes import until
from .looking import keep, ready
from .shop import WAYS, order

SIZE = (1440, 900)
COMPLETED, FAILED, LATER, CANCELLED = 240, 54, 12, 9


async def test_a_page_after_a_deploy_makes_the_pictures_of_the_readme(pages, node, shop, http):
    await after_a_deploy(http, node, shop)
    pictures = []
    for theme in ("light", "dark"):
        page = await pages.open(f"{node.url}/tasks?view=jobs&state=errors", SIZE[0], theme)
        await ready(page)
        await with_a_job_open(page)
        png = await page.screenshot()
        assert png.startswith(b"\x89PNG")
        assert struct.unpack(">II", png[16:24]) == SIZE
        keep(png, f"page-{theme}")
        pictures.append(png)
    assert pictures[0] != pictures[1]


async def after_a_deploy(http, node, shop) -> None:
    """Have jobs in every state: most are done, some fail in three ways, and since then calls hang."""
    for name in WAYS:
        await order(http, node, shop, COMPLETED // len(WAYS), name)
        await order(http, node, shop, LATER // len(WAYS), name, delay=3600)
        await order(http, node, shop, CANCELLED // len(WAYS), name, delay=7200, key="old")
    await until(http, node, completed=COMPLETED, scheduled=LATER + CANCELLED)
    async with http.post(f"{node.url}/jobs/scheduled/cancel?key=old") as answer:
        assert answer.status == 200, await answer.text()
    shop.broken |= set(WAYS)
    for _ in range(FAILED // len(WAYS)):
        for name in WAYS:
            await order(http, node, shop, 1, name)
    await until(http, node, error=FAILED)
    shop.broken.clear()
    shop.open.clear()
    await order(http, node, shop, COMPLETED, "charge")


async def with_a_job_open(page: Page) -> None:
    """Open a job whose answer has a traceback, and wait for all that is shown of it."""
    await page.get_by_role("main").get_by_role("link", name=re.compile("^POST .*charge$")).nth(1).click()
    job = page.get_by_role("complementary", name="Job")
    await expect(job).to_contain_text("KeyError: total")
    await page.mouse.move(0, 0)
