"""Errors in groups, as somebody finds them at night: looks at them, retries just these, sees them drain."""

import pytest_asyncio
from playwright.async_api import Page, expect

from ..e2e.processes import add, until
from .looking import axe, ready

NOBODY = "http://127.0.0.1:9"
AWAY = "http://127.0.0.1:13"


@pytest_asyncio.fixture(loop_scope="package")
async def failed(node, target, http):
    """Three jobs in error of one host, one of another, in two groups; returns the newest one of the larger group."""
    for n in range(3):
        uid = await add(http, node, url=f"{NOBODY}/order/{n}", unreached_attempts=0)
    await add(http, node, url=f"{AWAY}/order", unreached_attempts=0)
    await until(http, node, error=4)
    return uid


def group(page: Page, host: str):
    return page.get_by_role("row").filter(has_text=host.removeprefix("http://"))


async def test_a_group_that_is_retried_drains_in_sight_and_its_count_was_agreed_to(pages, node, http, failed):
    page = await pages.open(f"{node.url}/tasks?view=errors")
    await expect(page.get_by_role("row")).to_have_count(3)
    await http.post(f"{node.url}/queues/default/pause")  # so that what is retried does not fail again at once
    await group(page, NOBODY).get_by_role("button", name="Retry these 3").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Retry 3 jobs?")
    assert await axe(page) == []
    await page.get_by_role("button", name="Retry 3 jobs").click()
    await expect(page.get_by_role("status").filter(has_text="Retried 3 jobs")).to_be_visible()
    await expect(group(page, NOBODY)).to_contain_text("None left")
    await until(http, node, waiting=3, error=1)
    await http.post(f"{node.url}/queues/default/resume")
    await expect(group(page, NOBODY).get_by_role("button", name="Retry these 3")).to_be_visible()


async def test_somebody_who_thinks_better_of_it_changes_nothing(pages, node, http, failed):
    page = await pages.open(f"{node.url}/tasks?view=errors")
    await group(page, NOBODY).get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Leave it").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(group(page, NOBODY).get_by_role("button", name="Delete")).to_be_focused()
    await until(http, node, error=4)


async def test_a_group_that_is_deleted_takes_only_its_own_jobs(pages, node, http, failed):
    page = await pages.open(f"{node.url}/tasks?view=errors")
    await group(page, NOBODY).get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete 3 jobs").click()
    await expect(group(page, NOBODY)).to_have_count(0)
    await expect(group(page, AWAY)).to_be_visible()
    await until(http, node, error=1)


async def test_a_group_leads_to_its_jobs_and_to_the_newest_of_them(pages, node, failed):
    page = await pages.open(f"{node.url}/tasks?view=errors")
    row = group(page, NOBODY)
    await expect(row.locator(f"a[href*='job={failed}']")).to_be_visible()
    await row.get_by_role("link", name="Look at these").click()
    await expect(page.locator("main").get_by_text("/order/1")).to_be_visible()
    await expect(page.locator("main").get_by_text(AWAY)).to_have_count(0)
    await page.go_back()
    await expect(group(page, AWAY)).to_be_visible()


async def test_an_order_that_was_chosen_is_in_the_url_and_stays(pages, node, failed):
    page = await pages.open(f"{node.url}/tasks?view=errors")
    first = page.locator("tbody tr").first
    await expect(first).to_contain_text(NOBODY.removeprefix("http://"))
    await page.get_by_role("link", name="Jobs", exact=True).click()
    await expect(first).to_contain_text(AWAY.removeprefix("http://"))
    await expect(page.get_by_role("columnheader", name="Jobs")).to_have_attribute("aria-sort", "ascending")
    await page.reload()
    await expect(first).to_contain_text(AWAY.removeprefix("http://"))


async def test_many_groups_are_searched_and_the_search_is_in_the_url(pages, node, http):
    for port in range(20, 30):
        await add(http, node, url=f"http://127.0.0.1:{port}/", unreached_attempts=0)
    await until(http, node, error=10)
    page = await pages.open(f"{node.url}/tasks?view=errors")
    await page.get_by_label("Search errors").fill("127.0.0.1:27")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.get_by_text("1 of 10")).to_be_visible()
    await page.wait_for_url("**find=*")
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_label("Search errors").fill("nothing like it")
    await expect(page.get_by_text("Nothing of it has “nothing like it” in it")).to_be_visible()


async def test_a_node_without_errors_says_so(pages, node):
    page = await pages.open(f"{node.url}/tasks?view=errors")
    await ready(page, "No job has failed")
