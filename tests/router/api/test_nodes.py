"""GET /nodes: every member, how it is and what it has; drain and resume of one."""

import asyncio

from taskpusher import __version__
from taskpusher.uid import name_of

from ...node.api.harness import error

URL = "http://127.0.0.1:1/"


async def nodes_of(cluster):
    return {node["name"]: node for node in (await cluster.router.get("/nodes"))["nodes"]}


async def test_every_member_is_told_with_its_share_and_what_it_has(cluster):
    jobs = [{"url": URL, "delay": 60} for _ in range(60)]
    await cluster.router.ask("POST", "/add", json=jobs)
    told = await nodes_of(cluster)
    assert list(told) == ["n1", "n2", "n3"]
    assert abs(sum(node["share"] for node in told.values()) - 1) < 0.001
    assert sum(node["counts"]["scheduled"] for node in told.values()) == 60
    for name, node in told.items():
        own = (await cluster[name].get("/nodes"))["nodes"][0]
        assert node["counts"] == own["counts"]
        assert (node["address"], node["weight"]) == (cluster[name].url, 1.0)
        assert (node["state"], node["reason"], node["version"]) == ("ready", None, __version__)
        assert node["store_id"] == own["store_id"]


async def test_one_that_is_down_is_told_without_counts(cluster):
    await cluster.down("n2")
    answer = await cluster.router.ask("GET", "/nodes")
    told = {node["name"]: node for node in answer.body["nodes"]}
    assert (told["n2"]["state"], told["n2"]["counts"]) == ("down", None)
    assert "Cannot connect" in told["n2"]["reason"]
    assert (answer.body["partial"], answer.body["missing"]) == (True, ["n2"])


async def test_with_all_of_them_down_they_are_told_all_the_same(cluster):
    for name in ("n1", "n2", "n3"):
        await cluster.down(name)
    assert {node["state"] for node in (await nodes_of(cluster)).values()} == {"down"}


async def test_a_node_that_is_drained_gets_no_new_jobs_until_it_is_resumed(cluster):
    drained = await cluster.router.ask("POST", "/nodes/n2/drain")
    assert (drained.status, drained.body["state"]) == (200, "draining")

    async def added():
        answers = [await cluster.router.ask("POST", "/add", json={"url": URL, "delay": 60}) for _ in range(40)]
        assert {answer.status for answer in answers} == {201}
        return {name_of(answer.body["uid"]) for answer in answers}

    assert await added() == {"n1", "n3"}
    assert (await nodes_of(cluster))["n2"]["state"] == "draining"
    await cluster.router.ask("POST", "/nodes/n2/resume")
    async with asyncio.timeout(20):
        while "n2" not in await added():
            pass


async def test_a_node_that_is_none_is_404(cluster):
    assert error(await cluster.router.ask("POST", "/nodes/n9/drain")) == (404, "not-found")
