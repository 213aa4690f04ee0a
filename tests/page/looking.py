"""What is asked of a page that is open: whether everybody can use it, whether it fits, a picture of it."""

import os
from pathlib import Path

from playwright.async_api import Page, expect

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

# The rules that are on by themselves, and the size of what is clicked.
_RUN_AXE = """
async () => {
  const options = { rules: { "target-size": { enabled: true } }, resultTypes: ["violations"] };
  const { violations } = await axe.run(document, options);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, html, failureSummary }) =>
    `${id}: ${target.join(" ")}\\n    ${html.slice(0, 200)}\\n    ${failureSummary.replaceAll("\\n", "\\n    ")}`));
}
"""


async def ready(page: Page, *shown: str) -> None:
    """Wait until the page says that the node is ready, and until some texts are to be seen."""
    await expect(page.get_by_role("status").filter(has_text="Ready")).to_be_visible()
    for text in shown:
        await expect(page.locator("main").get_by_text(text).first).to_be_visible()


async def axe(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a page, each with where and what would mend it."""
    if not await page.evaluate("'axe' in window"):
        devtools = await page.context.new_cdp_session(page)  # which the page's policy does not bind
        await devtools.send("Runtime.evaluate", {"expression": AXE.read_text()})
        await devtools.detach()
    return await page.evaluate(_RUN_AXE)


async def overflow(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    return await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


async def picture(page: Page, name: str) -> None:
    """Write a screenshot into the folder that the variable SCREENSHOTS names, if it does."""
    if os.environ.get("SCREENSHOTS"):
        dark = await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        keep(await page.screenshot(), f"{name}-{page.viewport_size['width']}-{'dark' if dark else 'light'}")


def keep(png: bytes, name: str) -> None:
    """Write a picture into the folder that the variable SCREENSHOTS names, if it does."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        (Path(folder) / f"{name}.png").write_bytes(png)
