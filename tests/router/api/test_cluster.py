"""Nodes that go away and come back, as a router sees them."""

from .harness import Cluster


async def test_a_node_that_stops_is_down_and_with_its_jobs_and_address_back_after_its_start(cluster):
    uid = await cluster["n2"].add("http://a.example/x", delay=60)
    await cluster.down("n2")
    warnings = (await cluster.router.get("/ready"))["warnings"]
    assert list(warnings) == ["node n2"]
    await cluster.back("n2")
    assert (await cluster.router.get("/ready"))["warnings"] == {}
    assert (await cluster["n2"].get(f"/job/{uid}"))["state"] == "scheduled"


async def test_a_node_that_hangs_is_down_until_it_goes_on(tmp_path):
    async with Cluster(tmp_path, ("n1", "n2"), processes=("n2",), health_timeout=1.0) as cluster:
        cluster["n2"].freeze()
        await cluster.router.sees("n1")
        cluster["n2"].thaw()
        await cluster.router.sees("n1", "n2")
