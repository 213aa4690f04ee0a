"""Whoever may only look sees what acts, and why it is not for them."""

import pytest_asyncio
from playwright.async_api import expect

from ..e2e.processes import NodeProcess, free_port, until

ADMIN = {"Authorization": "Bearer the-token-of-an-admin"}
VIEWER = {"Authorization": "Bearer the-token-of-a-viewer"}
ACTS = {
    "errors": ["Retry this one", "Delete"],
    "targets": ["Hold …"],
    "queues": ["Declare a queue …", "Pause …", "Settings …"],
    "limits": ["Pin a key …"],
    "nodes": ["Drain …", "Back up …"],
}


@pytest_asyncio.fixture(loop_scope="package")
async def node(tmp_path):
    """A node that asks for tokens."""
    settings = ""
    for name, role, who in (("admin", "admin", ADMIN), ("viewer", "read", VIEWER)):
        secret = tmp_path / f"{name}.token"
        secret.write_text(who["Authorization"].removeprefix("Bearer "))
        secret.chmod(0o600)
        settings += f'[[tokens]]\nname = "{name}"\nrole = "{role}"\nsecret_file = "{secret.name}"\n'
    file = tmp_path / "node.toml"
    file.write_text(settings)
    file.chmod(0o600)
    process = NodeProcess(tmp_path, f"--address=127.0.0.1:{free_port()}", f"--config={file}")
    await process.start()
    yield process
    await process.kill()


async def test_a_viewer_sees_every_button_disabled_with_the_reason(pages, node, http):
    http.headers.update(ADMIN)
    async with http.post(f"{node.url}/add", json={"url": "http://127.0.0.1:9/", "unreached_attempts": 0}) as answer:
        assert answer.status == 201
    await until(http, node, error=1)
    pages.expect("status of 401")  # before the page has a token
    page = await pages.open(f"{node.url}/tasks")
    await page.set_extra_http_headers(VIEWER)
    for view, labels in ACTS.items():
        await page.goto(f"{node.url}/tasks?view={view}")
        for label in labels:
            button = page.locator("main").get_by_role("button", name=label, exact=True).first
            await expect(button).to_have_attribute("aria-disabled", "true")
            await expect(button).to_have_attribute("title", "Your role is read: it may look, not act")
    await button.click(force=True)
    await expect(page.get_by_role("status").filter(has_text="Your role is read")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)
