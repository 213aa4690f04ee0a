"""Limit keys on the page: looked up, pinned, and left to adds again."""

from playwright.async_api import expect

from ..e2e.processes import add, until

LIMIT = {"key": "customer 7/x", "concurrency": 1}
PATH = "limits/customer%207%2Fx"


async def test_a_key_is_pinned_and_left_to_adds_again(pages, node, target, http):
    for _ in range(3):
        await add(http, node, url=f"{target.url}/hang", limit=LIMIT)
    await until(http, node, running=1, waiting=2)
    page = await pages.open(f"{node.url}/tasks?view=limits")
    row = page.get_by_role("row").filter(has_text="customer 7/x")
    await expect(row).to_contain_text("1 of 1")
    await row.get_by_role("button", name="Pin").click()
    await page.get_by_label("Calls at once").fill("2")
    await page.get_by_role("dialog").get_by_role("button", name="Pin").click()
    await expect(row).to_contain_text("Pinned")
    await expect(row).to_contain_text("2 of 2")
    await row.get_by_role("button", name="Unpin").click()
    await expect(row).not_to_contain_text("Pinned")
    async with http.get(f"{node.url}/{PATH}") as answer:
        assert (await answer.json())["pinned"] is False


async def test_a_key_without_jobs_is_pinned_and_its_numbers_keep_their_rules(pages, node, http):
    pages.expect("status of 422")
    page = await pages.open(f"{node.url}/tasks?view=limits")
    await expect(page.get_by_text("No limit key has jobs")).to_be_visible()
    await page.get_by_role("button", name="Pin a key").click()
    await page.get_by_label("Key", exact=True).fill("customer-8")
    await page.get_by_label("Calls at once").fill("none")
    await page.get_by_label("Calls begun").fill("0")
    await page.get_by_role("dialog").get_by_role("button", name="Pin").click()
    for field in ("Calls at once", "Calls begun"):
        await expect(page.get_by_label(field)).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Calls at once").fill("")
    await page.get_by_label("Calls begun").fill("2")
    await page.get_by_role("dialog").get_by_role("button", name="Pin").click()
    await expect(page.get_by_role("row").filter(has_text="customer-8")).to_contain_text("2 a second")


async def test_a_key_is_looked_up_and_the_url_says_which(pages, node, http):
    pages.expect("status of 404")
    for key in ("customer-1", "customer-2"):
        await http.put(f"{node.url}/limits/{key}", json={"concurrency": 1})
    page = await pages.open(f"{node.url}/tasks?view=limits")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_label("Look up a key").fill("customer-2")
    await page.get_by_role("button", name="Look up").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.wait_for_url("**key=customer-2")
    await page.get_by_label("Look up a key").fill("customer-3")
    await page.get_by_role("button", name="Look up").click()
    await expect(page.get_by_text("customer-3 has no jobs, and is not pinned")).to_be_visible()
    await page.get_by_role("link", name="All keys").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
