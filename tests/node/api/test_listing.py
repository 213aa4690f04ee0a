"""GET /jobs/{state}: every job exactly once, in order, page by page, and narrowed by filters."""

import asyncio
from urllib.parse import quote

import pytest

from .harness import error, paths

URL = "http://a.example/x"
ITEM = {"uid", "state", "kind", "queue", "priority", "method", "url", "meta", "node", "tries", "progress", "error"}
ITEM |= {"key", "held_by"}
ITEM |= {"added_at", "waiting_at", "due_at", "started_at", "ended_at"}


async def _walk(api, state, limit, query="", after=None):
    uids, last = [], after
    for _ in range(50):
        cursor = f"&last_uid={quote(last)}" if last is not None else ""
        page = await api.get(f"/jobs/{state}?limit={limit}{cursor}{query}")
        assert page.keys() == {"jobs", "last_uid", "scanned_to", "partial"}
        assert (page["partial"], page["scanned_to"], len(page["jobs"]) <= limit) == (False, page["last_uid"], True)
        uids += [job["uid"] for job in page["jobs"]]
        last = page["last_uid"]
        if last is None:
            return uids
    raise AssertionError("the walk does not end")


async def _scheduled(api, n, **fields):
    return [await api.add(URL, delay=3_600 + i, **fields) for i in range(n)]


async def _finished(api, url, n):
    uids = [await api.add(url) for _ in range(n)]
    for uid in uids:
        await api.get(f"/job/{uid}/wait")
    return uids


async def _times(api, uids, name):
    return [(await api.get(f"/job/{uid}"))[name] for uid in uids]


async def test_an_item_has_what_a_listing_needs_and_no_more(api):
    await api.add(URL, delay=60, queue="q1", priority=3, method="POST")
    (job,) = (await api.get("/jobs/scheduled"))["jobs"]
    assert job.keys() == ITEM
    assert (job["queue"], job["priority"], job["method"], job["url"]) == ("q1", 3, "POST", URL)


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 100])
async def test_the_scheduled_are_listed_soonest_first_each_exactly_once(api, limit):
    uids = await _scheduled(api, 7)
    assert await _walk(api, "scheduled", limit) == uids


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_the_waiting_are_listed_oldest_first(api, limit):
    await api.ask("POST", "/queues/default/pause")
    uids = [await api.add(URL) for _ in range(5)]
    seen = await _walk(api, "waiting", limit)
    assert sorted(seen) == sorted(uids)
    times = await _times(api, seen, "waiting_at")
    assert times == sorted(times)


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_the_finished_are_listed_newest_first(api, target, limit):
    uids = await _finished(api, f"{target.url}/ok", 5)
    seen = await _walk(api, "completed", limit)
    assert sorted(seen) == sorted(uids)
    times = await _times(api, seen, "ended_at")
    assert times == sorted(times, reverse=True)


async def test_the_running_are_listed_and_are_not_among_the_waiting(api, target):
    uids = [await api.add(f"{target.url}/hang") for _ in range(6)]
    async with asyncio.timeout(5):
        while len(target.jobs) < 4:
            await asyncio.sleep(0.01)
    running, waiting = await _walk(api, "running", 3), await _walk(api, "waiting", 3)
    assert (len(running), sorted([*running, *waiting])) == (4, sorted(uids))
    assert await _walk(api, "runing", 100) == running  # the spelling of the seed


async def test_errors_has_two_names(api, target):
    uids = await _finished(api, f"{target.url}/fail", 2)
    assert sorted(await _walk(api, "error", 1)) == sorted(uids)
    assert await _walk(api, "errors", 1) == await _walk(api, "error", 1)


async def test_a_plain_uid_is_taken_as_the_place_to_go_on_from(api):
    first, second, third = await _scheduled(api, 3)
    page = await api.get(f"/jobs/scheduled?last_uid={second}")
    assert [job["uid"] for job in page["jobs"]] == [third]
    page = await api.get(f"/jobs/scheduled?last_uid={first}&limit=1")
    assert [job["uid"] for job in page["jobs"]] == [second]


async def test_a_uid_that_left_the_state_is_gone_and_an_opaque_position_is_not(api):
    first, second, third = await _scheduled(api, 3)
    position = (await api.get("/jobs/scheduled?limit=2"))["last_uid"]
    await api.ask("POST", f"/job/{second}/cancel")
    assert error(await api.ask("GET", f"/jobs/scheduled?last_uid={second}")) == (404, "cursor-gone")
    page = await api.get(f"/jobs/scheduled?last_uid={quote(position)}")
    assert [job["uid"] for job in page["jobs"]] == [third]
    assert first != third


@pytest.mark.parametrize(
    "position",
    ["x", "~", "1~", "~x", "-1~{}", "1.5~{}", "%D9%A1~{}", "1~{}~{}", "18446744073709551616~{}", "9" * 5_000 + "~{}"],
    ids=range(10),
)
async def test_a_position_that_is_none_is_gone(api, position):
    (uid,) = await _scheduled(api, 1)
    answer = await api.ask("GET", f"/jobs/scheduled?last_uid={position.format(uid, uid)}")
    assert error(answer) == (404, "cursor-gone")


async def test_a_job_that_stays_is_seen_once_while_others_come_and_go(api):
    uids = await _scheduled(api, 6)
    first = await api.get("/jobs/scheduled?limit=3")
    for gone in (uids[0], uids[4]):
        await api.ask("POST", f"/job/{gone}/cancel")
    await api.add(URL, delay=1_000)  # before the position
    late = await api.add(URL, delay=9_000)
    rest = await _walk(api, "scheduled", 2, after=first["last_uid"])
    assert rest == [uids[3], uids[5], late]


# -- filters


async def test_a_listing_is_narrowed_by_queue_and_host(api):
    one = await api.add("http://One.example/", delay=60, queue="q1")
    two = await api.add("http://two.example:81/", delay=61, queue="q2")
    for query, uids in [("queue=q1", [one]), ("queue=none", []), ("host=ONE.example:80", [one])]:
        assert await _walk(api, "scheduled", 1, f"&{query}") == uids
    assert await _walk(api, "scheduled", 100, "&host=two.example:81&queue=q2") == [two]
    assert await _walk(api, "scheduled", 100, "&host=two.example:81&queue=q1") == []


async def test_a_listing_is_narrowed_by_status(api, target):
    (failed,) = await _finished(api, f"{target.url}/fail", 1)
    for status, uids in [("500", [failed]), ("5xx", [failed]), ("404,500", [failed]), ("404", []), ("2xx", [])]:
        assert await _walk(api, "errors", 100, f"&status={status}") == uids


@pytest.mark.parametrize(("state", "name"), [("scheduled", "due_at"), ("cancelled", "ended_at")])
async def test_a_listing_is_narrowed_by_time_from_since_up_to_until(api, state, name):
    uids = await _scheduled(api, 3)
    if state == "cancelled":
        for uid in uids:
            await api.ask("POST", f"/job/{uid}/cancel")
            await asyncio.sleep(0.005)
        uids.reverse()
    times = dict(zip(uids, await _times(api, uids, name), strict=True))
    middle = times[uids[1]]
    since, until = await _walk(api, state, 1, f"&since={middle}"), await _walk(api, state, 1, f"&until={middle}")
    assert sorted(since) == sorted(uid for uid in uids if times[uid] >= middle)
    assert sorted(until) == sorted(uid for uid in uids if times[uid] < middle)
    assert await _walk(api, state, 1, f"&since={middle}&until={middle}") == []


async def test_a_filter_that_matches_few_reaches_them_all(api):
    wanted = []
    for i in range(8):
        uid = await api.add(URL, delay=3_600 + i, queue="rare" if i in (3, 7) else "common")
        wanted += [uid] if i in (3, 7) else []
    assert await _walk(api, "scheduled", 1, "&queue=rare") == wanted


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", ["limit"]),
        ("limit=101", ["limit"]),
        ("limit=-1", ["limit"]),
        ("limit=x", ["limit"]),
        ("limit=", ["limit"]),
        ("limit=1.5", ["limit"]),
        ("limit=%D9%A1", ["limit"]),
        ("limit=" + "9" * 5_000, ["limit"]),
        ("status=x", ["status"]),
        ("since=x", ["since"]),
        ("until=2026-11-24", ["until"]),
        ("since=2026-11-24T23:13:32", ["since"]),
        ("colour=red", ["colour"]),
        ("keys=x&meta.a=1&errors=x", ["errors", "keys"]),
        ("queue=a&queue=b", ["queue"]),
        ("limit=0&status=x&since=x&until=x&colour=red", ["colour", "limit", "since", "status", "until"]),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
async def test_every_bad_filter_is_named_at_once(api, query, named):
    assert paths(await api.ask("GET", f"/jobs/waiting?{query}")) == named


@pytest.mark.parametrize("state", ["", "nothing", "Waiting", "%00", "waiting/"])
async def test_a_listing_that_is_none_is_not_found(api, state):
    assert error(await api.ask("GET", f"/jobs/{state}")) == (404, "not-found")


async def test_listings_are_narrowed_by_members_of_meta(api):
    metas = [{"shop": "a b", "n": 7}, {"shop": "a b", "n": 7.5}, {"shop": None, "ok": True}, {"shop": {"x": 1}}]
    uids = [await api.add(URL, delay=60 + n, meta=meta) for n, meta in enumerate(metas)]
    for query, found in [
        ("meta.shop=a+b", uids[:2]),
        ("meta.shop=a+b&meta.n=7.5", uids[1:2]),
        ("meta.shop=null", uids[2:3]),
        ("meta.ok=true", uids[2:3]),
        ("meta.shop.x=1", []),
        ("meta.other=", []),
    ]:
        page = await api.get(f"/jobs/scheduled?{query}")
        assert [job["uid"] for job in page["jobs"]] == found, query
    done = await api.ask("POST", "/jobs/scheduled/cancel", data={"meta.n": "7"})
    assert (done.body["done"], (await api.get("/jobs/cancelled?meta.n=7"))["jobs"][0]["uid"]) == (1, uids[0])


@pytest.mark.parametrize("query", ["meta=x", "meta.=x", "meta", "queue.x=1", "meta.x=1&meta.x=2"])
async def test_a_filter_of_meta_names_one_member_once(api, query):
    answer = await api.ask("GET", f"/jobs/scheduled?{query}")
    assert paths(answer) == [query.split("=")[0]]


async def test_the_prefix_is_taken_only_where_it_is_declared(api):
    for path in ("/stats", "/queues/default/pause", "/job/x/wait"):
        method = "POST" if path.endswith("pause") else "GET"
        assert paths(await api.ask(method, f"{path}?meta.x=1")) == ["meta.x"]


async def test_no_job_has_a_key_that_was_not_given(api):
    await api.add(URL, delay=60)
    assert (await api.get("/jobs/scheduled?key=x"))["jobs"] == []


@pytest.mark.parametrize("partial", ["true", "false"])
async def test_a_page_of_a_lone_node_is_never_partial(api, partial):
    assert (await api.get(f"/jobs/waiting?partial={partial}"))["partial"] is False
