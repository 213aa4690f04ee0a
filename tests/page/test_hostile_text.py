"""Text that would like to be more than text, in every field that somebody can fill."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from ..e2e.processes import add, until
from .looking import overflow, ready

IMAGE = "<img src=x onerror=window.struck=1>"
SCRIPT = "<script>window.struck=1</script>"
HOSTILE = f"{IMAGE}{SCRIPT}'\"`{{{{7*7}}}}</textarea></title><svg onload=window.struck=1>"
TURNED = "\u202egnp.exe\u2066\u200f"  # what shows it backwards
LONG = "w" * 10_000
# as far as names of headers go: every sign that one may have
NAME = "X-!#$%&'*+.^_`|~-onerror"

# what the page itself never makes
INTRUDERS = (
    "[...document.querySelectorAll('img, iframe, script:not([src]), [onload], [onerror]')].map((e) => e.outerHTML)"
)

VIEWS = ["errors", "targets", "queues", "limits", "nodes", "add"]
STATES = ["scheduled", "running", "completed", "errors", "cancelled"]


@asynccontextmanager
async def answering(answer: bytes):
    """Serve the same bytes to everybody; yields the URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def answer(text: str, status: str, name: str = NAME) -> bytes:
    """Return an answer that says a text wherever an answer says anything."""
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\n{name}: {text[:8000]}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def jobs_that_say(text: str, http, node, target) -> list[str]:
    """Have jobs in several states that say a text in every field, and whose applications do; return their uids."""
    async with (
        answering(answer(text, "200 OK")) as fine,
        answering(answer(text, f"500 {text[:8000]}")) as broken,
        answering(answer(text, "200 OK", name=IMAGE)) as garbled,
    ):
        ended = [await add(http, node, **saying(text, url)) for url in (fine, broken, garbled)]
        for uid in ended:
            async with http.get(f"{node.url}/job/{uid}/wait") as told:
                assert (await told.json())["ended_at"]
    running = await add(http, node, **saying(text, f"{target.url}/hang"), timeout=600)
    scheduled = await add(http, node, **saying(text, f"{target.url}/ok"), delay=3600)
    cancelled = await add(http, node, **saying(text, f"{target.url}/cancelled"), delay=3600)
    async with http.post(f"{node.url}/job/{cancelled}/cancel") as told:
        assert told.status == 200, await told.text()
    await until(http, node, running=1)
    return [*ended, running, scheduled, cancelled]


def saying(text: str, url: str) -> dict:
    """Return the fields of a job that say a text wherever they may."""
    short = text[:200]
    return {
        "url": f"{url}?{text[:7000]}",
        "method": "POST",
        "headers": {NAME: text[:4000], "Content-Type": short},
        "body": {"said": text, text[:1000]: [text]},
        "meta": {"said": text[:8000], text[:1000]: text[:1000]},
        "key": short,
        "idempotency_key": f"{short} {url}",
        "unique": f"{short} {url}",
        "limit": {"key": f"{short} {url}", "concurrency": 2},
        "callback": {"url": f"http://127.0.0.1:9/{text[:1000]}", "headers": {NAME: short}},
    }


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("text", [HOSTILE, TURNED, LONG], ids=["markup", "turned", "long"])
async def test_what_anybody_says_is_shown_as_text_and_within_the_window(pages, node, target, http, text, width):
    uids = await jobs_that_say(text, http, node, target)
    shown = {f"view=jobs&state={state}": "127.0.0.1" for state in STATES}
    shown |= {f"view={view}": "" for view in VIEWS}
    shown |= {f"view=jobs&state=completed&job={uid}": "127.0.0.1" for uid in uids}
    page = await pages.open(f"{node.url}/tasks", width)
    for query, told in shown.items():
        await page.goto(f"{node.url}/tasks?{query}")
        await ready(page, told)
        assert await page.evaluate(INTRUDERS) == [], query
        assert await overflow(page) <= 0, query
        assert not await page.evaluate("'struck' in window"), query
