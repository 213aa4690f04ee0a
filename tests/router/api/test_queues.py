"""What is said of a queue holds on every node, also on those that were away or have just come."""

import asyncio
import json

import pytest

from taskpusher_router.settings import newest

from ...node.api.harness import error
from .harness import Cluster, Router

URL = "http://127.0.0.1:1/"
NAMES = ("n1", "n2", "n3")


async def records(node):
    """Return all that was said of queues at a node."""
    return sorted((await node.get("/cluster/queues"))["queues"], key=lambda record: record["name"])


async def all_agree(nodes, wanted=lambda told: True):
    """Wait until all nodes know the same of queues, and what is wanted; returns it."""
    async with asyncio.timeout(20):
        while True:
            told = [await records(node) for node in nodes]
            if all(one == told[0] for one in told) and wanted(told[0]):
                return told[0]
            await asyncio.sleep(0.02)


def queue_of(told, name="mail"):
    return next((record for record in told if record["name"] == name), None)


async def test_a_queue_is_declared_on_every_node_with_one_version(cluster):
    fields = {"concurrency": 6, "rate": 3.0, "per": 2.0, "defaults": {"headers": {"X-Key": "hidden"}, "timeout": 5}}
    answer = await cluster.router.ask("PUT", "/queues/mail", json=fields)
    assert (answer.status, answer.headers["Location"]) == (201, "/queues/mail")
    assert (answer.body["concurrency"], answer.body["rate"], answer.body["version"]) == (6, 3.0, 1)
    assert (answer.body["partial"], answer.body["missing"]) == (False, [])
    told = [queue_of(await records(cluster[name])) for name in NAMES]
    assert told == [told[0]] * 3
    assert told[0]["defaults"]["headers"] == {"X-Key": "hidden"}  # whole, though shown masked
    again = await cluster.router.ask("PUT", "/queues/mail", json={"concurrency": 9})
    assert (again.status, again.body["version"], again.body["rate"]) == (200, 2, None)


async def test_what_is_wrong_is_told_by_a_node_and_changes_none(cluster):
    assert error(await cluster.router.ask("PUT", "/queues/mail", json={"concurrency": 0}))[0] == 422
    assert error(await cluster.router.ask("PUT", "/queues/a%20b", json={}))[0] == 422
    assert error(await cluster.router.ask("POST", "/queues/mail/pause"))[0] == 404
    await cluster.router.ask("PUT", "/queues/mail", json={})
    stale = await cluster.router.ask("PUT", "/queues/mail", json={"version": 7})
    assert error(stale) == (409, "wrong-version")
    assert queue_of(await all_agree([cluster[name] for name in NAMES]))["version"] == 1


async def test_less_concurrency_than_nodes_is_refused_with_the_way_that_is_exact(cluster):
    async with asyncio.timeout(20):
        while (await cluster["n1"].get("/ready"))["cluster"]["members"] != 3:
            await asyncio.sleep(0.02)
    answer = await cluster.router.ask("PUT", "/queues/mail", json={"concurrency": 2})
    assert error(answer) == (422, "invalid-field")
    assert "limit" in answer.body["detail"]
    assert (await cluster.router.ask("PUT", "/queues/mail", json={"concurrency": 2, "scope": "node"})).status == 201


async def test_a_node_that_was_down_is_named_and_hears_of_it_when_it_is_back(cluster):
    await cluster.router.ask("PUT", "/queues/mail", json={})
    await cluster.down("n2")
    changed = await cluster.router.ask("PUT", "/queues/mail", json={"concurrency": 5})
    paused = await cluster.router.ask("POST", "/queues/mail/pause")
    assert [(answer.status, answer.body["missing"]) for answer in (changed, paused)] == [(207, ["n2"])] * 2
    await cluster.back("n2")
    told = await all_agree([cluster[name] for name in NAMES], lambda told: queue_of(told)["concurrency"] == 5)
    assert queue_of(told)["paused"] is not None
    assert (await cluster.router.ask("POST", "/queues/mail/resume")).status == 200
    await all_agree([cluster[name] for name in NAMES], lambda told: queue_of(told)["paused"] is None)


async def test_a_pause_stops_a_queue_on_all_nodes_and_a_resume_lets_them_go_on(cluster, target):
    await cluster.router.ask("PUT", "/queues/mail", json={})
    await cluster.router.ask("POST", "/queues/mail/pause")
    jobs = [{"url": f"{target.url}/ok", "queue": "mail"} for _ in range(30)]
    await cluster.router.ask("POST", "/add", json=jobs)
    queue = await cluster.router.get("/queues/mail")
    assert (queue["counts"]["waiting"], queue["paused"] is not None, target.jobs) == (30, True, [])
    await cluster.router.ask("POST", "/queues/mail/resume")
    async with asyncio.timeout(20):
        while len(target.jobs) < 30:
            await asyncio.sleep(0.02)


async def test_a_queue_that_only_some_nodes_know_is_paused_on_all(cluster):
    await cluster.router.ask("POST", "/add", json={"url": URL, "queue": "used", "key": "k", "delay": 60})
    answer = await cluster.router.ask("POST", "/queues/used/pause", data={"for": "60"})
    assert (answer.status, answer.body["missing"]) == (200, [])
    for name in NAMES:
        assert (await cluster[name].get("/queues/used"))["paused"] is not None


async def test_two_routers_that_are_told_different_things_at_once_end_at_one(cluster):
    nodes = " ".join(f"{name}={cluster[name].url}" for name in NAMES)
    async with Router(nodes) as other:
        for n in range(5):
            answers = await asyncio.gather(
                cluster.router.ask("PUT", "/queues/mail", json={"concurrency": 100 + n}),
                other.ask("PUT", "/queues/mail", json={"concurrency": 200 + n}),
            )
            assert {answer.status for answer in answers} <= {200, 201}
        told = await all_agree([cluster[name] for name in NAMES])
        assert queue_of(told)["concurrency"] in (104, 204)


async def test_an_empty_queue_is_deleted_everywhere_while_all_nodes_answer(cluster):
    await cluster.router.ask("PUT", "/queues/mail", json={})
    await cluster.down("n3")
    assert error(await cluster.router.ask("DELETE", "/queues/mail")) == (503, "owner-down")
    await cluster.back("n3")
    await cluster.router.ask("POST", "/add", json={"url": URL, "queue": "mail", "delay": 60})
    assert error(await cluster.router.ask("DELETE", "/queues/mail")) == (409, "wrong-state")
    await cluster.router.ask("POST", "/jobs/scheduled/cancel?queue=mail")
    while (await cluster.router.ask("POST", "/jobs/scheduled/cancel?queue=mail")).body["last_uid"]:
        pass
    await gone(cluster)
    assert (await cluster.router.ask("DELETE", "/queues/mail")).status == 204
    assert error(await cluster.router.ask("DELETE", "/queues/mail")) == (404, "not-found")
    for name in NAMES:
        assert (await cluster[name].ask("GET", "/queues/mail")).status == 404


async def gone(cluster):
    """Delete the cancelled jobs of all nodes."""
    path = "/jobs/cancelled"
    answer = await cluster.router.ask("DELETE", path)
    while answer.body["last_uid"] is not None:
        answer = await cluster.router.ask("DELETE", f"{path}?last_uid={answer.body['last_uid']}")


async def test_calls_of_a_queue_never_exceed_its_concurrency_over_all_nodes(tmp_path, target):
    async with Cluster(tmp_path, NAMES, node={"concurrency": 16}) as cluster:
        async with asyncio.timeout(20):
            while any([(await cluster[name].get("/ready"))["cluster"]["members"] != 3 for name in NAMES]):
                await asyncio.sleep(0.02)
        await cluster.router.ask("PUT", "/queues/mail", json={"concurrency": 7})
        jobs = [{"url": f"{target.url}/hang", "queue": "mail"} for _ in range(120)]
        await cluster.router.ask("POST", "/add", json=jobs)
        async with asyncio.timeout(20):
            while (await cluster.router.get("/stats"))["states"]["running"] < 7:
                await asyncio.sleep(0.02)
        for _ in range(20):
            assert (await cluster.router.get("/stats"))["states"]["running"] == 7
        assert all([(await cluster[name].get("/stats"))["states"]["running"] >= 1 for name in NAMES])
        target.released.set()


async def test_shares_follow_weights_when_the_members_change(tmp_path):
    async with Cluster(tmp_path, ("n1", "n2")) as cluster:
        nodes = {name: cluster[name] for name in ("n1", "n2")}

        async def told(wanted):
            async with asyncio.timeout(20):
                while True:
                    shares = [(await node.get("/ready"))["cluster"] for node in nodes.values()]
                    if [(each["low"], each["high"]) for each in shares] == wanted:
                        return
                    await asyncio.sleep(0.02)

        await told([(0.0, 0.5), (0.5, 1.0)])
        heavier = [
            node.member._replace(weight=3.0 if node.name == "n2" else 1.0) for node in cluster.router.router._nodes
        ]
        cluster.router.router._take_members(tuple(heavier))
        await told([(0.0, 0.25), (0.25, 1.0)])


async def test_a_new_node_hears_of_all_queues(tmp_path):
    async with Cluster(tmp_path, ("n1", "n2")) as cluster:
        members = tuple(node.member for node in cluster.router.router._nodes)
        cluster.router.router._take_members(members[:1])
        for n in range(3):
            assert (await cluster.router.ask("PUT", f"/queues/q{n}", json={"rate": 1.0 + n})).status == 201
        assert await records(cluster["n2"]) == []
        cluster.router.router._take_members(members)
        told = await all_agree([cluster["n1"], cluster["n2"]], lambda told: len(told) == 3)
        assert [record["rate"] for record in told] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("of_nodes", "wanted"),
    [
        ([], []),
        ([[("a", 1, "x")], [("a", 2, "y")], []], [("a", 2, "y")]),
        ([[("a", 2, "x")], [("a", 2, "y")], [("a", 2, "x")]], [("a", 2, "x"), ("a", 2, "y")]),
        ([[("a", 1, "x")], [("b", 1, "y")]], [("a", 1, "x"), ("b", 1, "y")]),
    ],
)
def test_the_newest_of_each_queue_is_told_and_of_two_as_new_both(of_nodes, wanted):
    def record(name, version, by):
        return {"name": name, "version": version, "paused": {"by": by}}

    told = newest([{name: record(name, *rest) for name, *rest in node} for node in of_nodes])
    assert json.dumps(told) == json.dumps([record(*each) for each in wanted])
