"""Whether the tests of the page would notice: a page that has every fault, one that has none."""

import pytest
import pytest_asyncio
from aiohttp import web

from .browsing import Pages
from .looking import axe, overflow

POLICY = (
    "default-src 'none'; script-src 'self'; img-src 'self'; connect-src *; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEAD = '<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="icon">'
FINE = f"{HEAD}</head><body><main><h1>A page</h1></main><script src=script></script></body></html>"
BARRED = (
    f"{HEAD}</head><body><main><h1>A page</h1><button></button><p style='color: #999'>Pale</p></main></body></html>"
)


@pytest_asyncio.fixture(loop_scope="package")
async def pages(browser):
    """As everywhere, but no node is needed."""
    opened = Pages(browser)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="package")
async def site():
    """A function that serves a page with a script, under a policy like ours, and returns its URL."""
    runners = []

    async def start(body: str, script: str = "") -> str:
        async def answer(request: web.Request) -> web.Response:
            kind, text = ("javascript", script) if request.path == "/script" else ("html", body)
            return web.Response(text=text, content_type=f"text/{kind}", headers={"Content-Security-Policy": POLICY})

        app = web.Application()
        app.router.add_get("/{file:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("console.error('it broke')", "console: it broke"),
        ("throw new Error('nobody caught it')", "exception: .*nobody caught it"),
        ("Promise.reject(new Error('nobody awaited it'))", "exception: .*nobody awaited it"),
        ("document.body.setAttribute('style', 'color: red')", "violation: style-src-attr blocks inline"),
        ("try { document.documentElement.innerHTML = '<b>' } catch {}", "violation: require-trusted-types-for"),
        ("fetch('http://localhost:9/', { mode: 'no-cors' }).catch(() => 0)", "request: http://localhost:9/"),
    ],
)
async def test_a_fault_of_a_page_is_noted(site, pages, script, fault):
    await pages.open(await site(FINE, script))
    await pages.noted(fault)
    pages.expect("")  # for faults come in twos: what the policy blocks, the console tells too


async def test_a_page_without_faults_has_none_noted_under_a_policy_as_strict_as_ours(site, pages):
    page = await pages.open(await site(FINE, "document.body.append('all is well')"))
    assert await axe(page) == []
    assert await page.inner_text("body") == "A page\nall is well"


async def test_what_keeps_somebody_from_using_a_page_is_found_with_its_place(site, pages):
    page = await pages.open(await site(BARRED))
    found = await axe(page)
    pages.expect("style-src")
    assert any(told.startswith("button-name: button") for told in found), found


@pytest.mark.parametrize(("width", "wider"), [(360, 640), (1440, 0)])
async def test_a_page_that_is_wider_than_the_window_is_measured(site, pages, width, wider):
    page = await pages.open(
        await site(FINE, "document.body.style.minWidth = '1000px'; document.body.style.margin = 0"), width
    )
    assert await overflow(page) == wider


async def test_a_page_is_dark_for_whom_asks_for_it(site, pages):
    url = await site(FINE)
    is_dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    assert [await (await pages.open(url, theme=theme)).evaluate(is_dark) for theme in ("light", "dark")] == [
        False,
        True,
    ]
