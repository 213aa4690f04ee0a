"""The page as it first stands there, served by a node."""

from playwright.async_api import expect

from ..e2e.processes import NodeProcess, add, free_port, until
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


async def test_user_and_password_in_the_url_let_somebody_in(browser, tmp_path):
    node = NodeProcess(tmp_path, f"--address=127.0.0.1:{free_port()}", "--basicauth=ann:secret")
    await node.start()
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(f"{node.url.replace('://', '://ann:secret@')}/tasks?view=errors")
        await ready(page, "No job has failed")
        await page.get_by_role("link", name="Add a job").click()
        await expect(page.get_by_role("group", name="The same by curl")).to_contain_text(f"'{node.url}/add'")
    finally:
        await context.close()
        await node.kill()
