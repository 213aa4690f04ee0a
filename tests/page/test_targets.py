"""Target hosts on the page: how they do, held by hand and released."""

import pytest_asyncio
from playwright.async_api import expect

from ..e2e.processes import add, until


@pytest_asyncio.fixture(loop_scope="package")
async def called(node, target, http):
    """A host that was called once."""
    await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    return target.url.removeprefix("http://")


async def test_a_host_is_held_for_some_minutes_and_released(pages, node, target, http, called):
    page = await pages.open(f"{node.url}/tasks?view=targets")
    row = page.get_by_role("row").filter(has_text=called)
    await row.get_by_role("button", name="Hold").click()
    await page.get_by_label("Minutes").fill("5")
    await page.get_by_role("dialog").get_by_role("button", name="Hold").click()
    await expect(row).to_contain_text("Held")
    await expect(row).to_contain_text("ends in")
    await add(http, node, url=f"{target.url}/ok")
    await until(http, node, waiting=1, completed=1)
    await row.get_by_role("button", name="Release").click()
    await until(http, node, completed=2)
    await expect(row.get_by_role("button", name="Hold")).to_be_visible()
    await expect(row).not_to_contain_text("Held")


async def test_a_rule_that_is_broken_is_said_at_its_field_and_nothing_is_held(pages, node, http, called):
    pages.expect("status of 422")
    page = await pages.open(f"{node.url}/tasks?view=targets")
    await page.get_by_role("button", name="Hold").click()
    minutes = page.get_by_label("Minutes")
    await minutes.fill("-1")
    await page.get_by_role("dialog").get_by_role("button", name="Hold").click()
    await expect(minutes).to_have_attribute("aria-invalid", "true")
    await expect(minutes).to_be_focused()
    await expect(minutes).to_have_accessible_description(
        "seconds above 0, at most ten years Empty: until somebody ends it"
    )
    async with http.get(f"{node.url}/targets") as answer:
        assert [host["held"] for host in (await answer.json())["targets"]] == [None]


async def test_a_host_that_is_not_reached_says_that_it_is_probed(pages, node, http):
    for _ in range(3):
        await add(http, node, url="http://127.0.0.1:9/", unreached_attempts=10)
    page = await pages.open(f"{node.url}/tasks?view=targets")
    await expect(page.get_by_role("row").filter(has_text="127.0.0.1:9")).to_contain_text(
        "for it was not reached, next probe"
    )


async def test_a_host_leads_to_its_jobs(pages, node, called):
    page = await pages.open(f"{node.url}/tasks?view=targets")
    await page.get_by_role("link", name=called).click()
    await page.wait_for_url(f"**view=jobs&q=host%3A{called.replace(':', '%3A')}")
