"""Many jobs of all nodes changed by one verb: node by node, each job once, those of a node that is down left out."""

import pytest

from ...node.api.harness import error, paths
from .harness import Cluster

URL = "http://a.example/x"
NAMES = ("n1", "n2", "n3")
LATER = {"delay": 3_600}


async def scheduled(cluster, n, **fields):
    return [await cluster[NAMES[i % 3]].add(URL, **LATER, **fields) for i in range(n)]


async def walk(api, method, path, **fields):
    """Call until there is no more; return how many were done on each call, and who was missing."""
    done, missing, last = [], [], None
    for _ in range(50):
        more = {"last_uid": last} if last is not None else {}
        answer = await api.ask(method, path, data={**fields, **more})
        assert answer.status == 200, answer
        assert answer.body.keys() == {"done", "examined", "last_uid", "partial", "missing"}
        done.append(answer.body["done"])
        missing += answer.body["missing"]
        last = answer.body["last_uid"]
        if last is None:
            return done, missing
    raise AssertionError("the walk does not end")


async def states(cluster, uids):
    return {(await cluster.router.get(f"/job/{uid}"))["state"] for uid in uids}


async def test_one_call_goes_on_from_node_to_node_as_far_as_its_limit(cluster):
    uids = await scheduled(cluster, 9)
    assert await walk(cluster.router, "POST", "/jobs/scheduled/cancel") == ([9], [])
    assert await states(cluster, uids) == {"cancelled"}
    done, missing = await walk(cluster.router, "POST", "/jobs/cancelled/retry", limit=4)
    assert (sum(done), max(done), missing) == (9, 4, [])
    assert await states(cluster, uids) <= {"waiting", "running", "scheduled", "error"}


async def test_finished_jobs_of_all_nodes_are_deleted_by_filter(cluster):
    uids, others = await scheduled(cluster, 5, queue="q1"), await scheduled(cluster, 3)
    await walk(cluster.router, "POST", "/jobs/scheduled/cancel")
    assert await walk(cluster.router, "DELETE", "/jobs/cancelled", queue="q1") == ([5], [])
    for uid in uids:
        assert error(await cluster.router.ask("GET", f"/job/{uid}")) == (404, "not-found")
    assert await states(cluster, others) == {"cancelled"}


async def test_a_dry_run_counts_on_all_nodes(cluster):
    uids = await scheduled(cluster, 7)
    assert await walk(cluster.router, "POST", "/jobs/scheduled/cancel", dry_run="true", limit=2) == ([2, 2, 2, 1], [])
    assert await states(cluster, uids) == {"scheduled"}


async def test_a_walk_goes_on_behind_a_uid(cluster):
    uids = await scheduled(cluster, 6)
    answer = await cluster.router.ask("POST", "/jobs/scheduled/cancel", params={"last_uid": uids[1]})
    assert (answer.body["done"], answer.body["last_uid"]) == (3, None)  # one behind it on n2, two on n3
    assert await states(cluster, [uids[4], uids[2], uids[5]]) == {"cancelled"}


async def test_a_node_that_is_down_is_left_out_and_named(cluster):
    uids = await scheduled(cluster, 9)
    await cluster.down("n2")
    done, missing = await walk(cluster.router, "POST", "/jobs/scheduled/cancel", limit=2)
    assert (sum(done), max(done), missing) == (6, 2, ["n2"])
    await cluster.back("n2")
    assert await states(cluster, uids[1::3]) == {"scheduled"}


async def test_a_node_that_hangs_is_left_out_and_named(tmp_path):
    async with Cluster(tmp_path, processes=("n2",), health_every=60.0, node_timeout=1.0) as cluster:
        await scheduled(cluster, 9)
        cluster["n2"].freeze()
        assert await walk(cluster.router, "POST", "/jobs/scheduled/cancel", dry_run="true") == ([6], ["n2"])
        cluster["n2"].thaw()


async def test_where_no_node_answers_nothing_is_done(cluster):
    for name in NAMES:
        await cluster[name].stop()
    assert error(await cluster.router.ask("POST", "/jobs/error/retry")) == (502, "nodes-down")


async def test_a_member_that_has_gone_is_passed_over(cluster):
    await scheduled(cluster, 3)
    answer = await cluster.router.ask("POST", "/jobs/scheduled/cancel", data={"last_uid": "n1a!1~x"})
    assert (answer.body["done"], answer.body["last_uid"]) == (2, None)


@pytest.mark.parametrize("last_uid", ["nonsense", "1~x", "n1!nonsense", "019318c29d3e7000800000000000000a-n9"])
async def test_a_position_that_is_none_is_gone(cluster, last_uid):
    answer = await cluster.router.ask("POST", "/jobs/scheduled/cancel", data={"last_uid": last_uid})
    assert error(answer) == (404, "cursor-gone")


async def test_what_is_wrong_with_a_request_is_named_by_the_nodes(cluster):
    answer = await cluster.router.ask("POST", "/jobs/scheduled/cancel?limit=1001&foo=1", data={"since": "x"})
    assert paths(answer) == ["foo", "limit", "since"]
    assert error(await cluster.router.ask("POST", "/jobs/scheduled/retry")) == (409, "wrong-state")
    assert error(await cluster.router.ask("DELETE", "/jobs/nowhere")) == (404, "not-found")
    assert error(await cluster.router.ask("POST", "/jobs/error/retry", json={})) == (415, "unsupported-media-type")
