"""The panel of one job: what it tells in each state, what can be done there, where the focus goes."""

import asyncio
import json
import re

import pytest
from playwright.async_api import Page, expect

from ..e2e.processes import add, job, say, until
from .looking import axe, overflow, picture, ready

# what is true of a job in each state: a part of what its picture says, what can be done with it
STATES = {
    "waiting": ("The job is waiting", ["Change", "Cancel"]),
    "scheduled": ("The job is scheduled.*Scheduled due", ["Run now", "Change", "Cancel"]),
    "running": ("The job is running.*Running since", ["Cancel"]),
    "handed off": ("The job is handed off.*Handed off lease until", ["Cancel"]),
    "completed": ("The job is completed.*Completed at", ["Retry", "Retry with changes", "Delete"]),
    "error": ("The job is in error.*Error at", ["Retry", "Retry with changes", "Delete"]),
    "cancelled": ("The job is cancelled.*Cancelled at", ["Retry", "Retry with changes", "Delete"]),
}
ALWAYS = ["Copy as curl", "Copy the add"]


async def act(http, node, path: str) -> None:
    async with http.post(f"{node.url}/{path}") as answer:
        assert answer.status == 200, await answer.text()


async def pause(http, node, queue: str) -> None:
    async with http.put(f"{node.url}/queues/{queue}", json={}) as answer:
        assert answer.status == 201, await answer.text()
    await act(http, node, f"queues/{queue}/pause")


async def one_of_each(http, node, target) -> dict[str, str]:
    """Have a job in each state; returns their uids."""
    await pause(http, node, "slow")
    uids = {
        "waiting": await add(http, node, url=f"{target.url}/ok", queue="slow"),
        "scheduled": await add(http, node, url=f"{target.url}/ok", delay=3600),
        "handed off": await add(http, node, url=f"{target.url}/accept"),
        "completed": await add(http, node, url=f"{target.url}/ok", method="POST", body={"order": 7}, meta={"shop": 3}),
        "error": await add(http, node, url=f"{target.url}/ok", success="418"),
        "cancelled": await add(http, node, url=f"{target.url}/ok", delay=3600),
        "running": await add(http, node, url=f"{target.url}/hang"),
    }
    await act(http, node, f"job/{uids['cancelled']}/cancel")
    await until(http, node, waiting=1, scheduled=1, running=2, completed=1, error=1, cancelled=1)
    async with asyncio.timeout(20):
        while (await job(http, node, uids["handed off"]))["lease_until"] is None:
            await asyncio.sleep(0.02)
    return uids


def panel(page: Page):
    return page.get_by_role("complementary", name="Job")


async def open_job(pages, node, uid: str, width: int = 1440, theme: str = "light") -> Page:
    page = await pages.open(f"{node.url}/tasks?job={uid}", width, theme)
    await shows(page, uid)
    return page


async def shows(page: Page, uid: str) -> None:
    """Wait until the panel shows a job."""
    await expect(panel(page).locator(".job-uid")).to_contain_text(uid)
    await expect(panel(page).get_by_role("button", name="Copy as curl")).to_be_visible()


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (768, "light"), (1440, "light"), (1440, "dark")])
async def test_the_panel_of_each_state_bars_nobody_fits_and_says_what_can_be_done(
    pages, node, target, http, width, theme
):
    uids = await one_of_each(http, node, target)
    page = await pages.open(f"{node.url}/tasks", width, theme)
    await ready(page)
    for state, (told, verbs) in STATES.items():
        await page.goto(f"{node.url}/tasks?job={uids[state]}")
        await shows(page, uids[state])
        await expect(panel(page).get_by_role("img", name=re.compile(told))).to_be_visible()
        buttons = panel(page).get_by_role("group", name="What can be done").get_by_role("button")
        await expect(buttons).to_have_text([*verbs, *ALWAYS])
        assert await axe(page) == []
        assert await overflow(page) <= 0
        await picture(page, f"job-{state.replace(' ', '-')}")


async def test_focus_goes_into_the_panel_and_back_to_the_row(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    page = await pages.open(f"{node.url}/tasks?view=jobs&state=completed")
    row = page.locator("main").get_by_role("link", name=f"{target.url}/ok")
    await row.focus()
    await page.keyboard.press("Enter")
    await shows(page, uid)
    await expect(panel(page).get_by_role("heading", level=2)).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(panel(page)).to_be_hidden()
    await expect(row).to_be_focused()
    assert "job=" not in page.url


async def test_a_job_that_is_not_there_is_said_not_to_be(pages, node):
    page = await pages.open(f"{node.url}/tasks?job=nothing")
    await expect(panel(page).get_by_role("heading", name="There is no such job")).to_be_visible()
    assert await axe(page) == []
    await page.keyboard.press("Escape")
    await expect(panel(page)).to_be_hidden()
    pages.expect("404")


async def test_a_job_that_waits_says_why_with_the_way_to_what_holds_it(pages, node, target, http):
    await pause(http, node, "slow")
    uid = await add(http, node, url=f"{target.url}/ok", queue="slow")
    page = await open_job(pages, node, uid)
    why = panel(page).get_by_role("region").or_(panel(page).locator("section")).filter(has_text="Why it waits")
    await expect(why).to_contain_text("Its queue slow is paused")
    await why.get_by_role("link", name="slow").click()
    await expect(panel(page)).to_be_hidden()
    assert "q=queue" in page.url
    await expect(page.locator("main").get_by_role("link", name=f"{target.url}/ok")).to_be_visible()


async def test_a_job_behind_a_limit_leads_to_the_limit_and_to_the_job_that_holds_it(pages, node, target, http):
    limit = {"key": "shop", "concurrency": 1}
    holder = await add(http, node, url=f"{target.url}/hang", limit=limit)
    await target.called(1)
    uid = await add(http, node, url=f"{target.url}/ok", limit=limit)
    page = await open_job(pages, node, uid)
    why = panel(page).locator("section").filter(has_text="Why it waits")
    await expect(why.get_by_role("link", name="shop")).to_have_attribute("href", "/tasks?view=limits&key=shop")
    await why.get_by_role("link", name=holder).click()
    await shows(page, holder)


async def test_the_panel_follows_a_job_as_it_ends(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/accept")
    await target.called(1)
    page = await open_job(pages, node, uid)
    assert await say(http, node, target, uid, "heartbeat", percent=40, note="frame 7") == 200
    await expect(panel(page).locator(".facts")).to_contain_text("40%: frame 7")
    assert await say(http, node, target, uid, "complete", result={"frames": 12345678901234567890}) == 200
    await expect(panel(page).locator(".job-state")).to_have_text("Completed")
    answer = panel(page).get_by_role("group", name="Body of the response")
    await expect(answer).to_contain_text('"frames": 12345678901234567890')


async def test_verbs_do_what_they_say(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok", delay=3600)
    page = await open_job(pages, node, uid)
    button = panel(page).get_by_role("button", name="Cancel", exact=True)
    await button.click()
    await expect(panel(page).locator(".job-state")).to_have_text("Cancelled")
    await panel(page).get_by_role("button", name="Retry", exact=True).click()
    await until(http, node, completed=1)
    await expect(panel(page).locator(".job-state")).to_have_text("Completed")
    await panel(page).get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Leave it").click()
    await panel(page).get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete this job").click()
    await expect(panel(page)).to_be_hidden()
    await until(http, node, completed=0)


async def test_run_now_calls_what_was_for_later(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok", delay=3600)
    page = await open_job(pages, node, uid)
    await panel(page).get_by_role("button", name="Run now").click()
    await expect(panel(page).locator(".job-state")).to_have_text("Completed")


async def test_secrets_are_masked_until_somebody_asks(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok?token=hunter2", headers={"Authorization": "Bearer hunter3"})
    await until(http, node, completed=1)
    page = await open_job(pages, node, uid)
    await expect(panel(page)).to_contain_text("Secrets are masked")
    assert "hunter" not in await panel(page).inner_text()
    await panel(page).get_by_role("button", name="Show secrets").click()
    await expect(panel(page)).to_contain_text("Bearer hunter3")
    await expect(panel(page)).to_contain_text("token=hunter2")
    await panel(page).get_by_role("button", name="Mask secrets").click()
    await expect(panel(page)).not_to_contain_text("hunter")
    assert node.events("revealed")


async def test_secrets_that_are_shown_do_not_keep_the_panel_from_going_on(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/accept", headers={"Authorization": "Bearer hunter2"})
    await target.called(1)
    page = await open_job(pages, node, uid)
    await panel(page).get_by_role("button", name="Show secrets").click()
    await expect(panel(page)).to_contain_text("Bearer hunter2")
    assert await say(http, node, target, uid, "complete") == 200
    await expect(panel(page).get_by_role("img", name=re.compile("The job is completed"))).to_be_visible()
    await expect(panel(page)).not_to_contain_text("hunter2")


async def test_who_may_only_look_is_told_so_at_each_button(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    await node.kill()
    await node.start("--tokens=eye:read:0123456789abcdef0123456789abcdef")
    page = await pages.open(f"{node.url}/health")
    pages.expect("favicon.ico")  # which the browser asks for by itself, with the token or before
    await page.context.set_extra_http_headers({"Authorization": "Bearer 0123456789abcdef0123456789abcdef"})
    await page.goto(f"{node.url}/tasks?job={uid}")
    await shows(page, uid)
    for name in ("Retry", "Retry with changes", "Delete"):
        button = panel(page).get_by_role("button", name=name, exact=True)
        await expect(button).to_have_attribute("aria-disabled", "true")
        await expect(button).to_have_attribute("title", re.compile("Your role is read"))
    await panel(page).get_by_role("button", name="Retry", exact=True).click(force=True)
    await expect(page.get_by_role("status").filter(has_text="Your role is read")).to_be_visible()
    await expect(panel(page).locator(".job-state")).to_have_text("Completed")


async def test_calls_stay_open_and_text_stays_selected_over_polls(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok", success="418", max_attempts=5, backoff=[0.01, 3600])
    await until(http, node, scheduled=1)
    page = await open_job(pages, node, uid)
    calls = panel(page).locator(".attempts details")
    await expect(calls).to_have_count(2)
    await calls.nth(1).locator("summary").click()
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('.attempts [open] pre'))")
    await act(http, node, f"job/{uid}/run")
    await expect(calls).to_have_count(3)
    assert await page.evaluate("String(getSelection())") == "ok"
    await expect(calls.nth(2)).to_have_attribute("open", "")


async def test_json_is_laid_out_and_bytes_are_told_by_their_size(pages, node, target, http):
    laid_out = await add(http, node, url=f"{target.url}/ok", method="POST", body={"n": 12345678901234567890})
    raw = await add(http, node, url=f"{target.url}/ok", method="POST", body_base64="AP8=")
    await until(http, node, completed=2)
    page = await open_job(pages, node, laid_out)
    body = panel(page).get_by_role("group", name="Body of the request")
    await expect(body).to_have_text(json.dumps({"n": 12345678901234567890}, indent=2))
    await page.goto(f"{node.url}/tasks?job={raw}")
    await expect(panel(page)).to_contain_text("Bytes, 2 B, as base64")
    await expect(body).to_have_text("AP8=")
