"""Somebody without a mouse retries what failed, in groups and in the listing, and always sees where the focus is."""

import re

from playwright.async_api import Locator, Page, expect

from ..e2e.processes import add, until
from .looking import ready

NOBODY = "http://127.0.0.1:9"

# Where the focus is, and whether it shows: an outline, or a part of the page that took the focus to be read from there.
_FOCUS = """
() => {
  const at = document.activeElement;
  if (at === null || at === document.body) return "lost";
  const box = at.getBoundingClientRect();
  if (box.width === 0 || box.height === 0) return `not to be seen: ${at.outerHTML.slice(0, 100)}`;
  const style = getComputedStyle(at);
  const shown = style.outlineStyle !== "none" || style.boxShadow !== "none";
  return shown || at.tabIndex === -1 ? "" : `without a sign: ${at.outerHTML.slice(0, 100)}`;
}
"""

# The body has the focus where Tab leads out of the page, as to the address bar, and back in again.
_BESIDE_THE_DIALOG = """
() => document.activeElement !== document.body && document.activeElement.closest("dialog") === null
"""


async def press(page: Page, *keys: str) -> None:
    """Press keys one after the other; the focus is then somewhere, and to be seen."""
    for key in keys:
        await page.keyboard.press(key)
    await expect(page.locator("body")).not_to_be_focused()
    assert await page.evaluate(_FOCUS) == ""


async def tab_to(page: Page, role: str, name: str | re.Pattern[str], within: Locator | None = None) -> None:
    """Press Tab until the focus is on something."""
    wanted = (within or page).get_by_role(role, name=name, exact=True).first
    for _ in range(60):
        if await wanted.evaluate("(at) => at === document.activeElement"):
            return
        await press(page, "Tab")
    raise AssertionError(f"no Tab leads to the {role} {name}")


async def test_an_errand_without_a_mouse(pages, node, target, http):
    for n in range(3):
        await add(http, node, url=f"{NOBODY}/order/{n}", unreached_attempts=0, queue=f"queue-{n}")
    await until(http, node, error=3)
    page = await pages.open(f"{node.url}/tasks")
    await ready(page)
    await a_group_is_retried(page, http, node)
    await the_help_and_the_theme(page)


async def a_group_is_retried(page: Page, http, node) -> None:
    """Go to the errors by keys, think better of it, then retry them; the dialog holds the focus and gives it back."""
    await press(page, "g", "e")
    await expect(page.get_by_role("heading", name="Errors in groups")).to_be_visible()
    await expect(page.get_by_role("button", name="Retry these 3")).to_be_visible()
    await tab_to(page, "button", "Retry these 3")
    await press(page, "Enter")
    dialog = page.get_by_role("dialog", name="Retry 3 jobs?")
    await expect(dialog).to_be_visible()
    for _ in range(4):
        await page.keyboard.press("Tab")
        assert await page.evaluate(_BESIDE_THE_DIALOG) is False
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    retry = page.get_by_role("button", name="Retry these 3")
    await expect(retry).to_be_focused()
    await expect(retry).not_to_have_attribute("aria-busy", "true")  # until then it takes no second press
    await http.post(f"{node.url}/targets/127.0.0.1:9/hold?for=600")
    await press(page, "Enter")
    await tab_to(page, "button", "Retry 3 jobs")
    await press(page, "Enter")
    await expect(page.get_by_role("status").filter(has_text="Retried 3 jobs")).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text="127.0.0.1:9")).to_contain_text("None left")
    await press(page, "Tab")


async def the_help_and_the_theme(page: Page) -> None:
    """Ask which keys there are, and turn the light off and on."""
    await press(page, "?")
    keys = page.get_by_role("dialog", name="Keys")
    await expect(keys).to_contain_text("Go to errors in groups")
    await press(page, "Escape")
    await expect(keys).to_have_count(0)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = await page.evaluate(ground)
    await press(page, "t")
    await expect(page.locator("body")).not_to_have_css("background-color", before)


async def test_an_errand_in_the_listing_without_a_mouse(pages, node, target, http):
    for n in range(3):
        await add(http, node, url=f"{NOBODY}/order/{n}", unreached_attempts=0, queue="mails")
        await add(http, node, url=f"{NOBODY}/order/{n}", delay=3600, queue="mails")
    await add(http, node, url=f"{NOBODY}/film", unreached_attempts=0, queue="films")
    await until(http, node, error=4, scheduled=3)
    await http.post(f"{node.url}/targets/127.0.0.1:9/hold?for=600")
    page = await pages.open(f"{node.url}/tasks")
    await ready(page)
    await press(page, "g", "f")
    await expect(rows(page)).to_have_count(4)
    await a_job_is_found_and_looked_at(page)
    await some_are_retried(page)
    await press(page, "g", "s")
    await expect(rows(page)).to_have_count(3)
    await one_is_cancelled_and_then_the_others(page)


async def a_job_is_found_and_looked_at(page: Page) -> None:
    """Filter, think better of it, filter again; then open a job: the focus is at its row once it is closed."""
    field = page.get_by_role("searchbox", name="Filter")
    await press(page, "/", *"films", "Escape")
    await expect(field).to_have_value("")
    await press(page, "/", *"queue:mails", "Enter")
    await expect(rows(page)).to_have_count(3)
    await press(page, "j", "j", "j", "k")
    link = rows(page).nth(1).get_by_role("link").first
    await expect(link).to_be_focused()
    await press(page, "Enter")
    panel = page.get_by_role("complementary", name="Job")
    await expect(panel.get_by_role("heading", name=re.compile("order"))).to_be_focused()
    await press(page, "Escape")
    await expect(panel).to_be_hidden()
    await expect(link).to_be_focused()


async def some_are_retried(page: Page) -> None:
    """Select two, and retry them; leave it the first time."""
    await press(page, "x", "J")
    await expect(page.get_by_role("group", name="Selected jobs")).to_contain_text("2 selected")
    await press(page, "r", "Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await press(page, "r")
    await tab_to(page, "button", "Retry 2 jobs")
    await press(page, "Enter")
    await expect(page.get_by_role("status").filter(has_text="Retried 2 jobs")).to_be_visible()
    await expect(rows(page).filter(has_text="now Waiting")).to_have_count(2)
    await press(page, "k")
    await expect(rows(page).nth(1).get_by_role("link").first).to_be_focused()


async def one_is_cancelled_and_then_the_others(page: Page) -> None:
    """Cancel one by its key, one by the button of its row, one by that of the bar: the focus is never lost."""
    cancelled = rows(page).filter(has_text="now Cancelled")
    for n, way in enumerate(["key", "row", "bar"]):
        await press(page, "j")
        if way == "key":
            await press(page, "c")
        elif way == "row":
            await tab_to(page, "button", re.compile("^Cancel .*"), rows(page).nth(n))
            await press(page, "Enter")
        else:
            await press(page, "x")
            await tab_to(page, "button", "Cancel")
            await press(page, "Enter")
        await tab_to(page, "button", "Cancel 1 job")
        await press(page, "Enter")
        await expect(cancelled).to_have_count(n + 1)
        await press(page, "Tab", "Shift+Tab")


def rows(page: Page) -> Locator:
    return page.locator("main tbody tr")
