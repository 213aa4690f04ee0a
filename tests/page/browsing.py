"""Debian's Chromium, and pages in it that tell of all that goes wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WITHIN_MS = 20_000  # whatever is waited for: a machine may be slow
expect.set_options(timeout=WITHIN_MS)
HEIGHT = 900

_TELL_OF_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  tellOfViolation(`${event.effectiveDirective} blocks ${event.blockedURI} ${event.sample}`));
"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Chromium; it loads nothing that a page does not ask for."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        await browser.close()


class Pages:
    """Opens pages, and notes in `faults` what must never happen on one.

    That is an error in the console, an exception nobody caught, a violation of the policy, a request to another origin.
    """

    def __init__(self, browser: Browser) -> None:
        self.faults: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._expected: list[re.Pattern] = []

    async def open(self, url: str, width: int = 1440, theme: str = "light", script: str = "") -> Page:
        """Open a page as somebody would who has never been there; nothing moves on it by itself.

        A script runs before the page's own.
        """
        context = await self._browser.new_context(
            viewport={"width": width, "height": HEIGHT}, color_scheme=theme, reduced_motion="reduce"
        )
        self._contexts.append(context)
        context.set_default_timeout(WITHIN_MS)
        origin = "{0.scheme}://{0.netloc}/".format(urlsplit(url))
        context.on("request", lambda request: request.url.startswith(origin) or self._note("request", request.url))
        context.on("weberror", lambda told: self._note("exception", str(told.error)))
        context.on("console", self._console)
        await context.expose_function("tellOfViolation", lambda text: self._note("violation", text))
        await context.add_init_script(_TELL_OF_VIOLATIONS + script)
        page = await context.new_page()
        await page.goto(url)
        return page

    def expect(self, pattern: str) -> None:
        """Take faults for none that match, such as what the console says of a node that was killed."""
        self._expected.append(re.compile(pattern))
        self.faults[:] = [fault for fault in self.faults if not re.search(pattern, fault)]

    async def noted(self, pattern: str) -> None:
        """Wait until a fault has been noted that matches."""
        async with asyncio.timeout(WITHIN_MS / 1000):
            while not any(re.search(pattern, fault) for fault in self.faults):
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Close them all; nothing that was not expected has gone wrong on them."""
        for context in self._contexts:
            await context.close()
        assert self.faults == [], self.faults  # what is no test file tells nothing by itself

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "assert"}:
            self._note("console", f"{message.text} ({message.location['url']})")

    def _note(self, kind: str, text: str) -> None:
        fault = f"{kind}: {text}"
        if not any(expected.search(fault) for expected in self._expected):
            self.faults.append(fault)
