"""What a job leaves behind when it ends, and what it asks for instead of an end."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs

from taskpusher.job import CALLBACK_QUEUE, Callback
from taskpusher.job import ENDS as ENDS_NAMES
from taskpusher_node.lifecycle import CRASHES_MAX, State
from taskpusher_node.store.base import Changed, Put, Verb

from ..bench import Bench, soon

TOLD = Callback("http://told:80/", "told:80", {"X-Secret": "s"}, max_attempts=3, timeout_s=9.0)


async def complete(bench: Bench, uid: str) -> None:
    await bench.settle(await bench.start(), State.COMPLETED, tries=1)


async def fail(bench: Bench, uid: str) -> None:
    await bench.settle(await bench.start(), State.ERROR, tries=1)


async def cancel(bench: Bench, uid: str) -> None:
    assert await bench.change(uid, Verb.CANCEL) is Changed.DONE


async def cancel_running(bench: Bench, uid: str) -> None:
    await bench.start()
    await cancel(bench, uid)


async def cancel_many(bench: Bench, uid: str) -> None:
    assert (await bench.change_many(State.WAITING, Verb.CANCEL)).done == 1


async def expire(bench: Bench, uid: str) -> None:
    await bench.promote(30_000)


async def crash(bench: Bench, uid: str) -> None:
    for _ in range(CRASHES_MAX):
        await bench.start()
        await bench.durable()
        await bench.kill_and_reopen()


ENDS: list[tuple[Callable[[Bench, str], Awaitable[None]], State]] = [
    (complete, State.COMPLETED),
    (fail, State.ERROR),
    (cancel, State.CANCELLED),
    (cancel_running, State.CANCELLED),
    (cancel_many, State.CANCELLED),
    (expire, State.ERROR),
    (crash, State.ERROR),
]
every_end = pytest.mark.parametrize(("end", "state"), ENDS)


async def callbacks(bench: Bench, state: State = State.WAITING) -> list[Any]:
    """Return what stands in the queue of callbacks."""
    return [bench.view(uid) for uid in await bench.walk(state, queue=CALLBACK_QUEUE)]


class Snoozing:
    """A job that its application asks to call again later."""

    async def test_a_snooze_is_counted_and_uses_no_try_also_after_a_kill(self, bench: Bench):
        uid = await bench.add()
        for n in (1, 2):
            due_ms = bench.now_ms + 60_000
            await bench.settle(await bench.start(), State.SCHEDULED, due_ms=due_ms, snoozed_s=60.0, outcome="snoozed")
            await bench.durable()
            await bench.kill_and_reopen()
            head = bench.head(uid)
            assert (head.state, head.due_ms, head.tries, head.snoozes) == (State.SCHEDULED, due_ms, 0, n)
            assert (head.snoozed_s, head.last.outcome) == (60.0 * n, "snoozed")
            await bench.promote(60_000)
        tally = bench.store.tallies["default"]
        assert (tally.retries, tally.results["snoozed"]) == (0, 0)  # counts are of a process
        await bench.settle(await bench.start(), State.SCHEDULED, snoozed_s=1.0, outcome="snoozed")
        assert (tally.retries, tally.results["snoozed"]) == (0, 1)

    async def test_a_retry_by_hand_forgets_the_snoozes(self, bench: Bench):
        uid = await bench.add()
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms, snoozed_s=60.0)
        await bench.change(uid, Verb.CANCEL)
        await bench.change(uid, Verb.RETRY)
        await bench.kill_and_reopen()
        assert (bench.head(uid).snoozes, bench.head(uid).snoozed_s) == (0, 0.0)


class Callbacks:
    """A job that tells of the end of another."""

    @every_end
    async def test_every_end_is_told_once_in_the_same_write(self, bench: Bench, end, state):
        uid = await bench.add(callback=TOLD, ttl_s=20.0)
        await end(bench, uid)
        await bench.durable()
        for _ in range(2):
            assert bench.state(uid) is state
            [told] = await callbacks(bench)
            assert (told.spec.callback_of, json.loads(told.spec.body)["state"]) == (uid, state)
            await bench.kill_and_reopen()
        assert bench.store.verification().step(1_000) == []

    @pytest.mark.parametrize("turns", range(6))
    @pytest.mark.parametrize(("end", "state"), ENDS[:-1])
    async def test_a_kill_at_any_moment_leaves_both_the_end_and_its_callback_or_neither(
        self, bench: Bench, end, state, turns
    ):
        uid = await bench.add(callback=TOLD, ttl_s=20.0)
        ending = asyncio.create_task(end(bench, uid))
        for _ in range(turns):
            await asyncio.sleep(0)
        await bench.engine.kill()
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        await bench.open()
        told = await callbacks(bench)
        assert [job.spec.callback_of for job in told] == ([uid] if bench.state(uid) is state else [])

    async def test_a_callback_is_claimed_only_when_the_end_is_durable(self, bench: Bench):
        uid = await bench.add(callback=TOLD)
        await bench.settle(await bench.start(), State.COMPLETED)
        assert await bench.claim() == []
        await bench.durable()
        [told] = await bench.claim()
        assert told.spec.callback_of == uid

    async def test_a_callback_is_a_job_that_posts_what_became_of_the_other(self, bench: Bench):
        added_ms = bench.now_ms
        uid = await bench.add(callback=TOLD, max_attempts=3, redact=("code",), priority=5, key="k")
        for to in (State.SCHEDULED, State.SCHEDULED, State.COMPLETED):
            await bench.settle(await bench.start(), to, due_ms=bench.now_ms, tries=1)
            await bench.promote(1_000)
        [told] = await callbacks(bench)
        spec = told.spec
        assert (spec.method, spec.url, spec.host, spec.headers) == ("POST", TOLD.url, TOLD.host, TOLD.headers)
        assert (spec.queue, spec.success, spec.max_attempts, spec.timeout_s) == (CALLBACK_QUEUE, "2xx", 3, 9.0)
        assert (spec.redact, spec.body_kind, spec.priority) == (("code",), "json", 0)
        assert (spec.key, spec.callback, spec.callback_of) == (None, None, uid)
        assert json.loads(spec.body) == {"uid": uid, "state": "completed", "added": added_ms, "calls": [3, 2, 1]}
        await bench.durable()
        assert bench.heard.ended == [uid]

    async def test_an_end_by_the_third_crash_tells_of_every_call(self, bench: Bench):
        uid = await bench.add(callback=TOLD)
        await crash(bench, uid)
        [told] = await callbacks(bench)
        assert json.loads(told.spec.body)["calls"] == [3, 2, 1]
        [claimed] = await bench.claim()
        assert (claimed.uid, claimed.spec.callback_of) == (told.uid, uid)

    @every_end
    async def test_only_the_ends_that_were_asked_for_are_told(self, bench: Bench, end, state):
        others = tuple(name for name in ENDS_NAMES if name != state)
        uid = await bench.add(callback=structs.replace(TOLD, on=others), ttl_s=20.0)
        await end(bench, uid)
        await bench.durable()
        await bench.kill_and_reopen()
        assert (bench.state(uid), await callbacks(bench)) == (state, [])

    async def test_a_call_that_comes_again_and_an_interruption_are_no_end(self, bench: Bench):
        await bench.add(callback=TOLD)
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms, tries=1)
        await bench.promote()
        await bench.settle(await bench.start(), State.WAITING)
        await bench.start()
        await bench.kill_and_reopen()
        assert await callbacks(bench) == []

    async def test_each_new_end_after_a_retry_by_hand_is_told(self, bench: Bench):
        uid = await bench.add(callback=TOLD)
        await cancel(bench, uid)
        await bench.pause(CALLBACK_QUEUE)
        assert await bench.change(uid, Verb.RETRY) is Changed.DONE
        await bench.kill_and_reopen()
        await complete(bench, uid)
        assert [json.loads(job.spec.body)["state"] for job in await callbacks(bench)] == ["cancelled", "completed"]

    async def test_to_delete_a_job_is_no_end_of_it(self, bench: Bench):
        uid = await bench.add(callback=TOLD)
        await cancel(bench, uid)
        assert await bench.change(uid, Verb.DELETE) is Changed.DONE
        await bench.kill_and_reopen()
        [told] = await callbacks(bench)
        assert told.spec.callback_of == uid

    async def test_the_end_of_a_callback_is_told_to_nobody(self, bench: Bench):
        await cancel(bench, await bench.add(callback=TOLD))
        assert len(await bench.run_all()) == 1
        assert await callbacks(bench) == []
        assert len(await callbacks(bench, State.COMPLETED)) == 1

    async def test_callbacks_are_listed_and_changed_only_where_their_queue_is_named(self, bench: Bench):
        await cancel(bench, await bench.add(callback=TOLD))
        [told] = await callbacks(bench)
        await bench.kill_and_reopen()
        assert await bench.walk(State.WAITING) == []
        assert (await bench.change_many(State.WAITING, Verb.CANCEL)).done == 0
        assert (await bench.change_many(State.WAITING, Verb.CANCEL, queue=CALLBACK_QUEUE)).done == 1
        assert bench.state(told.uid) is State.CANCELLED

    async def test_a_group_of_errors_lists_the_callbacks_that_it_counts(self, bench: Bench):
        await cancel(bench, await bench.add(callback=TOLD))
        [told] = await callbacks(bench)
        await fail(bench, told.uid)
        await bench.durable()
        await bench.kill_and_reopen()
        [group] = bench.store.groups()
        assert await bench.walk(State.ERROR, group=group.group.id) == [told.uid]

    async def test_the_queue_of_callbacks_takes_no_other_ones_room_and_waits_for_none(self, bench: Bench):
        await bench.reopen(max_queues=2)
        assert CALLBACK_QUEUE not in [queue.name for queue in bench.store.queues()]
        uid = await bench.add(queue="x", callback=TOLD)
        await cancel(bench, uid)
        assert len(await callbacks(bench)) == 1
        assert [queue.name for queue in bench.store.queues()] == [CALLBACK_QUEUE, "default", "x"]
        assert await bench.put(bench.job(queue="y")) == [Put.NO_QUEUE]
        await bench.reopen(max_queues=3)
        assert await bench.put(bench.job(queue="y"), bench.job(queue="z")) == [Put.CREATED, Put.NO_QUEUE]
        assert await soon(bench.store.declare_queue("z")) is Put.NO_QUEUE
        assert await soon(bench.store.declare_queue(CALLBACK_QUEUE)) is Put.SAME

    async def test_callbacks_are_counted_by_themselves(self, bench: Bench):
        await cancel(bench, await bench.add(queue="x", callback=TOLD))
        assert (bench.store.tallies[CALLBACK_QUEUE].added, bench.store.tallies["other"].added) == (1, 1)
        assert bench.store.totals.added == 2
