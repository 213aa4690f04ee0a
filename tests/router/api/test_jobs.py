"""One job through a router: every call is its node's, and says so when that node does not answer."""

import asyncio
import json

import pytest

from ...node.api.harness import error, paths
from .harness import Cluster, Router

URL = "http://a.example/x"
LATER = {"delay": 3_600}
UNKNOWN = "01a210032e02717bb6af0655de66e267-"
CALLS = [("GET", ""), ("GET", "/wait"), ("GET", "/why"), ("POST", "/retry"), ("POST", "/cancel"), ("POST", "/run")]
CALLS += [("PATCH", ""), ("DELETE", "")]
CALLS += [("POST", f"/{word}") for word in ("complete", "fail", "heartbeat")]


async def test_a_job_of_each_node_is_read_as_its_node_tells_it(cluster):
    for name in ("n1", "n2", "n3"):
        uid = await cluster[name].add(URL, **LATER)
        for path in (f"/job/{uid}", f"/job/{uid}/why"):
            assert await cluster.router.get(path) == await cluster[name].get(path)


async def test_a_job_is_run_retried_cancelled_and_deleted(cluster, target):
    uid = await cluster["n2"].add(f"{target.url}/fail", **LATER)
    assert (await cluster.router.ask("POST", f"/job/{uid}/run")).body["uid"] == uid
    assert (await cluster.router.get(f"/job/{uid}/wait"))["state"] == "error"
    assert (await cluster.router.ask("POST", f"/job/{uid}/retry")).status == 200
    assert (await cluster.router.get(f"/job/{uid}/wait"))["state"] == "error"
    assert error(await cluster.router.ask("POST", f"/job/{uid}/cancel")) == (409, "wrong-state")
    answer = await cluster.router.ask("DELETE", f"/job/{uid}")
    assert (answer.status, answer.body) == (204, None)
    assert error(await cluster.router.ask("GET", f"/job/{uid}")) == (404, "not-found")


@pytest.mark.parametrize("how", ["json", "data", "params"])
async def test_an_edit_goes_through_as_json_a_form_or_a_query(cluster, how):
    uid = await cluster["n3"].add(URL, **LATER)
    answer = await cluster.router.ask("PATCH", f"/job/{uid}", **{how: {"priority": 7, "url": "http://b.example/é?a=b"}})
    assert (answer.status, answer.body["priority"]) == (200, 7)
    assert (await cluster["n3"].get(f"/job/{uid}"))["url"] == "http://b.example/%C3%A9?a=b"
    assert paths(await cluster.router.ask("PATCH", f"/job/{uid}", json={"priority": 700, "key": "k"})) == [
        "key",
        "priority",
    ]


async def test_the_token_of_a_call_passes_through(cluster, target):
    uid = await cluster["n2"].add(f"{target.url}/accept")
    await cluster.router.until(uid, "running")
    async with asyncio.timeout(20):
        while uid not in target.tokens:
            await asyncio.sleep(0.01)
    token = {"TaskPusher-Token": target.tokens[uid]}
    assert error(await cluster.router.ask("POST", f"/job/{uid}/heartbeat")) == (403, "forbidden")
    answer = await cluster.router.ask("POST", f"/job/{uid}/heartbeat", json={"percent": 40}, headers=token)
    assert (answer.status, answer.body["state"]) == (200, "running")
    answer = await cluster.router.ask("POST", f"/job/{uid}/complete", data={"result": '"done"'}, headers=token)
    assert (answer.status, answer.body["state"]) == (200, "completed")
    assert json.loads((await cluster.router.get(f"/job/{uid}"))["response"]["body"]) == "done"


@pytest.mark.parametrize("uid", [UNKNOWN + "n9", UNKNOWN, "x", "%00", "..%2Fstats", "x" * 5_000])
async def test_what_names_no_node_is_not_found(cluster, uid):
    for method, path in CALLS:
        assert error(await cluster.router.ask(method, f"/job/{uid}{path}")) == (404, "not-found")


async def test_a_job_that_its_node_does_not_have_is_not_found(cluster):
    assert error(await cluster.router.ask("GET", f"/job/{UNKNOWN}n1")) == (404, "not-found")


async def test_a_job_of_a_node_that_is_down_is_never_told_as_not_found(cluster):
    uid = await cluster["n2"].add(URL, **LATER)
    await cluster.down("n2")
    for method, path in CALLS:
        answer = await cluster.router.ask(method, f"/job/{uid}{path}")
        assert (error(answer), answer.body["node"]) == ((503, "owner-down"), "n2")
        assert int(answer.headers["Retry-After"]) > 0
    await cluster.back("n2")
    assert (await cluster.router.get(f"/job/{uid}"))["state"] == "scheduled"


async def test_a_node_that_has_just_gone_is_found_out_by_the_call(tmp_path):
    async with Cluster(tmp_path, ("n1", "n2"), health_every=60.0) as cluster:
        await cluster["n2"].stop()
        for method, path in CALLS:
            assert error(await cluster.router.ask(method, f"/job/{UNKNOWN}n2{path}")) == (503, "owner-down")


async def test_a_change_that_is_not_answered_may_have_been_made_and_a_read_may_not(tmp_path):
    async with Cluster(tmp_path, ("n1", "n2"), processes=("n2",), health_every=60.0, node_timeout=1.0) as cluster:
        uid = await cluster["n2"].add(URL, **LATER)
        cluster["n2"].freeze()
        answer = await cluster.router.ask("POST", f"/job/{uid}/cancel")
        assert (error(answer), answer.body["stored"]) == ((504, "unknown-outcome"), None)
        assert error(await cluster.router.ask("GET", f"/job/{uid}")) == (503, "owner-down")
        cluster["n2"].thaw()
        await cluster.router.until(uid, "cancelled")


async def test_a_node_of_another_name_is_not_asked(cluster):
    uid = await cluster["n3"].add(URL, **LATER)
    async with Router(f"n1={cluster['n1'].url} n9={cluster['n3'].url}") as router:
        assert error(await router.ask("GET", f"/job/{uid[:33]}n9")) == (503, "owner-down")


# -- waiting for the end


async def test_a_wait_may_be_longer_than_a_call(tmp_path, target):
    async with Cluster(tmp_path, ("n1",), node_timeout=1.0) as cluster:
        uid = await cluster["n1"].add(f"{target.url}/hang")
        waiting = asyncio.create_task(cluster.router.get(f"/job/{uid}/wait?timeout=15"))
        await asyncio.sleep(1.5)
        assert not waiting.done()
        target.released.set()
        assert (await waiting)["state"] == "completed"
        assert (await cluster.router.get(f"/job/{uid}/wait"))["state"] == "completed"


@pytest.mark.parametrize("text", ["x", "-1", "nan", "inf", "1e9", ""])
async def test_a_time_to_wait_that_is_none_is_refused_by_the_node(cluster, text):
    uid = await cluster["n1"].add(URL, **LATER)
    assert paths(await cluster.router.ask("GET", f"/job/{uid}/wait?timeout={text}")) == ["timeout"]


async def test_who_waits_for_a_job_whose_node_goes_away_is_told(tmp_path, target):
    async with Cluster(tmp_path, ("n1", "n2"), processes=("n2",), health_timeout=1.0) as cluster:
        uid = await cluster["n2"].add(f"{target.url}/hang")
        waiting = asyncio.create_task(cluster.router.ask("GET", f"/job/{uid}/wait?timeout=300"))
        await cluster.router.until(uid, "running")
        cluster["n2"].freeze()
        assert error(await waiting) == (503, "owner-down")


async def test_a_router_that_stops_answers_who_waits_with_the_job_as_it_is(cluster, target):
    uid = await cluster["n1"].add(f"{target.url}/hang")
    waiting = asyncio.create_task(cluster.router.get(f"/job/{uid}/wait?timeout=300"))
    await asyncio.sleep(0.2)
    cluster.router.begin_stop()
    assert (await waiting)["state"] == "running"


async def test_a_node_that_does_not_know_the_router_is_no_fault_of_the_client(tmp_path):
    async with Cluster(tmp_path, ("n1",), node={"cluster_token": "one"}, cluster_token="another") as cluster:
        answer = await cluster.router.ask("GET", f"/job/{UNKNOWN}n1")
        assert (error(answer), "cluster_token" in answer.body["detail"]) == ((503, "owner-down"), True)
        assert error(await cluster.router.ask("GET", "/jobs/waiting")) == (502, "nodes-down")
