"""What the panel copies is run in bash as it stands: the same call of the target, the same add."""

import asyncio
import base64
import json

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import expect

from ..e2e.processes import add, job, until
from .test_job_panel import open_job, panel

AWKWARD = """it's "$(touch struck)" `touch struck` \\ $HOME !! %s
@/etc/passwd {a,b} [1-3] \u202e é"""

JOBS = {
    "plain": {},
    "json": {"method": "POST", "body": {"said": AWKWARD, "n": 12345678901234567890}},
    "text": {"method": "PUT", "body": AWKWARD},
    "at": {"method": "POST", "body": "@/etc/passwd"},
    "control": {"method": "POST", "body": "a\x00\x1b[31m\r\n\tb"},
    "bytes": {"method": "POST", "body_base64": base64.b64encode(bytes(range(256))).decode()},
    "type": {"method": "POST", "body": {"a": 1}, "headers": {"content-type": "application/vnd.shop+json"}},
    "headers": {"method": "PATCH", "headers": {"X-Said": 'it\'s "$(touch struck)" `x`; @y', "X-Empty": ""}},
    "head": {"method": "HEAD"},
    "method": {"method": "PURGE"},
}


@pytest_asyncio.fixture(loop_scope="package")
async def recorder():
    """A target that keeps what it was asked; yields (its URL, that)."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        told = {
            name: value for name, value in request.headers.items() if name.startswith("X-") or name == "Content-Type"
        }
        asked.append((request.method, request.raw_path, told, await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


async def copied(page, name: str) -> str:
    """Press a button that copies, and return what the clipboard has."""
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await panel(page).get_by_role("button", name=name).click()
    await expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    return await page.evaluate("navigator.clipboard.readText()")


def content(body: bytes) -> object:
    """Return what a body says: of JSON the page knows the values, and not how they were spaced."""
    try:
        return json.loads(body)
    except ValueError:
        return body


async def run(line: str, folder) -> str:
    """Run a line in bash, in a folder in which it must leave nothing."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", line, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert process.returncode == 0, err
    assert list(folder.iterdir()) == []
    return out.decode()


@pytest.mark.parametrize("name", JOBS)
async def test_the_call_that_is_copied_is_the_call_of_the_job(pages, node, recorder, http, tmp_path, name):
    url, asked = recorder
    uid = await add(http, node, url=f"{url}/a/../b?q=it's&list[]={{1,2}}&x=$(touch%20struck)", **JOBS[name])
    await until(http, node, completed=1)
    page = await open_job(pages, node, uid)
    line = await copied(page, "Copy as curl")
    folder = tmp_path / "empty"
    folder.mkdir()
    await run(line, folder)
    assert len(asked) == 2
    (*head, body), (*copied_head, copied_body) = asked
    assert copied_head == head
    assert content(copied_body) == content(body)


async def test_the_add_that_is_copied_makes_the_same_job(pages, node, target, http, tmp_path):
    uid = await add(
        http,
        node,
        url=f"{target.url}/ok?said=it's",
        method="POST",
        body={"said": AWKWARD, "n": 12345678901234567890},
        headers={"X-Said": "it's"},
        delay=3600,
        queue="mail",
        backoff=[1, 5],
        unique="report",
        on_conflict="replace",
        limit={"key": "shop", "concurrency": 2},
        callback={"url": f"{target.url}/ended", "on": ["error"]},
        meta={"shop": AWKWARD},
    )
    async with http.post(f"{node.url}/job/{uid}/cancel") as answer:
        assert answer.status == 200
    page = await open_job(pages, node, uid)
    folder = tmp_path / "empty"
    folder.mkdir()
    told = await run(await copied(page, "Copy the add"), folder)
    before, after = await job(http, node, uid), await job(http, node, told.split('"')[3])
    own = {"uid", "state", "attempt", *(name for name in before if name.endswith("_at"))}
    assert {name: before[name] for name in before.keys() - own} == {name: after[name] for name in after.keys() - own}


async def test_secrets_stay_masked_in_what_is_copied_and_that_is_said(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok", headers={"Authorization": "Bearer hunter2"})
    await until(http, node, completed=1)
    page = await open_job(pages, node, uid)
    await panel(page).get_by_role("button", name="Show secrets").click()
    await expect(panel(page)).to_contain_text("Bearer hunter2")
    line = await copied(page, "Copy as curl")
    assert "Authorization: [masked]" in line
    assert "hunter2" not in line
    await expect(page.get_by_role("status").filter(has_text="Secrets are masked in it")).to_be_visible()
