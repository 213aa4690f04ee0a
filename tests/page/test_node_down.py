"""The node goes away while somebody looks at the page."""

from playwright.async_api import expect

from ..e2e.processes import add, until


async def test_the_page_says_that_the_node_was_killed_and_goes_on_without_a_reload_when_it_is_back(
    pages, node, target, http
):
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=completed")
    health = page.get_by_role("status").first
    await expect(health).to_contain_text("Ready")
    await page.evaluate("window.stayed = true")
    pages.expect("net::ERR_")  # so the console tells of each call that was not answered

    await node.kill()
    await expect(health).to_contain_text("The node does not answer")
    await node.start()
    await expect(health).to_contain_text("Ready")

    await add(http, node, url=f"{target.url}/ok", queue="afterwards")
    await until(http, node, completed=1)
    await expect(page.get_by_role("row", name="afterwards")).to_be_visible()
    assert await page.evaluate("window.stayed")
