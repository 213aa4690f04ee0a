"""Where a job goes, and what is told of it, while nodes refuse, hang, hang up and say no."""

import asyncio
import json
from functools import partial

import pytest
from aiohttp import web

from taskpusher import errors
from taskpusher.uid import mint, name_of
from taskpusher_router.placer import asked_of
from taskpusher_router.placing import of_json

from .scripted import Scripted, cluster


def asked(**fields):
    text = json.dumps({"url": "http://a", **fields}).encode()
    return asked_of(of_json(text), "json", text, {}, ())


@pytest.fixture
async def nodes():
    async with Scripted("n1") as n1, Scripted("n2") as n2, Scripted("n3") as n3:
        yield n1, n2, n3


def stored(nodes):
    return [uid for node in nodes for uid in node.stored]


def problem(kind, **more):
    document = kind("said by the node", retry_after_s=1).document() | more
    return web.json_response(document, status=document["status"], content_type="application/problem+json")


async def many(placer, n=60, **fields):
    return await asyncio.gather(*(placer.add(asked(**fields)) for _ in range(n)))


async def test_jobs_without_affinity_are_spread_over_all_nodes_each_on_the_one_its_uid_names(nodes):
    async with cluster(*nodes) as router:
        handed = await many(router.placer)
    assert {one.status for one in handed} == {201}
    for node in nodes:
        assert {uid for uid in node.stored if name_of(uid) == node.name} == set(node.stored) != set()
    assert sorted(stored(nodes)) == sorted(one.uid for one in handed)


async def test_jobs_of_a_key_all_go_to_its_owner(nodes):
    async with cluster(*nodes) as router:
        handed = await many(router.placer, 10, key="k")
        owner = router.nodes.ring.owner("k:k")
    assert {name_of(one.uid) for one in handed} == {owner}


async def test_a_node_that_refuses_connections_is_passed_under_a_new_uid_and_counts_as_down(nodes):
    async with cluster(*nodes) as router:
        await nodes[0].stop()
        handed = await many(router.placer)
        assert not router.nodes.get("n1").up
        assert {name_of(one.uid) for one in handed} == {"n2", "n3"}
        assert {one.status for one in handed} == {201}
        await nodes[0].start()


@pytest.mark.parametrize("state", ["draining", "stopping", "disk-low", "stalled", "starting", "failed", "of tomorrow"])
async def test_a_node_that_is_not_ready_gets_no_job_that_others_may_take(nodes, state):
    nodes[0].ready["state"] = state
    async with cluster(*nodes) as router:
        await many(router.placer)
    assert nodes[0].batches == []


async def test_a_key_whose_owner_is_down_is_503_owner_down_and_goes_nowhere_else(nodes):
    async with cluster(*nodes) as router:
        owner = next(node for node in nodes if node.name == router.nodes.ring.owner("k:k"))
        await owner.stop()
        for _ in range(2):  # found out by the first, known to the second
            with pytest.raises(errors.OwnerDown) as raised:
                await router.placer.add(asked(key="k"))
            assert raised.value.retry_after_s == 2
            assert raised.value.members == {"node": owner.name}
        await owner.start()
    assert stored(nodes) == []


@pytest.mark.parametrize(("state", "taken"), [("stopping", True), ("draining", False), ("disk-low", False)])
async def test_an_owner_that_stops_keeps_the_jobs_of_its_keys_for_its_next_start(nodes, state, taken):
    for node in nodes:
        node.ready["state"] = state
    async with cluster(*nodes) as router:
        if taken:
            assert (await router.placer.add(asked(key="k"))).status == 201
        else:
            with pytest.raises(errors.OwnerDown):
                await router.placer.add(asked(key="k"))


async def test_nodes_that_leave_the_cluster_while_another_is_asked_are_passed(nodes):
    async with cluster(*nodes) as router:
        for node in nodes:

            def leave(_, staying=node.member):
                router.nodes.replace([staying])
                return problem(errors.Stalled)

            node.behave = leave
        assert (await router.placer.add(asked())).error["type"] == "stalled"


async def test_where_none_is_up_all_are_tried(nodes):
    async with cluster(*nodes) as router:
        for node in router.nodes:
            node.gone("refused")
        assert (await router.placer.add(asked(key="k"))).status == 201
        assert (await router.placer.add(asked())).status == 201


async def test_a_node_that_hangs_up_after_it_has_stored_is_asked_again_with_the_same_uid(nodes):
    (node, *_) = nodes
    store = node.behave

    def once(batch):
        store(batch)
        node.behave = store
        return Scripted.HANG_UP

    node.behave = once
    async with cluster(node) as router:
        handed = await router.placer.add(asked())
        assert router.placer.retries == {"unknown": 1}
    assert handed.status == 201
    assert list(node.stored) == [handed.uid]
    assert [batch[0]["uid"] for batch in node.batches] == [handed.uid] * 2


async def test_what_stays_unknown_is_504_with_the_uid_to_repeat_it_with(nodes):
    (node, *_) = nodes
    store = node.behave
    node.behave = lambda batch: store(batch) and Scripted.HANG_UP
    async with cluster(node, add_s=0.3) as router:
        with pytest.raises(errors.UnknownAtNode) as raised:
            await router.placer.add(asked())
        assert router.placer.unknown == 1
        uid = raised.value.members["uid"]
        assert list(node.stored) == [uid]
        assert raised.value.status == 504
        node.behave = store
        again = await router.placer.add(asked(uid=uid))
        assert (again.uid, again.status) == (uid, 200)
    assert len(node.stored) == 1


async def test_a_node_that_never_answers_makes_an_add_unknown_and_no_other_node_gets_it(nodes):
    for node in nodes:
        node.behave = lambda _: Scripted.HANG
    async with cluster(*nodes, add_s=0.4, call_s=0.2) as router:
        with pytest.raises(errors.UnknownAtNode) as raised:
            await router.placer.add(asked())
        asked_nodes = [node.name for node in nodes if node.batches]
        assert asked_nodes == [name_of(raised.value.members["uid"])]


async def test_a_first_try_that_was_stored_after_all_is_told_as_stored_now(nodes):
    """A repeat of a uid may be refused as another job where the queue's defaults have changed between the tries."""
    (node, *_) = nodes
    node.behave = lambda _: [{"error": errors.Conflict("another job").document()}]
    async with cluster(node) as router:
        handed = await router.placer.add(asked())
    assert handed.status == 201


@pytest.mark.parametrize("kind", [errors.Draining, errors.Starting, errors.Stalled, errors.DiskLow, errors.Busy])
async def test_what_a_node_refuses_as_a_whole_another_may_take(nodes, kind):
    nodes[0].behave = lambda _: problem(kind)
    async with cluster(*nodes) as router:
        handed = await many(router.placer)
    assert {one.status for one in handed} == {201}
    assert nodes[0].stored == {}


@pytest.mark.parametrize(
    ("kind", "told"), [(errors.Draining, "owner-down"), (errors.Stalled, "stalled"), (errors.DiskLow, "disk-low")]
)
async def test_what_an_owner_refuses_is_told_in_its_words_unless_it_is_on_its_way_out(nodes, kind, told):
    for node in nodes:
        node.behave = lambda _: problem(kind)
    async with cluster(*nodes) as router:
        try:
            said = (await router.placer.add(asked(key="k"))).error["type"]
        except errors.OwnerDown as error:
            said = error.type
    assert said == told


async def test_a_node_that_does_not_know_what_happened_is_asked_again(nodes):
    (node, *_) = nodes
    store = node.behave

    def once(batch):
        node.behave = store
        store(batch)
        return problem(errors.UnknownOutcome)

    node.behave = once
    async with cluster(node) as router:
        assert (await router.placer.add(asked())).status == 201
    assert len(node.stored) == 1


async def test_a_node_with_another_cluster_token_is_named_in_what_is_told(nodes):
    for node in nodes:
        node.behave = lambda _: problem(errors.Forbidden, type="unauthorized", status=401)
    async with cluster(*nodes) as router:
        with pytest.raises(errors.OwnerDown, match="cluster_token"):
            await router.placer.add(asked())


async def test_a_uid_goes_to_the_node_that_it_names_whatever_its_key(nodes):
    async with cluster(*nodes) as router:
        for node in nodes:
            uid = mint(node.name)
            assert (await router.placer.add(asked(uid=uid, key="k"))).uid == uid
            assert list(node.stored) == [uid]


@pytest.mark.parametrize("uid", ["nonsense", mint("elsewhere"), "n1"])
async def test_a_uid_of_no_node_is_refused(nodes, uid):
    async with cluster(*nodes) as router:
        with pytest.raises(errors.InvalidField, match="uid"):
            await router.placer.add(asked(uid=uid))


async def test_what_waited_for_a_node_that_goes_down_goes_elsewhere(nodes):
    """Only what was sent is unknown: behind a frozen node nothing else is held up longer than it takes to find out."""
    n1, n2, n3 = nodes
    async with cluster(n1, n2, n3, add_s=20, call_s=15) as router:
        n1.gate.clear()
        adds = [asyncio.create_task(router.placer.add(asked())) for _ in range(60)]
        async with asyncio.timeout(20):
            while not n1.batches or len(stored(nodes)) + len(n1.batches[0]) < 60:
                adds += [asyncio.create_task(router.placer.add(asked()))]
                await asyncio.sleep(0.01)
                if len(n1.batches) and router.pipes["n1"]._waiting:
                    break
        n1.ready_gate.clear()
        router.health.start()
        async with asyncio.timeout(20):
            while router.nodes.get("n1").up:
                await asyncio.sleep(0.01)
        unknown = len(n1.batches[0])
        async with asyncio.timeout(20):
            while sum(add.done() for add in adds) < len(adds) - unknown:
                await asyncio.sleep(0.01)
        n1.gate.set()
        n1.ready_gate.set()
        handed = await asyncio.gather(*adds)
        await router.health.stop()
    assert {one.status for one in handed} == {201}
    assert sorted(stored(nodes)) == sorted(one.uid for one in handed)


async def test_what_waits_for_a_node_that_is_kept_out_goes_elsewhere(nodes):
    n1, n2, n3 = nodes
    async with cluster(n1, n2, n3) as router:
        n1.gate.clear()
        adds = []
        async with asyncio.timeout(20):
            while not router.pipes["n1"]._waiting:
                adds.append(asyncio.create_task(router.placer.add(asked())))
                await asyncio.sleep(0.005)
        n1.ready["name"] = "n9"
        await router.health.look()
        held = {envelope["uid"] for envelope in n1.batches[0]}
        async with asyncio.timeout(20):
            while sum(add.done() for add in adds) < len(adds) - len(held):
                await asyncio.sleep(0.005)
        n1.gate.set()
        handed = await asyncio.gather(*adds)
    assert set(n1.stored) == held
    assert sorted(stored(nodes)) == sorted(one.uid for one in handed)


async def test_two_stores_of_one_id_and_a_store_of_another_name_are_kept_out(nodes):
    n1, n2, n3 = nodes
    n1.ready["store_id"] = n2.ready["store_id"]
    async with cluster(n1, n2, n3) as router:
        handed = await many(router.placer)
        assert {name_of(one.uid) for one in handed} == {"n3"}
        assert "n2" in router.nodes.get("n1").kept_out
        assert "n1" in router.nodes.get("n2").kept_out
        n1.ready["store_id"] = "its own again"
        n3.ready["name"] = "n9"
        await router.health.look()
        handed = await many(router.placer)
        assert {name_of(one.uid) for one in handed} == {"n1", "n2"}
        assert "n9" in router.nodes.get("n3").kept_out


@pytest.mark.parametrize("answer", [errors.Internal, 504, 502])
async def test_an_answer_that_does_not_say_that_nothing_was_stored_leaves_the_job_to_that_node(nodes, answer):
    failed = set()

    def behave(node, batch):
        told = [node.store(envelope) for envelope in batch]
        fresh = {envelope["uid"] for envelope in batch} - failed
        if not fresh:
            return told
        failed.update(fresh)
        return web.Response(status=answer) if isinstance(answer, int) else problem(answer)

    for node in nodes:
        node.behave = partial(behave, node)
    async with cluster(*nodes) as router:
        handed = [await router.placer.add(asked()) for _ in range(3)]
    assert [one.status for one in handed] == [201] * 3
    assert sorted(stored(nodes)) == sorted(one.uid for one in handed)


async def test_what_is_too_large_for_one_node_is_not_sent_to_the_others(nodes):
    for node in nodes:
        node.behave = lambda _: problem(errors.TooLarge)
    async with cluster(*nodes) as router:
        assert (await router.placer.add(asked())).error["status"] == 413
    assert sum(len(node.batches) for node in nodes) == 1


async def test_a_job_whose_turn_does_not_come_in_time_is_503_busy_and_not_stored(nodes):
    (node, *_) = nodes
    node.gate.clear()
    async with cluster(node, add_s=0.2, max_jobs=1) as router:
        tasks = [asyncio.create_task(router.placer.add(asked())) for _ in range(5)]
        async with asyncio.timeout(20):
            while not node.batches:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)
        node.gate.set()
        first, *others = await asyncio.gather(*tasks, return_exceptions=True)
    assert first.status == 201
    assert [(type(other), other.retry_after_s) for other in others] == [(errors.Busy, 2)] * 4
    assert stored(nodes) == [first.uid]


async def test_a_node_is_let_in_again_when_its_copy_is_stopped_but_not_the_copy(nodes):
    n1, n2, _ = nodes
    n2.ready["store_id"] = n1.ready["store_id"]
    async with cluster(*nodes) as router:
        assert [node.usable for node in router.nodes] == [False, False, True]
        await n2.stop()
        await router.health.look()
        await router.health.look()
        assert [node.kept_out is None for node in router.nodes] == [True, False, True]
        assert router.nodes["n1"].usable
        await n2.start()
