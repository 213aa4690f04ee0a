"""Queues on the page: paused, resumed, their settings changed, declared and deleted."""

from playwright.async_api import Page, expect

from ..e2e.processes import NodeProcess, add, until

BROKEN = {"Time to live": "seconds above 0", "Headers": "Host: TaskPusher sets", "Backoff": "an object of"}


def row(page: Page, name: str):
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


async def settings(http, node: NodeProcess, name: str) -> dict:
    async with http.get(f"{node.url}/queues/{name}") as answer:
        return await answer.json()


async def test_a_queue_is_paused_and_goes_on(pages, node, target, http):
    await http.put(f"{node.url}/queues/mail")
    page = await pages.open(f"{node.url}/tasks?view=queues")
    await row(page, "mail").get_by_role("button", name="Pause").click()
    await page.get_by_label("Minutes").fill("")
    await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(row(page, "mail")).to_contain_text("until it is resumed")
    await add(http, node, url=f"{target.url}/ok", queue="mail")
    await expect(row(page, "mail").get_by_role("link", name="1", exact=True)).to_have_attribute(
        "href", "/tasks?view=jobs&state=waiting&q=queue%3Amail"
    )
    await row(page, "mail").get_by_role("button", name="Resume").click()
    await until(http, node, completed=1)
    await expect(row(page, "mail").get_by_role("button", name="Pause")).to_be_visible()


async def test_every_rule_that_is_broken_is_said_at_its_field(pages, node, http):
    pages.expect("status of 422")
    await http.put(f"{node.url}/queues/mail", json={"concurrency": 3})
    page = await pages.open(f"{node.url}/tasks?view=queues")
    await row(page, "mail").get_by_role("button", name="Settings").click()
    await page.get_by_label("Time to live").fill("-4")
    await page.get_by_label("Headers").fill("Host: example.com")
    await page.get_by_label("Backoff").fill("soon")
    await page.get_by_role("button", name="Save").click()
    for field, rule in {
        "Time to live": "seconds above 0",
        "Headers": "Host: TaskPusher sets",
        "Backoff": "an object of",
    }.items():
        control = page.get_by_label(field)
        await expect(control).to_have_attribute("aria-invalid", "true")
        await expect(page.locator(f"[id='{await control.get_attribute('id')}-error']")).to_contain_text(rule)
    await page.get_by_label("Time to live").fill("60")
    await page.get_by_label("Headers").fill("Accept: text/plain")
    await page.get_by_label("Backoff").fill("[1, 60]")
    await page.get_by_role("button", name="Save").click()
    await expect(row(page, "mail")).to_contain_text("3 at once · defaults: ttl, backoff, headers")
    assert (await settings(http, node, "mail"))["defaults"] == {
        "headers": {"Accept": "text/plain"},
        "backoff": [1, 60],
        "ttl": 60,
    }


async def test_settings_that_somebody_else_changed_meanwhile_are_not_overwritten(pages, node, http):
    pages.expect("status of 409")
    await http.put(f"{node.url}/queues/mail", json={"concurrency": 3})
    page = await pages.open(f"{node.url}/tasks?view=queues")
    await row(page, "mail").get_by_role("button", name="Settings").click()
    await http.put(f"{node.url}/queues/mail", json={"concurrency": 5})
    await page.get_by_label("Calls at once").fill("9")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("its version is 2, not 1")
    assert (await settings(http, node, "mail"))["concurrency"] == 5


async def test_a_secret_that_is_not_shown_is_not_overwritten_by_what_stands_for_it(pages, node, http):
    await http.put(f"{node.url}/queues/mail", json={"defaults": {"headers": {"Authorization": "Bearer x"}}})
    page = await pages.open(f"{node.url}/tasks?view=queues")
    await row(page, "mail").get_by_role("button", name="Settings").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("Headers")).to_have_attribute("aria-invalid", "true")
    assert (await settings(http, node, "mail"))["version"] == 1


async def test_a_queue_is_declared_and_deleted_while_it_is_empty(pages, node, target, http):
    page = await pages.open(f"{node.url}/tasks?view=queues")
    await page.get_by_role("button", name="Declare a queue").click()
    await page.get_by_role("button", name="Declare", exact=True).click()
    await expect(page.get_by_label("Name")).to_have_accessible_description("needed letters, digits, _ . -")
    await page.get_by_label("Name").fill("mail")
    await page.get_by_label("Calls begun").fill("10")
    await page.get_by_label("in so many seconds").fill("60")
    await page.get_by_role("button", name="Declare", exact=True).click()
    await expect(row(page, "mail")).to_contain_text("10 in 60 s")
    await expect(row(page, "default").get_by_role("button", name="Delete")).to_have_count(0)
    await row(page, "mail").get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete queue mail").click()
    await expect(row(page, "mail")).to_have_count(0)
