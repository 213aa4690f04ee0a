"""The node goes away while somebody looks at the page."""

import pytest
from aiohttp import web
from playwright.async_api import expect

from ..e2e.processes import add, until
from .looking import ready


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


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("", "The node does not answer"),
        ("stats", "The numbers cannot be had"),
    ],
)
async def test_a_proxy_that_answers_in_place_of_the_node_is_not_taken_for_it(pages, node, http, broken, told):
    down = False

    async def forward(request: web.Request) -> web.Response:
        if down and request.path.startswith(f"/prefix/{broken}"):
            return web.Response(status=502, text="<h1>Bad gateway</h1>", content_type="text/html")
        async with http.get(f"{node.url}{request.path_qs.removeprefix('/prefix')}") as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), headers={"Content-Type": answer.headers["Content-Type"]}
            )

    app = web.Application()
    app.router.add_get("/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        page = await pages.open(f"http://127.0.0.1:{runner.addresses[0][1]}/prefix/tasks?view=errors")
        await ready(page, "No job has failed")
        health = page.get_by_role("status").first
        pages.expect("status of 502")
        down = True
        await expect(health).to_contain_text(told)
        await expect(health).to_contain_text("502 Bad Gateway, which no node says")
        down = False
        await ready(page)
    finally:
        await page.context.close()
        await runner.cleanup()
