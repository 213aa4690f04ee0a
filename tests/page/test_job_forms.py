"""The form of a job: adding one, changing one, one more with changes; every broken rule at its field."""

import json

import pytest
from playwright.async_api import Page, expect

from ..e2e.processes import add, job, until
from .looking import axe, overflow, picture, ready
from .test_job_panel import open_job, panel, shows


async def broken(page: Page, label: str, rule: str) -> None:
    """Wait until a field is said to break a rule, by its control and to be read."""
    control = page.get_by_label(label, exact=True)
    await expect(control).to_have_attribute("aria-invalid", "true")
    ids = (await control.get_attribute("aria-describedby")).split()
    said = " ".join([await page.locator(f"[id='{id_}']").inner_text() for id_ in ids])
    assert rule in said.lower()


async def test_one_more_job_is_added_with_changes_and_the_old_one_stays(pages, node, target, http):
    uid = await add(
        http,
        node,
        url=f"{target.url}/ok",
        success="418",
        method="POST",
        body={"n": 12345678901234567890},
        queue="mail",
        idempotency_key="once",
        delay=0.01,
        meta={"shop": 7},
    )
    await until(http, node, error=1)
    page = await open_job(pages, node, uid)
    await panel(page).get_by_role("button", name="Retry with changes").click()
    await expect(page.get_by_label("URL", exact=True)).to_be_focused()
    await page.get_by_label("Success").fill("200")
    await panel(page).get_by_role("button", name="Add as a new job").click()
    await until(http, node, completed=1, error=1)
    await expect(page.get_by_role("link", name="The one before")).to_have_attribute(
        "href", f"/tasks?view=jobs&job={uid}"
    )
    new = page.url.rpartition("job=")[2]
    await shows(page, new)
    added, old = await job(http, node, new), await job(http, node, uid)
    assert (added["body"], added["queue"], added["meta"]) == (old["body"], "mail", {"shop": 7})
    assert (added["idempotency_key"], added["delay"], added["success"]) == (None, None, "200")
    assert uid not in json.dumps(added)


@pytest.mark.parametrize("body", [{}, [], False, "", "one\r\ntwo\n", " { "])
async def test_a_body_that_nobody_changed_goes_on_as_it_is(pages, node, target, http, body):
    uid = await add(http, node, url=f"{target.url}/ok", method="POST", body=body, queue="old")
    await until(http, node, completed=1)
    page = await open_job(pages, node, uid)
    await panel(page).get_by_role("button", name="Retry with changes").click()
    await page.get_by_label("Queue").fill("new")
    await panel(page).get_by_role("button", name="Add as a new job").click()
    await expect(page.get_by_role("link", name="The one before")).to_be_visible()
    new = await job(http, node, page.url.rpartition("job=")[2])
    assert (new["queue"], new["body"]) == ("new", body)


async def test_a_change_touches_only_what_was_changed(pages, node, target, http):
    fields = {
        "url": f"{target.url}/ok?token=hunter2",
        "method": "POST",
        "headers": {"Authorization": "Bearer hunter3", "X-Shop": "7"},
        "body": "as it is\n",
        "delay": 3600,
        "backoff": [1, 2],
        "key": "shop",
    }
    uid = await add(http, node, **fields)
    page = await open_job(pages, node, uid)
    await panel(page).get_by_role("button", name="Change").click()
    await expect(page.get_by_label("Idempotency key")).to_have_count(0)
    await page.get_by_label("Queue").fill("later")
    await page.get_by_label("Backoff").fill("")
    await panel(page).get_by_role("button", name="Change it").click()
    await expect(page.get_by_role("status").filter(has_text="Changed: queue, backoff")).to_be_visible()
    async with http.get(f"{node.url}/job/{uid}?reveal=1") as answer:
        changed = await answer.json()
    assert {name: changed[name] for name in fields} == {**fields, "backoff": changed["backoff"]}
    assert changed["queue"] == "later"
    assert changed["backoff"]["initial"] == 1


async def test_secrets_can_be_filled_in_for_one_more_job(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok", headers={"Authorization": "Bearer hunter2"})
    await until(http, node, completed=1)
    page = await open_job(pages, node, uid)
    await panel(page).get_by_role("button", name="Retry with changes").click()
    await panel(page).get_by_role("button", name="Add as a new job").click()
    await expect(panel(page).locator(".header-row .field-error")).to_contain_text("give the secret itself")
    await panel(page).get_by_role("button", name="Fill in secrets").click()
    await expect(page.get_by_label("Value of the header")).to_have_value("Bearer hunter2")
    await panel(page).get_by_role("button", name="Add as a new job").click()
    await until(http, node, completed=2)
    pages.expect("422")


async def test_escape_leaves_the_form_first_and_asks_where_something_was_changed(pages, node, target, http):
    uid = await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    page = await open_job(pages, node, uid)
    await panel(page).get_by_role("button", name="Retry with changes").click()
    await page.get_by_label("Queue").fill("other")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Drop the changes").click()
    await expect(panel(page).get_by_role("button", name="Copy as curl")).to_be_visible()
    assert "job=" in page.url
    await page.keyboard.press("Escape")
    await expect(panel(page)).to_be_hidden()


async def test_every_broken_rule_stands_at_its_field(pages, node):
    page = await pages.open(f"{node.url}/tasks?view=add")
    await ready(page, "Add a job")
    await page.get_by_label("URL", exact=True).fill("ftp://example")
    await page.get_by_label("Tries", exact=True).fill("many")
    await page.get_by_role("button", name="Add a header").click()
    await page.get_by_label("Name of the header").fill("Host")
    await page.get_by_text("More", exact=True).click()
    await page.get_by_label("Priority").fill("1000")
    await page.get_by_label("Calls at once").fill("0")
    await page.get_by_label("Callback").fill('{"on": ["whenever"]}')
    await page.get_by_role("button", name="Add the job").click()
    await broken(page, "URL", "http")
    await broken(page, "Tries", "an integer from 1 to 1000")
    await broken(page, "Priority", "an integer from -100 to 100")
    await broken(page, "Calls at once", "an integer from 1 to 1,000,000")
    await expect(page.locator(".header-row .field-error")).to_have_text("TaskPusher sets this header itself")
    await broken(page, "Callback", "missing")
    await expect(page.get_by_label("URL", exact=True)).to_be_focused()
    pages.expect("422")


@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (768, "dark"), (1440, "light")])
async def test_the_form_bars_nobody_and_fits(pages, node, width, theme):
    page = await pages.open(f"{node.url}/tasks?view=add", width, theme)
    await ready(page, "Add a job")
    await page.get_by_role("button", name="Add a header").click()
    await page.get_by_text("More", exact=True).click()
    await page.get_by_role("button", name="Add the job").click()
    await broken(page, "URL", "missing")
    assert await axe(page) == []
    assert await overflow(page) <= 0
    await picture(page, "add")
    pages.expect("422")


async def test_a_job_is_added_by_keyboard_and_the_notice_leads_to_it(pages, node, target, http):
    page = await pages.open(f"{node.url}/tasks?view=add")
    await ready(page, "Add a job")
    await page.get_by_label("Body", exact=True).fill('{"order": 12345678901234567890')
    await expect(page.locator("#field-body-error")).to_contain_text("no JSON")
    await page.get_by_label("Body", exact=True).fill('{"order": 12345678901234567890}')
    await expect(page.locator("#field-body-error")).to_be_empty()
    await page.get_by_label("URL", exact=True).fill(f"{target.url}/ok")
    await page.get_by_label("Method").fill("POST")
    await expect(page.get_by_role("group", name="The same by curl")).to_contain_text(
        '"body":{"order":12345678901234567890}'
    )
    await page.get_by_label("URL", exact=True).press("Enter")
    await until(http, node, completed=1)
    link = page.get_by_role("status").get_by_role("link", name="Show it")
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(panel(page).locator(".job-state")).to_have_text("Completed")
    await expect(panel(page).get_by_role("group", name="Body of the request")).to_contain_text("12345678901234567890")
