"""The listing of jobs: rows that keep their places, the filter, the selection, and what is done to many."""

import re

from playwright.async_api import Page, expect

from ..e2e.processes import add, until
from .looking import ready

NOBODY = "http://127.0.0.1:9/nobody"  # nothing listens there
NO_SUCCESS = {"success": "204", "max_attempts": 1}  # for what answers 200


async def failed(http, node, target, count: int) -> None:
    """Have that many jobs in error."""
    jobs = [{"url": f"{target.url}/ok?{n}", **NO_SUCCESS} for n in range(count)]
    for part in (jobs[:600], jobs[600:]):
        async with http.post(f"{node.url}/add", json=part) as answer:
            assert answer.ok, await answer.text()
    await until(http, node, error=count)


async def paused(http, node, queue: str) -> None:
    """Have a queue in which nothing runs."""
    async with http.put(f"{node.url}/queues/{queue}", json={}) as answer:
        assert answer.status in (200, 201)
    async with http.post(f"{node.url}/queues/{queue}/pause") as answer:
        assert answer.ok


async def stats(http, node) -> dict:
    async with http.get(f"{node.url}/stats") as answer:
        return (await answer.json())["states"]


def rows(page: Page):
    return page.locator("main tbody tr")


async def opened(pages, node, query: str, count: int) -> Page:
    """Open a listing, and wait for its rows."""
    page = await pages.open(f"{node.url}/tasks?view=jobs&{query}")
    await ready(page)
    await expect(rows(page)).to_have_count(count)
    return page


async def test_new_jobs_are_told_and_nothing_moves_until_they_are_asked_for(pages, node, target, http):
    await add(http, node, url=f"{target.url}/ok?first")
    await until(http, node, completed=1)
    page = await opened(pages, node, "state=completed", 1)
    for n in range(3):
        await add(http, node, url=f"{target.url}/ok?later-{n}")
    await until(http, node, completed=4)
    pill = page.get_by_role("button", name="3 new")
    await expect(pill).to_be_visible()
    await expect(rows(page)).to_have_count(1)
    await pill.click()
    await expect(rows(page)).to_have_count(4)
    await expect(rows(page).last).to_contain_text("first")
    await expect(pill).to_be_hidden()


async def test_a_job_that_left_says_where_to_and_keeps_its_place(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/hang")
    await target.called(1)
    page = await opened(pages, node, "state=running", 1)
    target.released.set()
    await until(http, node, completed=1)
    await expect(rows(page)).to_contain_text("now Completed")
    await expect(rows(page).get_by_role("checkbox")).to_be_disabled()
    await expect(page.locator(f"main a[href$='job={uid}']")).to_be_visible()


async def test_more_is_loaded_page_by_page_and_the_address_says_how_far(pages, node, target, http):
    await failed(http, node, target, 120)
    page = await opened(pages, node, "state=errors", 50)
    await page.get_by_role("button", name="Load 50 more").click()
    await expect(rows(page)).to_have_count(100)
    await expect(page).to_have_url(re.compile(r"[?&]pages=2"))
    await page.reload()
    await expect(rows(page)).to_have_count(100)
    await page.get_by_role("button", name="Load 50 more").click()
    await expect(rows(page)).to_have_count(120)
    await expect(page.get_by_role("button", name="Load 50 more")).to_be_hidden()


async def test_a_filter_narrows_and_stands_in_the_address(pages, node, http):
    await paused(http, node, "mails")
    await paused(http, node, "films")
    await add(http, node, url=f"{NOBODY}/a", queue="mails", key="two words")
    await add(http, node, url=f"{NOBODY}/b", queue="mails", meta={"user": 7})
    await add(http, node, url=f"{NOBODY}/c", queue="films")
    page = await opened(pages, node, "state=waiting", 3)
    for text, count in [
        ("queue:mails", 2),
        ('key:"two words"', 1),
        ("meta.user:7", 1),
        ("since:1h", 3),
        ("until:1h", 0),
    ]:
        await page.get_by_role("searchbox", name="Filter").fill(text)
        await page.keyboard.press("Enter")
        await expect(rows(page)).to_have_count(count)
    await expect(page.locator("main")).to_contain_text("matches until:1h")
    await page.get_by_role("link", name="Clear the filter").click()
    await expect(rows(page)).to_have_count(3)
    await page.get_by_role("list", name="Filters").get_by_role("link", name="films").click()
    await expect(rows(page)).to_have_count(1)
    await page.go_back()
    await expect(rows(page)).to_have_count(3)


async def test_what_is_wrong_with_a_filter_is_told_at_the_field(pages, node, http):
    pages.expect(r"status of (422|404)")
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=errors")
    await ready(page)
    field = page.get_by_role("searchbox", name="Filter")
    for text, told in [
        ("quue:mails", "quue: not known"),
        ("status:abc", "status: statuses such as"),
        ("queue:", "queue: say which"),
    ]:
        await field.fill(text)
        await field.press("Enter")
        await expect(page.locator("#filter-wrong")).to_contain_text(told)
        await expect(field).to_have_attribute("aria-invalid", "true")
    await field.fill("uid:01a21fe8ea79706d9a634bac7b30d899-none")
    await field.press("Enter")
    await expect(page.locator("#filter-wrong")).to_contain_text("uid: no job here is")


async def test_nothing_is_acted_on_by_a_filter_other_than_the_one_that_is_read(pages, node, target, http):
    await failed(http, node, target, 51)
    page = await opened(pages, node, "state=errors", 50)
    field, bar = page.get_by_role("searchbox", name="Filter"), page.get_by_role("group", name="Selected jobs")
    await page.get_by_role("checkbox", name="Select all shown").click()
    await field.fill("queue:mails")
    await bar.get_by_role("button", name="Select all that match").click()
    await expect(page.get_by_role("alert").filter(has_text="not asked for yet")).to_be_visible()
    await field.press("Escape")
    await bar.get_by_role("button", name="Select all that match").click()
    await expect(bar).to_contain_text("All 51 matching")
    await bar.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("dialog")).to_contain_text("no filter is set")
    await page.keyboard.press("Escape")
    await field.fill("quue:mails")
    await field.press("Enter")
    await expect(page.locator("#filter-wrong")).to_contain_text("quue: not known")
    await expect(rows(page)).to_have_count(0)


async def test_an_address_that_filters_by_a_uid_lists_nothing_else(pages, node, target, http):
    await failed(http, node, target, 2)
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=errors&q=uid:01a21fe8ea79706d9a634bac7b30d899-none")
    await ready(page)
    await expect(page.locator("#filter-wrong")).to_contain_text("Press Enter to open this job")
    await expect(rows(page)).to_have_count(0)


async def test_no_more_scheduled_jobs_are_cancelled_than_somebody_agreed_to(pages, node, http):
    await add(http, node, url=f"{NOBODY}/1", delay=7200)
    page = await opened(pages, node, "state=scheduled", 1)
    await page.get_by_role("checkbox", name="Select all shown").click()
    await add(http, node, url=f"{NOBODY}/2", delay=3600)
    bar = page.get_by_role("group", name="Selected jobs")
    await bar.get_by_role("button", name="Select all that match").click()
    await bar.get_by_role("button", name="Cancel").click()
    agree = page.get_by_role("dialog").get_by_role("button", name="Cancel 2 jobs")
    await expect(agree).to_be_visible()
    await add(http, node, url=f"{NOBODY}/3", delay=10_000)
    await agree.click()
    await expect(page.get_by_role("status").filter(has_text="Cancelled 2 jobs")).to_be_visible()
    assert (await stats(http, node))["scheduled"] == 1


async def test_what_is_not_shown_any_more_is_not_selected_any_more(pages, node, target, http):
    await failed(http, node, target, 3)
    await paused(http, node, "default")
    page = await opened(pages, node, "state=errors", 3)
    await page.keyboard.press("p")  # so that no poll tells of it
    await page.get_by_role("checkbox", name="Select all shown").click()
    bar = page.get_by_role("group", name="Selected jobs")
    await expect(bar).to_contain_text("3 selected")
    async with http.post(f"{node.url}/jobs/errors/retry?limit=1") as answer:
        assert answer.ok
    await rows(page).nth(0).locator("a").first.focus()
    await page.keyboard.press("n")
    await expect(bar).to_contain_text("2 selected")


async def test_a_key_acts_on_no_row_that_the_focus_has_left(pages, node, target, http):
    await failed(http, node, target, 3)
    await paused(http, node, "default")
    page = await opened(pages, node, "state=errors", 3)
    await page.keyboard.press("j")
    await page.get_by_role("heading", name="Errors", exact=True).click()
    for key in ["r", "j", "r"]:
        await page.keyboard.press(key)
    await expect(rows(page).nth(1)).to_contain_text("now Waiting")
    assert (await stats(http, node))["waiting"] == 1


async def test_a_uid_alone_opens_its_job(pages, node, http):
    uid = await add(http, node, url=f"{NOBODY}/later", delay=3600)
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=errors")
    await ready(page)
    await page.keyboard.press("/")
    await page.keyboard.type(uid)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"job={uid}"))


async def test_a_range_is_selected_with_shift_and_retried(pages, node, target, http):
    await failed(http, node, target, 6)
    await paused(http, node, "default")
    page = await opened(pages, node, "state=errors", 6)
    boxes = rows(page).get_by_role("checkbox")
    await boxes.nth(1).click()
    await boxes.nth(3).click(modifiers=["Shift"])
    bar = page.get_by_role("group", name="Selected jobs")
    await expect(bar).to_contain_text("3 selected")
    await bar.get_by_role("button", name="Retry").click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry 3 jobs").click()
    await expect(rows(page).filter(has_text="now Waiting")).to_have_count(3)
    await expect(bar).to_be_hidden()
    assert (await stats(http, node))["waiting"] == 3


async def test_the_keyboard_alone_moves_selects_and_retries(pages, node, target, http):
    await failed(http, node, target, 4)
    await paused(http, node, "default")
    page = await opened(pages, node, "state=errors", 4)
    for key in ["j", "j", "x", "J"]:
        await page.keyboard.press(key)
    await expect(page.get_by_role("group", name="Selected jobs")).to_contain_text("2 selected")
    await page.keyboard.press("r")
    await page.get_by_role("dialog").get_by_role("button", name="Retry 2 jobs").click()
    await expect(rows(page).filter(has_text="now Waiting")).to_have_count(2)
    await page.keyboard.press("k")
    await page.keyboard.press("k")
    await page.keyboard.press("r")
    await expect(rows(page).filter(has_text="now Waiting")).to_have_count(3)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("job="))


async def test_all_that_match_are_counted_typed_and_deleted(pages, node, target, http):
    await failed(http, node, target, 1_001)
    page = await opened(pages, node, "state=errors", 50)
    await page.get_by_role("checkbox", name="Select all shown").click()
    bar = page.get_by_role("group", name="Selected jobs")
    await expect(bar).to_contain_text("50 selected")
    await bar.get_by_role("button", name="Select all that match").click()
    await expect(bar).to_contain_text("All 1,001 matching")
    await bar.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    agree = dialog.get_by_role("button", name="Delete 1,001 jobs")
    await dialog.get_by_role("textbox").fill("12")
    await agree.click()
    await expect(dialog).to_contain_text("Type 1,001")
    await dialog.get_by_role("textbox").fill("1001")
    await agree.click()
    await expect(page.get_by_role("status").filter(has_text="Deleted 1,001 jobs")).to_be_visible()
    await expect(page.get_by_role("heading", name="No job yet")).to_be_visible()


async def test_all_that_are_scheduled_are_run_at_once(pages, node, http):
    await paused(http, node, "default")
    for n in range(3):
        await add(http, node, url=f"{NOBODY}/{n}", delay=3600)
    page = await opened(pages, node, "state=scheduled", 3)
    await page.get_by_role("checkbox", name="Select all shown").click()
    await page.get_by_role("group", name="Selected jobs").get_by_role("button", name="Run now").click()
    await page.get_by_role("dialog").get_by_role("button", name="Run now 3 jobs").click()
    await expect(rows(page).filter(has_text="now Waiting")).to_have_count(3)


async def test_an_empty_node_shows_the_line_that_adds_a_first_job(pages, node):
    page = await pages.open(f"{node.url}/tasks")
    await ready(page)
    await expect(page.locator("main pre")).to_have_text(f"curl -d url={node.url}/health {node.url}/add")
