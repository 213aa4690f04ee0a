"""The page of a router: the jobs of all nodes, each of which can be opened and retried, and who did not answer."""

import pytest_asyncio
from playwright.async_api import expect

from ..e2e.processes import NodeProcess, RouterProcess, add, free_port, until
from .looking import picture, ready


@pytest_asyncio.fixture(loop_scope="package")
async def nodes(tmp_path):
    """Two nodes, at addresses that stay theirs."""
    started = []
    for name in ("n1", "n2"):
        (tmp_path / name).mkdir()
        started.append(NodeProcess(tmp_path / name, f"--name={name}"))
        started[-1].address = f"127.0.0.1:{free_port()}"
        await started[-1].start()
    yield started
    for process in started:
        await process.kill()


@pytest_asyncio.fixture(loop_scope="package")
async def node(tmp_path, nodes):
    """The router before them, in the place of a node."""
    (tmp_path / "router").mkdir()
    process = RouterProcess(tmp_path / "router", *(f"--node=n{i}={each.url}" for i, each in enumerate(nodes, 1)))
    await process.start()
    yield process
    await process.kill()


async def failed(http, node, target) -> str:
    """Have a job in error; returns its uid."""
    uid = await add(http, node, url=f"{target.url}/ok", success="418")
    await until(http, node, error=1)
    return uid


def row(page, uid: str):
    return page.get_by_role("row").filter(has=page.locator(f'a[href*="job={uid}"]'))


async def test_jobs_of_all_nodes_are_listed_opened_and_retried(pages, node, nodes, target, http):
    uids = [await failed(http, each, target) for each in nodes]
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=error")
    await ready(page)
    for uid in uids:
        await expect(row(page, uid)).to_be_visible()
    await row(page, uids[1]).get_by_role("link").first.click()
    panel = page.get_by_role("complementary", name="Job")
    await expect(panel.locator(".job-state")).to_have_text("Error")
    await panel.get_by_role("button", name="Retry", exact=True).click()
    await expect(panel).to_contain_text("Call 2")
    assert target.calls[uids[1]] == 2


async def test_a_node_that_does_not_answer_is_named_and_its_jobs_are_not_told_as_gone(pages, node, nodes, target, http):
    uids = [await failed(http, each, target) for each in nodes]
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=error")
    await ready(page)
    await expect(row(page, uids[1])).to_be_visible()
    await nodes[1].kill()
    health = page.get_by_role("status").first
    await expect(health).to_contain_text("n2 did not answer")
    more = await add(http, nodes[0], url=f"{target.url}/ok", success="418")
    await expect(page.get_by_role("button", name="1 new")).to_be_visible()
    await expect(row(page, uids[1])).not_to_contain_text("no longer")
    await picture(page, "router-partial")
    await nodes[1].start()
    await expect(health).to_contain_text("Ready")
    await page.get_by_role("button", name="1 new").click()
    for uid in (*uids, more):
        await expect(row(page, uid)).to_be_visible()
