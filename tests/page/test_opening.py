"""The page as it first stands there, served by a node."""

from playwright.async_api import expect

from ..e2e.processes import add, until
from .looking import ready


async def test_the_page_says_how_the_node_is_and_shows_what_it_has(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok", queue="mail")
    await until(http, node, completed=1)
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=completed")
    await ready(page, f"{target.url}/ok", "mail")
    await expect(page.locator(f"a[href*='{uid}']")).to_be_visible()


async def test_the_root_of_a_node_leads_to_the_page(pages, node):
    page = await pages.open(f"{node.url}/")
    assert page.url == f"{node.url}/tasks"
