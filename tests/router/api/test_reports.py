"""What all nodes tell, added up by a router, and what is told to all of them."""

import asyncio

import pytest

from taskpusher.access import Role, Token

from ...node.api.harness import error, paths
from .harness import Cluster

URL = "http://a.example/x"
NAMES = ("n1", "n2", "n3")
LATER = {"delay": 3_600}
READS = ["/stats", "/errors", "/targets", "/queues", "/limits"]
NOBODY = {"partial": False, "missing": []}


async def failed(cluster, target, names=NAMES):
    for name in names:
        await cluster[name].get(f"/job/{await cluster[name].add(f'{target.url}/fail')}/wait")


async def test_numbers_of_all_nodes_are_added_and_the_role_is_that_of_the_caller(cluster, target):
    await failed(cluster, target)
    await cluster["n2"].add(URL, **LATER)
    told = await cluster.router.get("/stats?range=1h")
    assert (told["states"]["error"], told["states"]["scheduled"], told["role"]) == (3, 1, "admin")
    assert (told["slots"]["limit"], told["range"], told["step"]) == (12, "1h", 10)
    assert (sum(told["series"]["errors"]), sum(map(sum, told["series"]["duration_hist"]))) == (3, 3)
    assert told["series"].keys() == (await cluster["n1"].get("/stats?range=1h"))["series"].keys()
    assert told.items() >= NOBODY.items()


async def test_errors_that_are_alike_are_one_group_whatever_node_they_are_on(cluster, target):
    await failed(cluster, target)
    (group,) = (await cluster.router.get("/errors"))["groups"]
    assert (group["count"], group["class"]) == (3, "status 500")
    page = await cluster.router.get(f"/jobs/error?group={group['id']}")
    assert len(page["jobs"]) == 3
    assert group["sample_uid"] == page["jobs"][0]["uid"]


async def test_queues_are_added_up_and_one_that_only_some_nodes_have_is_told(cluster):
    await cluster["n1"].add(URL, **LATER, queue="q1")
    await cluster["n3"].add(URL, **LATER, queue="q1")
    await cluster["n3"].ask("POST", "/queues/q1/pause")
    queue = await cluster.router.get("/queues/q1")
    assert (queue["counts"]["scheduled"], queue["paused"]["until"]) == (2, None)
    told = await cluster.router.get("/queues")
    assert next(each for each in told["queues"] if each["name"] == "q1").items() <= queue.items()
    assert error(await cluster.router.ask("GET", "/queues/nowhere")) == (404, "not-found")


async def test_hosts_are_added_up(cluster, target):
    await failed(cluster, target)
    told = await cluster.router.get("/targets")
    (host,) = told["targets"]
    assert (host["host"], sum(host["duration_hist"]), host["error_share"], told["known"]) == (target.host, 3, 1.0, 1)


@pytest.mark.parametrize("path", READS)
async def test_a_node_that_is_down_is_named(cluster, path):
    assert (await cluster.router.get(path)).items() >= NOBODY.items()
    await cluster.down("n2")
    assert (await cluster.router.get(path)).items() >= {"partial": True, "missing": ["n2"]}.items()
    assert error(await cluster.router.ask("GET", f"{path}?partial=false")) == (503, "owner-down")
    assert paths(await cluster.router.ask("GET", f"{path}?partial=x")) == ["partial"]


async def test_what_is_on_no_node_is_not_told_as_missing_while_one_is_down(cluster):
    await cluster.down("n2")
    assert error(await cluster.router.ask("GET", "/queues/nowhere")) == (503, "owner-down")
    assert error(await cluster.router.ask("GET", "/limits/nowhere")) == (503, "owner-down")


async def test_a_node_that_hangs_is_waited_for_until_the_deadline_and_named(tmp_path):
    async with Cluster(tmp_path, processes=("n3",), list_timeout=2.0, health_every=60.0) as cluster:
        cluster["n3"].freeze()
        told = await asyncio.gather(*(cluster.router.get(path) for path in READS))
        assert [each["missing"] for each in told] == [["n3"]] * len(READS)


async def test_where_no_node_answers_there_are_no_numbers(cluster):
    for name in NAMES:
        await cluster[name].stop()
    for path in READS:
        assert error(await cluster.router.ask("GET", path)) == (502, "nodes-down")


async def test_what_nodes_refuse_is_refused(cluster):
    assert paths(await cluster.router.ask("GET", "/stats?range=2h&x=1")) == ["range", "x"]
    assert paths(await cluster.router.ask("GET", "/limits?after=%00")) == ["after"]


# -- holding a host


async def test_a_host_is_held_and_released_on_all_nodes(cluster, target):
    answer = await cluster.router.ask("POST", f"/targets/{target.host}/hold?for=600")
    assert (answer.status, answer.body["limit"]) == (200, 0)
    for name in NAMES:
        (host,) = (await cluster[name].get("/targets"))["targets"]
        assert host["held"]["until"] is not None
    answer = await cluster.router.ask("POST", f"/targets/{target.host}/release")
    assert (answer.status, answer.body["held"]) == (200, None)


async def test_a_hold_that_misses_a_node_says_so(cluster, target):
    await cluster.down("n2")
    answer = await cluster.router.ask("POST", f"/targets/{target.host}/hold", data={"for": "600"})
    assert (answer.status, answer.body["missing"], answer.body["held"]["by"]) == (207, ["n2"], None)
    assert paths(await cluster.router.ask("POST", "/targets/%20/hold")) == ["host"]


async def test_a_hold_that_no_node_answers_may_have_been_made(tmp_path, target):
    async with Cluster(tmp_path, ("n1",), processes=("n1",), health_every=60.0, node_timeout=1.0) as cluster:
        cluster["n1"].freeze()
        answer = await cluster.router.ask("POST", f"/targets/{target.host}/hold")
        assert error(answer) == (504, "unknown-outcome")


# -- limits


def limit(key):
    return {"key": key, "concurrency": 3}


async def test_a_limit_is_fixed_and_let_go_at_its_owner(cluster):
    uid = await cluster.router.add(URL, **LATER, limit=limit("a/é"))
    answer = await cluster.router.ask("PUT", "/limits/a%2F%C3%A9", json={"concurrency": 7})
    assert (answer.status, answer.body["concurrency"], answer.body["pinned"]) == (200, 7, True)
    owner = cluster[uid.rpartition("-")[2]]
    assert (await owner.get("/limits/a%2F%C3%A9"))["pinned"]
    told = await cluster.router.get("/limits/a%2F%C3%A9")
    assert told == {**answer.body, **NOBODY}
    assert (await cluster.router.get("/limits"))["limits"] == [answer.body]
    assert (await cluster.router.ask("DELETE", "/limits/a%2F%C3%A9")).status == 204
    assert not (await owner.get("/limits/a%2F%C3%A9"))["pinned"]
    assert paths(await cluster.router.ask("PUT", "/limits/k", json={})) == ["concurrency"]


async def test_a_limit_that_stands_on_several_nodes_since_a_resize_is_added_up_and_let_go_everywhere(cluster):
    uid = await cluster.router.add(URL, limit=limit("k"), **LATER)
    for name in NAMES:
        await cluster[name].ask("POST", "/queues/default/pause")
        await cluster[name].add(URL, limit={"key": "k", "concurrency": int(name[1:])})
        await cluster[name].ask("PUT", "/limits/k", json={"concurrency": int(name[1:])})
    told = await cluster.router.get("/limits/k")
    assert (told["waiting"], told["concurrency"]) == (3, int(uid.rpartition("-n")[2]))
    assert (await cluster.router.ask("DELETE", "/limits/k")).status == 204
    assert [(await cluster[name].get("/limits/k"))["pinned"] for name in NAMES] == [False] * 3


async def test_a_limit_whose_owner_is_down_cannot_be_changed(cluster):
    owner = (await cluster.router.add(URL, limit=limit("k"), **LATER)).rpartition("-")[2]
    await cluster.down(owner)
    for method in ("PUT", "DELETE"):
        answer = await cluster.router.ask(method, "/limits/k", json={"concurrency": 1})
        assert (error(answer), answer.body["node"]) == ((503, "owner-down"), owner)


# -- the contract


async def test_the_contract_is_that_of_the_nodes_less_what_a_router_does_not_do(cluster):
    of_node = await cluster["n1"].get("/openapi.json")
    for _ in range(2):
        of_router = await cluster.router.get("/openapi.json")
        assert {"/add", "/job/{uid}", "/jobs/{state}", "/stats", "/tasks/{file}"} <= of_router["paths"].keys()
        assert "/backup" not in of_router["paths"]
        assert all(
            of_node["paths"][path][method] == told
            for path, calls in of_router["paths"].items()
            for method, told in calls.items()
        )
    for name in NAMES:
        await cluster.down(name)
    assert await cluster.router.get("/openapi.json") == of_router


# -- who may do it


async def test_who_asks_is_told_to_the_nodes(tmp_path, target):
    tokens = tuple(Token(f"{role} é", role, f"secret-of-{role}") for role in Role)
    node = {"cluster_token": "the-secret-of-the-cluster"}
    async with Cluster(tmp_path, ("n1", "n2"), node=node, tokens=tokens, **node) as cluster:
        for role, status in (("read", 403), ("push", 403), ("admin", 200)):
            told = {"Authorization": f"Bearer secret-of-{role}"}
            answer = await cluster.router.ask("POST", f"/targets/{target.host}/hold", headers=told)
            assert answer.status == status
            if role != "push":
                stats = await cluster.router.ask("GET", "/stats", headers=told)
                assert stats.body["role"] == role
        assert answer.body["held"]["by"] == "admin é"
