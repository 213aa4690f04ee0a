"""GET /jobs/{state} on a router: the jobs of all nodes in one order, each exactly once, and who is missing told."""

from urllib.parse import quote

import pytest

from ...node.api.harness import error, paths
from .harness import Cluster, Router

URL = "http://a.example/x"
NAMES = ("n1", "n2", "n3")


async def walk(api, state, limit, query="", after=None):
    """Return the uids of a walk, and who was missing on any page."""
    uids, missing, last = [], set(), after
    for _ in range(100):
        cursor = f"&last_uid={quote(last)}" if last is not None else ""
        page = await api.get(f"/jobs/{state}?limit={limit}{cursor}{query}")
        assert page.keys() == {"jobs", "last_uid", "scanned_to", "partial", "missing"}
        assert (page["scanned_to"], len(page["jobs"]) <= limit) == (page["last_uid"], True)
        assert page["partial"] is bool(page["missing"])
        uids += [job["uid"] for job in page["jobs"]]
        missing |= set(page["missing"])
        last = page["last_uid"]
        if last is None:
            return uids, missing
    raise AssertionError("the walk does not end")


async def scheduled(cluster, n, names=NAMES, **fields):
    """Add jobs, each due after the one before, to one node after the other; returns their uids."""
    return [await cluster[names[i % len(names)]].add(URL, delay=3_600 + i, **fields) for i in range(n)]


async def finished(cluster, url, n):
    """Let jobs end one after the other, each on another node; returns their uids."""
    uids = []
    for i in range(n):
        node = cluster[NAMES[i % 3]]
        uids.append(await node.add(url))
        await node.get(f"/job/{uids[-1]}/wait")
    return uids


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_the_scheduled_of_all_nodes_are_listed_soonest_first_each_exactly_once(cluster, limit):
    uids = await scheduled(cluster, 11)
    assert await walk(cluster.router, "scheduled", limit) == (uids, set())


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_the_finished_are_listed_latest_first_by_either_name_of_the_state(cluster, target, limit):
    await finished(cluster, f"{target.url}/fail", 7)
    ended = {}
    for name in NAMES:
        ended |= {job["uid"]: job["ended_at"] for job in (await cluster[name].get("/jobs/error"))["jobs"]}
    latest_first = sorted(ended, key=lambda uid: (ended[uid], uid), reverse=True)
    assert await walk(cluster.router, "errors", limit) == (latest_first, set())


async def test_a_page_is_full_although_one_node_has_all_of_its_jobs(cluster):
    uids = await scheduled(cluster, 40, names=("n2",))
    await scheduled(cluster, 1, names=("n1",), key="later")
    page = await cluster.router.get("/jobs/scheduled?limit=40")
    assert len(page["jobs"]) == 40
    assert set(uids) >= {job["uid"] for job in page["jobs"][2:]}


async def test_items_go_through_to_the_letter(cluster):
    uid = await cluster["n1"].add(URL, delay=60, meta={"é": 1.50, "a": [None]}, queue="q1")
    asked = "/jobs/scheduled?queue=q1&meta.%C3%A9=1.5"
    of_node, of_router = await cluster["n1"].get(asked), await cluster.router.get(asked)
    assert [job["uid"] for job in of_router["jobs"]] == [uid]
    assert of_router["jobs"] == of_node["jobs"]


async def test_filters_hold_on_every_node(cluster):
    uids = await scheduled(cluster, 9, queue="q1")
    await scheduled(cluster, 9, queue="q2")
    assert await walk(cluster.router, "scheduled", 2, "&queue=q1") == (uids, set())


async def test_a_filtered_walk_goes_on_where_each_node_has_looked_at_as_much_as_it_does_at_once(tmp_path):
    async with Cluster(tmp_path, node={"scan_limit": 5}) as cluster:
        await scheduled(cluster, 40, queue="q1")
        uids = await scheduled(cluster, 3, queue="q2")
        assert await walk(cluster.router, "scheduled", 10, "&queue=q2") == (uids, set())


async def test_a_walk_goes_on_behind_a_uid_and_says_when_it_has_left_the_state(cluster):
    uids = await scheduled(cluster, 5)
    assert (await walk(cluster.router, "scheduled", 2, after=uids[1]))[0] == uids[2:]
    await cluster[NAMES[1]].ask("POST", f"/job/{uids[1]}/cancel")
    answer = await cluster.router.ask("GET", f"/jobs/scheduled?last_uid={uids[1]}")
    assert error(answer) == (404, "cursor-gone")


@pytest.mark.parametrize("last_uid", ["nonsense", "1~x", "019318c29d3e7000800000000000000a-n9"])
async def test_a_position_that_is_none_is_gone(cluster, last_uid):
    assert error(await cluster.router.ask("GET", f"/jobs/waiting?last_uid={last_uid}")) == (404, "cursor-gone")


async def test_what_is_wrong_with_a_request_is_named_by_the_nodes_all_at_once(cluster):
    answer = await cluster.router.ask("GET", "/jobs/waiting?limit=0&since=yesterday&foo=1&key=a&key=b")
    assert paths(answer) == ["foo", "key", "limit", "since"]
    assert paths(await cluster.router.ask("GET", "/jobs/waiting?limit=5&limit=6")) == ["limit"]
    assert paths(await cluster.router.ask("GET", "/jobs/waiting?partial=maybe")) == ["partial"]
    assert error(await cluster.router.ask("GET", "/jobs/nowhere")) == (404, "not-found")


async def test_a_node_that_is_down_is_named_and_the_others_are_listed(cluster):
    uids = await scheduled(cluster, 9)
    await cluster.down("n2")
    seen, missing = await walk(cluster.router, "scheduled", 2)
    assert (seen, missing) == ([uid for uid in uids if not uid.endswith("-n2")], {"n2"})
    answer = await cluster.router.ask("GET", "/jobs/scheduled?partial=false")
    assert (error(answer), "n2" in answer.body["detail"]) == ((503, "owner-down"), True)
    assert int(answer.headers["Retry-After"]) > 0
    await cluster.back("n2")
    assert await walk(cluster.router, "scheduled", 2, "&partial=false") == (uids, set())


async def test_a_uid_of_a_node_that_is_down_is_not_gone(cluster):
    uids = await scheduled(cluster, 3)
    await cluster.down("n2")
    assert error(await cluster.router.ask("GET", f"/jobs/scheduled?last_uid={uids[1]}")) == (503, "owner-down")


async def test_where_no_node_answers_there_is_no_page(cluster):
    for name in NAMES:
        await cluster[name].stop()
    assert error(await cluster.router.ask("GET", "/jobs/scheduled")) == (502, "nodes-down")


async def test_a_node_that_hangs_is_waited_for_until_the_deadline_and_named(tmp_path):
    async with Cluster(tmp_path, processes=("n3",), list_timeout=2.0, health_every=60.0) as cluster:
        uids = await scheduled(cluster, 6)
        cluster["n3"].freeze()
        page = await cluster.router.get("/jobs/scheduled")
        assert page["missing"] == ["n3"]
        assert [job["uid"] for job in page["jobs"]] == [uid for uid in uids if not uid.endswith("-n3")]
        cluster["n3"].thaw()
        assert await walk(cluster.router, "scheduled", 4) == (uids, set())


async def test_a_node_kept_out_is_named_and_not_asked(cluster):
    await scheduled(cluster, 3)
    nodes = f"n1={cluster['n1'].url} n2={cluster['n2'].url} n9={cluster['n3'].url}"
    async with Router(nodes) as router:
        page = await router.get("/jobs/scheduled")
        assert (page["missing"], len(page["jobs"])) == (["n9"], 2)


async def test_pages_that_miss_a_node_are_counted(cluster):
    await cluster.down("n1")
    await cluster.router.get("/jobs/waiting")
    async with cluster.router._http.get(f"{cluster.router.url}/metrics") as answer:
        text = await answer.text()
    assert 'taskpusher_router_partial_responses_total{route="/jobs/{state}"} 1.0' in text
