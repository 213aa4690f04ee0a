"""Adds go to a node many in one call, each with an answer of its own."""

import asyncio
from time import monotonic

import pytest
from aiohttp import web

from taskpusher_router.nodes import Unanswered
from taskpusher_router.pipe import Overdue, Refused

from .scripted import Scripted, cluster


@pytest.fixture
async def node():
    async with Scripted("n1") as scripted:
        yield scripted


def envelope(n):
    return b'{"uid":"u%d","json":{"n":%d}}' % (n, n)


async def begun(node, pipe, n):
    """Hand `n` jobs over behind a first one that the node holds; returns their tasks."""
    node.gate.clear()
    first = asyncio.create_task(pipe.put(envelope(0)))
    async with asyncio.timeout(20):
        while not node.batches:
            await asyncio.sleep(0.005)
    return [first, *(asyncio.create_task(pipe.put(envelope(i))) for i in range(1, n + 1))]


async def test_what_comes_while_a_call_is_under_way_makes_the_next_one(node):
    async with cluster(node) as router:
        tasks = await begun(node, router.pipes["n1"], 30)
        await asyncio.sleep(0)
        node.gate.set()
        handed = await asyncio.gather(*tasks)
    assert [one.uid for one in handed] == [f"u{n}" for n in range(31)]
    assert [len(batch) for batch in node.batches] == [1, 30]


async def test_a_call_has_no_more_jobs_than_it_may(node):
    async with cluster(node, max_jobs=10) as router:
        tasks = await begun(node, router.pipes["n1"], 25)
        await asyncio.sleep(0)
        node.gate.set()
        await asyncio.gather(*tasks)
    assert [len(batch) for batch in node.batches] == [1, 10, 10, 5]


async def test_a_call_has_no_more_bytes_than_it_may_but_a_job_that_is_larger_goes_alone(node):
    async with cluster(node, max_bytes=3 * len(envelope(1))) as router:
        pipe = router.pipes["n1"]
        tasks = await begun(node, pipe, 5)
        tasks.append(asyncio.create_task(pipe.put(b'{"uid":"large","json":"%s"}' % (b"x" * 1_000))))
        await asyncio.sleep(0)
        node.gate.set()
        assert (await asyncio.gather(*tasks))[-1].uid == "large"
    assert [len(batch) for batch in node.batches] == [1, 3, 2, 1]


async def test_each_job_hears_of_its_own_error(node):
    node.behave = lambda batch: [{"error": {"type": "t", "status": 422, "n": e["json"]["n"]}} for e in batch]
    async with cluster(node) as router:
        handed = await asyncio.gather(*(router.pipes["n1"].put(envelope(n)) for n in range(5)))
    assert [one.error["n"] for one in handed] == list(range(5))


@pytest.mark.parametrize("status", [413, 400])
async def test_what_a_node_cannot_read_together_is_handed_over_one_by_one(node, status):
    store = node.behave
    node.behave = lambda batch: store(batch) if len(batch) == 1 else web.Response(status=status)
    async with cluster(node) as router:
        handed = await asyncio.gather(*(router.pipes["n1"].put(envelope(n)) for n in range(5)))
    assert [one.uid for one in handed] == [f"u{n}" for n in range(5)]


async def test_the_one_that_a_node_cannot_read_is_found_among_many_in_few_calls(node):
    store = node.behave
    node.behave = lambda batch: (
        web.Response(status=400) if any(each["uid"] == "u77" for each in batch) else [store([e])[0] for e in batch]
    )
    async with cluster(node) as router:
        pipe = router.pipes["n1"]
        handed = await asyncio.gather(*(pipe.put(envelope(n)) for n in range(500)), return_exceptions=True)
    refused = [n for n, one in enumerate(handed) if isinstance(one, Refused)]
    assert refused == [77]
    assert len(node.stored) == 499
    assert len(node.batches) < 25


async def test_what_waits_longer_than_it_may_is_not_sent_any_more(node):
    async with cluster(node) as router:
        tasks = await begun(node, router.pipes["n1"], 1)
        late = asyncio.create_task(router.pipes["n1"].put(envelope(9), monotonic()))
        await asyncio.sleep(0.01)
        node.gate.set()
        await asyncio.gather(*tasks)
        with pytest.raises(Overdue):
            await late
    assert set(node.stored) == {"u0", "u1"}


UNREADABLE = [b'[{"uid":"\xff"}]', b'[{"error":' + b'{"a":' * 50_000]


@pytest.mark.parametrize("body", UNREADABLE, ids=["no UTF-8", "nested"])
async def test_an_answer_that_is_no_json_leaves_nobody_waiting(node, body):
    node.behave = lambda _: web.Response(body=body)
    async with cluster(node) as router:
        with pytest.raises(Unanswered):
            await asyncio.wait_for(router.pipes["n1"].put(envelope(1)), 20)


@pytest.mark.parametrize("answer", [[], [{"uid": "a"}, {"uid": "b"}], {"no": "list"}, [{"status": "x"}]])
async def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown(node, answer):
    node.behave = lambda _: answer
    async with cluster(node) as router:
        with pytest.raises(Unanswered):
            await router.pipes["n1"].put(envelope(1))


async def test_a_client_that_goes_takes_nobody_elses_answer_with_it(node):
    async with cluster(node) as router:
        tasks = await begun(node, router.pipes["n1"], 3)
        await asyncio.sleep(0)
        tasks[2].cancel()
        node.gate.set()
        handed = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(handed[2], asyncio.CancelledError)
    assert [one.uid for one in handed if not isinstance(one, BaseException)] == ["u0", "u1", "u3"]
