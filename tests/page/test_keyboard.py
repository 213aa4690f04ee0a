"""Somebody without a mouse retries what failed, and always sees where the focus is."""

from playwright.async_api import Page, expect

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


async def tab_to(page: Page, role: str, name: str) -> None:
    """Press Tab until the focus is on something."""
    wanted = page.get_by_role(role, name=name, exact=True).first
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
    await expect(page.get_by_role("button", name="Retry these 3")).to_be_focused()
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
