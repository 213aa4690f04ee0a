"""A person at night: a deploy breaks a shop, 300 jobs fail in three ways; who is called finds out and retries them."""

import re

from playwright.async_api import Locator, Page, expect

from ..e2e.processes import counts
from .shop import order

FAILING = {"charge": 120, "mail": 100, "label": 80}
LINES = {"charge": "KeyError: total", "mail": "template welcome.html is missing", "label": "the answer broke off"}


async def test_who_is_called_at_night_finds_what_fails_and_why_and_retries_just_that(pages, node, shop, http):
    await order(http, node, shop, 30, "charge")
    page = await pages.open(f"{node.url}/tasks")
    await counted(page, completed=30, errors=0)
    await expect(number(page, "Share of errors")).to_contain_text("0%")

    shop.broken |= FAILING.keys()  # the deploy
    for name, n in FAILING.items():
        await order(http, node, shop, n, name)
    await sees_that_errors_rise(page)
    await finds_the_groups(page)
    await sees_why(page)

    shop.broken.remove("charge")
    shop.open.clear()  # a job is done when the test says so: who looks on sees them wait, run and end
    await retries(page, "charge")
    await counted(page, completed=30, errors=180)
    await expect(number(page, "Busy")).not_to_contain_text(re.compile(r"^\D*0 of"))
    shop.open.set()
    await counted(page, waiting=0, running=0, completed=150, errors=180)
    assert shop.done == {"charge": 150}

    shop.broken.clear()
    await retries(page, "mail")
    await counted(page, completed=250, errors=80)
    await retries(page, "label")
    await counted(page, waiting=0, running=0, completed=330, errors=0)
    assert shop.done == {"charge": 150, "mail": 100, "label": 80}
    assert await counts(http, node) == {
        "waiting": 0, "scheduled": 0, "running": 0, "completed": 330, "error": 0, "cancelled": 0
    }  # fmt: skip


async def sees_that_errors_rise(page: Page) -> None:
    await counted(page, errors=300)
    share = number(page, "Share of errors")
    await expect(share).to_contain_text(re.compile(r"[1-9]\d*%"))
    await expect(share).to_contain_text("of the last minute")


async def finds_the_groups(page: Page) -> None:
    await page.get_by_role("link", name="Errors in groups").click()
    await expect(page.get_by_role("heading", name="Errors in groups")).to_be_visible()
    for name, n in FAILING.items():
        await expect(group(page, name).get_by_role("button", name=f"Retry these {n}")).to_be_visible()
    await expect(group(page, "charge")).to_contain_text("status 500")


async def sees_why(page: Page) -> None:
    """Open a job of the largest group, and read what the shop answered."""
    await group(page, "charge").get_by_role("link", name=LINES["charge"]).click()
    job = page.get_by_role("complementary", name="Job")
    await expect(job.get_by_role("heading", name=re.compile(r"^POST \S+charge$"))).to_be_visible()
    await expect(job.get_by_role("status")).to_contain_text("Error")
    await expect(job).to_contain_text('amount = order["total"]  # renamed to "sum" by release 81')
    await job.get_by_role("link", name="Close").click()
    await expect(job).to_be_hidden()


async def retries(page: Page, name: str) -> None:
    """Retry a group, and see that nothing is left in it."""
    n = FAILING[name]
    row = group(page, name)
    await row.get_by_role("button", name=f"Retry these {n}").click()
    dialog = page.get_by_role("dialog", name=f"Retry {n} jobs?")
    await dialog.get_by_role("button", name=f"Retry {n} jobs").click()
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("status").filter(has_text=f"Retried {n} jobs")).to_be_visible()
    await expect(row).to_contain_text("None left")


def group(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=LINES[name])


def number(page: Page, label: str) -> Locator:
    """One of the four numbers, with all that is said of it."""
    numbers = page.get_by_label("How it goes").locator("> div")
    return numbers.filter(has=page.get_by_role("term").filter(has_text=label))


async def counted(page: Page, **states: int) -> None:
    """See how many jobs are in some states."""
    for state, n in states.items():
        link = page.get_by_role("navigation").get_by_role("link", name=re.compile(rf"^{state} {n}$", re.IGNORECASE))
        await expect(link).to_be_visible()
