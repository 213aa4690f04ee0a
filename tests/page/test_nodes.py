"""The node on the page: what it says of itself, drained and resumed, backed up, jobs that run elsewhere."""

import pytest_asyncio
from playwright.async_api import expect

from ..e2e.processes import NodeProcess, add, free_port, say, until


@pytest_asyncio.fixture(loop_scope="package")
async def node(tmp_path):
    """A node that makes backups."""
    process = NodeProcess(tmp_path, f"--address=127.0.0.1:{free_port()}", f"--backup-dir={tmp_path / 'backups'}")
    await process.start()
    yield process
    await process.kill()


async def test_a_node_is_drained_and_resumed(pages, node, http):
    pages.expect("status of 503")  # of /ready
    page = await pages.open(f"{node.url}/tasks?view=nodes")
    await expect(page.locator("main")).to_contain_text("0.1.0")
    await page.get_by_role("button", name="Drain").click()
    await page.get_by_role("button", name="Drain this node").click()
    await expect(page.get_by_role("status").filter(has_text="Draining")).to_be_visible()
    async with http.post(f"{node.url}/add?url=http://127.0.0.1:9/") as answer:
        assert answer.status == 503
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("status").filter(has_text="Ready")).to_be_visible()
    await expect(page.get_by_role("button", name="Drain")).to_be_visible()


async def test_a_job_that_runs_elsewhere_says_how_far_it_is(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/accept")
    await target.called(1)
    assert await say(http, node, target, uid, "heartbeat", percent=40, note="page 4 of 10") == 200
    page = await pages.open(f"{node.url}/tasks?view=nodes")
    await expect(page.get_by_role("row").filter(has_text="/accept")).to_contain_text("40%, page 4 of 10")
    await expect(page.locator("main")).to_contain_text("1 job")


async def test_a_backup_is_made_and_says_where(pages, node, target, http, tmp_path):
    await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    page = await pages.open(f"{node.url}/tasks?view=nodes")
    await page.get_by_role("button", name="Back up").click()
    await page.get_by_label("Name").fill("before-the-deploy")
    await page.get_by_role("dialog").get_by_role("button", name="Back up").click()
    await expect(page.get_by_role("dialog")).to_contain_text("1 job")
    await expect(page.get_by_role("dialog")).to_contain_text(str(tmp_path / "backups" / "before-the-deploy"))
