"""The page of a router: the jobs of all nodes, each of which can be opened and retried, and who did not answer."""

import asyncio

import pytest
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


async def test_all_jobs_of_all_nodes_are_retried_at_once(pages, node, nodes, target, http):
    for each in nodes:
        await failed(http, each, target)
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=error")
    await ready(page)
    for box in await page.get_by_role("row").get_by_role("checkbox").all():
        await box.check()
    bar = page.get_by_role("group", name="Selected jobs")
    await bar.get_by_role("button", name="Retry").click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry 2 jobs").click()
    async with asyncio.timeout(20):
        while set(target.calls.values()) != {2}:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("view", ["errors", "targets", "queues", "limits", "nodes", "add"])
async def test_every_view_shows_what_all_nodes_have_and_that_one_is_missing(pages, node, nodes, target, http, view):
    for each in nodes:
        await failed(http, each, target)
        await add(http, each, url=f"{target.url}/ok", delay=3600, limit={"key": "k", "concurrency": 1})
    shown = {
        "errors": "status 200",
        "targets": target.url.removeprefix("http://"),
        "queues": "default",
        "limits": "k",
        "nodes": "n2",
        "add": "URL",
    }
    page = await pages.open(f"{node.url}/tasks?view={view}")
    await ready(page, shown[view])
    await nodes[1].kill()
    await expect(page.get_by_role("status").first).to_contain_text("n2 did not answer")
    await expect(page.locator("main").get_by_text(shown[view]).first).to_be_visible()
    await picture(page, f"router-{view}")


async def test_how_each_node_is_stands_in_words_with_what_to_do(pages, node, nodes):
    page = await pages.open(f"{node.url}/tasks?view=nodes")
    await expect(page.get_by_role("heading", name="Nodes", exact=True)).to_be_visible()
    await nodes[1].kill()
    line = page.get_by_role("row").filter(has_text=nodes[1].url.removeprefix("http://"))
    await expect(line).to_contain_text("look whether it runs and can be reached")
    await expect(line.get_by_role("button")).to_have_count(0)
    await nodes[1].start()
    await expect(line.get_by_role("button", name="Drain")).to_be_visible()


async def test_one_node_is_drained_and_resumed_among_the_others(pages, node, nodes, http):
    page = await pages.open(f"{node.url}/tasks?view=nodes")
    await ready(page, "n1", "n2")
    await expect(page.get_by_text("Disk free")).to_be_hidden()
    line = page.get_by_role("row").filter(has_text="n2")
    await line.get_by_role("button", name="Drain").click()
    await page.get_by_role("button", name="Drain n2").click()
    await expect(line).to_contain_text("draining")
    async with http.get(f"{nodes[1].url}/ready") as answer:
        assert (await answer.json())["state"] == "draining"
    assert {(await add(http, node, url="http://127.0.0.1:9/", delay=60))[-2:] for _ in range(5)} == {"n1"}
    await line.get_by_role("button", name="Resume").click()
    await expect(line).to_contain_text("ready")
    await expect(line.get_by_role("button", name="Drain")).to_be_visible()
