"""Nodes are killed and stopped under load: what was acknowledged is there once, in order, and nobody waits for them."""

import asyncio
import signal
from collections import Counter

STOPPED_S = 10  # as long as a router asks about an add
ADDS = 40  # at each router: a third of them belong to the node that is stopped


async def test_nothing_is_lost_doubled_or_out_of_order_when_each_node_is_killed_in_turn(cluster, load):
    async with load:
        for node in cluster.nodes.values():
            await load.more()
            await node.kill()
            await load.more()
            await node.start()
            await cluster.until_whole()
        await load.more()
    account = load.account
    assert await load.faults() == {}
    assert account.answered > 0.99, account.keyless
    assert account.partial_walks > 0, "while a node was down"
    assert account.whole_walks > 0
    assert "lost" in await load.faults(without="n1"), "the control: it would be seen"


async def test_nothing_is_lost_doubled_or_out_of_order_when_a_node_stops_for_a_while(cluster, load):
    async with load:
        await load.more()
        cluster.nodes["n2"].signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(STOPPED_S)
            await load.until_repeated()
            await load.more()
        finally:
            cluster.nodes["n2"].signal(signal.SIGCONT)
        await cluster.until_whole()
        await load.more()
    account = load.account
    assert await load.faults() == {}
    assert account.partial_walks > 0, "while the node was stopped"
    assert account.whole_walks > 0
    assert "lost" in await load.faults(without="n2"), "the control: it would be seen"


async def test_an_add_of_unknown_outcome_that_is_sent_again_is_stored_once_with_its_uid_and_twice_without(
    cluster, http, target
):
    async def add(url: str, n: int, **uid: str) -> tuple[int, dict]:
        fields = {"url": f"{target.url}/ok", "meta": {"n": n}, **uid}
        async with http.post(f"{url}/add", json=fields) as answer:
            return answer.status, await answer.json()

    careful, careless = (router.url for router in cluster.routers)
    asked = list(enumerate([careful, careless] * ADDS))
    cluster.nodes["n2"].signal(signal.SIGSTOP)
    try:
        told = await asyncio.gather(*(add(url, n) for n, url in asked))
    finally:
        cluster.nodes["n2"].signal(signal.SIGCONT)
    await cluster.until_whole()
    unknown = [(n, url, body["uid"]) for (n, url), (status, body) in zip(asked, told, strict=True) if status == 504]
    for n, url, uid in unknown:
        status, _ = await add(url, n, **({"uid": uid} if url == careful else {}))
        assert status in (200, 201)
    await cluster.until_idle()
    stored = Counter(job["meta"]["n"] for job in await cluster.jobs())
    twice = {n for n, url, _ in unknown if url == careless}
    assert {url for _, url, _ in unknown} == {careful, careless}
    assert stored == {n: 2 if n in twice else 1 for n, _ in asked}
