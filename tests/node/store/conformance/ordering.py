"""Jobs of an ordered key: one at a time, in order of arrival, whatever happens to them."""

from collections.abc import Awaitable, Callable

import pytest

from taskpusher_node.lifecycle import HELD_BY_ORDER, State
from taskpusher_node.store.base import Changed, Claimed, Settled, Verb

from ..bench import Bench

LATER_MS = 1_000
Move = Callable[[Bench, Claimed], Awaitable[object]]


async def line(bench: Bench, n: int, key: str = "k", **fields: object) -> list[str]:
    """Add ordered jobs of one key, in one call."""
    return await bench.add_many(n, key=key, ordered=True, **fields)


async def well(bench: Bench) -> None:
    """Look whether everything fits together."""
    walk = bench.store.verification()
    assert (walk.step(10_000), walk.done) == ([], True)


async def drained(bench: Bench) -> list[str]:
    """Complete all that becomes ready, one call at a time; who is let go is claimed only when that is durable."""
    order: list[str] = []
    await bench.durable()
    while part := await bench.run_all():
        order += part
        await bench.durable()
    return order


async def kill(bench: Bench) -> None:
    """Die with all that was done, and be well after it."""
    await bench.durable()
    await bench.kill_and_reopen()
    await well(bench)


ENDS: dict[str, Move] = {
    "completed": lambda bench, job: bench.settle(job, State.COMPLETED, tries=1),
    "error": lambda bench, job: bench.settle(job, State.ERROR, tries=1),
}


async def cancel_and_close(bench: Bench, job: Claimed) -> None:
    await bench.change(job.uid, Verb.CANCEL)
    assert await bench.settle(job, State.COMPLETED) is Settled.FENCED


ENDS["cancelled"] = cancel_and_close

HOLDING: dict[str, Move] = {
    "running": lambda bench, job: bench.durable(),
    "retried": lambda bench, job: bench.settle(job, State.SCHEDULED, due_ms=bench.now_ms + LATER_MS, tries=1),
    "interrupted": lambda bench, job: bench.settle(job, State.WAITING),
    "unreached": lambda bench, job: bench.settle(job, State.SCHEDULED, due_ms=bench.now_ms + LATER_MS, unreached=1),
}


class Ordering:
    """A line has one job that may be called; the others are held."""

    async def test_jobs_of_a_key_run_one_at_a_time_in_order_of_arrival(self, bench: Bench):
        uids = await line(bench, 3)
        uids += await line(bench, 2)
        assert [bench.head(uid).held for uid in uids] == [0] + [HELD_BY_ORDER] * 4
        for uid in uids:
            [job] = await bench.claim(10)
            assert job.uid == uid
            await bench.settle(job, State.COMPLETED, tries=1)
            await kill(bench)
        assert await bench.where() == {State.COMPLETED: uids[::-1]}

    async def test_two_in_one_turn_of_the_loop_see_each_other(self, bench: Bench):
        jobs = [bench.job(key="k", ordered=True) for _ in range(2)]
        for job in jobs:
            bench.store.put_new([job]).send(None)  # no await between them
        await bench.durable()
        assert [bench.head(job.uid).held for job in jobs] == [0, HELD_BY_ORDER]
        assert await bench.claim_uids(5) == [jobs[0].uid]

    async def test_lines_do_not_hold_each_other_nor_jobs_of_the_key_that_are_not_ordered(self, bench: Bench):
        await line(bench, 2, "k")
        await line(bench, 2, "k2")
        await bench.add(key="k")
        await bench.add()
        assert len(await bench.claim(10)) == 4

    async def test_jobs_of_a_line_may_be_of_any_queue_and_host(self, bench: Bench):
        uids = [await bench.add(key="k", ordered=True, queue=queue, host=host)
                for queue, host in (("x", "a:1"), ("y", "b:1"), ("x", "b:1"))]  # fmt: skip
        assert await drained(bench) == uids

    async def test_held_jobs_are_listed_and_counted_as_waiting(self, bench: Bench):
        uids = await line(bench, 3)
        assert await bench.where() == {State.WAITING: uids}
        assert bench.counts() == {State.WAITING: 3}
        await kill(bench)
        assert await bench.where() == {State.WAITING: uids}

    @pytest.mark.parametrize("end", ENDS)
    async def test_the_end_of_the_first_lets_the_next_go(self, bench: Bench, end: str):
        uids = await line(bench, 3)
        await ENDS[end](bench, await bench.start())
        await kill(bench)
        assert bench.head(uids[1]).held == 0
        assert await bench.claim_uids(5) == uids[1:2]

    @pytest.mark.parametrize("state", HOLDING)
    async def test_a_first_that_has_not_ended_holds_its_line(self, bench: Bench, state: str):
        uids = await line(bench, 2)
        await HOLDING[state](bench, await bench.start())
        await kill(bench)
        assert bench.head(uids[1]).held == HELD_BY_ORDER
        await bench.promote(LATER_MS)
        await kill(bench)
        assert await bench.claim_uids(5) == uids[:1]
        await kill(bench)
        assert await drained(bench) == uids

    async def test_only_a_durable_end_lets_the_next_be_called(self, bench: Bench):
        uids = await line(bench, 2)
        await bench.settle(await bench.start(), State.COMPLETED)
        assert await bench.claim() == []
        await bench.durable()
        assert await bench.claim_uids() == uids[1:]

    async def test_a_cancelled_first_lets_the_next_go_when_its_call_is_closed(self, bench: Bench):
        uids = await line(bench, 2)
        job = await bench.start()
        await bench.change(job.uid, Verb.CANCEL)
        await bench.durable()
        assert (bench.state(uids[0]), bench.head(uids[1]).held) == (State.CANCELLED, HELD_BY_ORDER)
        await well(bench)
        assert await bench.claim() == []
        await bench.settle(job, State.COMPLETED)
        await bench.durable()
        assert await bench.claim_uids() == uids[1:]
        await well(bench)

    @pytest.mark.parametrize("gone", [False, True])
    async def test_a_crash_closes_the_call_of_a_cancelled_first(self, bench: Bench, gone: bool):  # noqa: FBT001
        uids = await line(bench, 2)
        await bench.start()
        await bench.change(uids[0], Verb.CANCEL)
        if gone:
            await bench.change(uids[0], Verb.DELETE)
        await kill(bench)
        assert bench.head(uids[1]).held == 0
        await kill(bench)
        assert await drained(bench) == uids[1:]

    async def test_a_cancelled_first_that_is_retried_joins_behind_before_its_call_is_closed(self, bench: Bench):
        uids = await line(bench, 2)
        job = await bench.start()
        await bench.change(uids[0], Verb.CANCEL)
        await bench.change(uids[0], Verb.RETRY)
        await well(bench)
        assert await bench.claim() == []
        await bench.settle(job, State.COMPLETED)
        await kill(bench)
        assert await drained(bench) == [uids[1], uids[0]]

    async def test_one_that_is_cancelled_and_retried_and_lost_its_process_runs_behind_the_others(self, bench: Bench):
        uids = await line(bench, 2)
        await bench.start()
        await bench.change(uids[0], Verb.CANCEL)
        await bench.change(uids[0], Verb.RETRY)
        await kill(bench)
        assert await drained(bench) == [uids[1], uids[0]]

    async def test_a_cancelled_follower_leaves_its_line_alone(self, bench: Bench):
        uids = await line(bench, 4)
        await bench.start()
        await bench.change(uids[1], Verb.CANCEL)
        await bench.change(uids[3], Verb.CANCEL)
        await kill(bench)
        assert await bench.claim_uids(5) == uids[:1]
        await kill(bench)
        assert await drained(bench) == [uids[0], uids[2]]

    async def test_an_expired_follower_leaves_its_line_alone_and_an_expired_first_lets_the_next_go(self, bench: Bench):
        uids = [*await line(bench, 1), *await line(bench, 1, ttl_s=1.0), *await line(bench, 2)]
        job = await bench.start()
        await bench.promote(1_000)
        assert (bench.state(uids[1]), bench.head(uids[2]).held) == (State.ERROR, HELD_BY_ORDER)
        await bench.settle(job, State.COMPLETED)
        await kill(bench)
        assert await drained(bench) == uids[2:]
        first, *others = await line(bench, 3, ttl_s=1.0)
        last = await bench.add(key="k", ordered=True)
        await bench.promote(1_000)
        assert {bench.state(uid) for uid in (first, *others)} == {State.ERROR}
        await kill(bench)
        assert await drained(bench) == [last]

    async def test_all_of_a_line_can_be_cancelled_at_once(self, bench: Bench):
        await line(bench, 5)
        await bench.change_many(State.WAITING, Verb.CANCEL)
        await kill(bench)
        assert bench.counts() == {State.CANCELLED: 5}
        assert await bench.claim_uids() == [] != await line(bench, 1) == await bench.claim_uids()

    async def test_the_third_crash_of_the_first_lets_the_next_go(self, bench: Bench):
        uids = await line(bench, 2)
        for _ in range(3):
            await bench.start()
            await kill(bench)
        assert bench.state(uids[0]) is State.ERROR
        assert await bench.claim_uids(5) == uids[1:]

    async def test_a_suspect_of_a_crash_holds_its_line(self, bench: Bench):
        uids = await line(bench, 3)
        await bench.start()
        await kill(bench)
        assert await drained(bench) == uids

    async def test_retry_by_hand_joins_the_end_of_the_line(self, bench: Bench):
        uids = await line(bench, 3)
        await bench.settle(await bench.start(), State.ERROR, tries=1)
        await bench.change(uids[0], Verb.RETRY)
        await kill(bench)
        assert bench.head(uids[0]).held == HELD_BY_ORDER
        assert await drained(bench) == [*uids[1:], uids[0]]
        await bench.change(uids[1], Verb.RETRY)
        await kill(bench)
        assert await drained(bench) == uids[1:2]

    async def test_only_the_first_of_a_line_can_be_run_at_once(self, bench: Bench):
        uids = await line(bench, 2)
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + LATER_MS, tries=1)
        assert await bench.change(uids[1], Verb.RUN) is Changed.WRONG_STATE
        assert await bench.change(uids[0], Verb.RUN) is Changed.DONE
        await kill(bench)
        assert await drained(bench) == uids

    async def test_a_retried_first_finds_those_that_came_before_its_retry(self, bench: Bench):
        uids = await line(bench, 3)
        for _ in range(3):
            await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms, tries=1)
            await bench.promote(0)
        uids += await line(bench, 1)
        assert await drained(bench) == uids

    async def test_followers_of_what_was_ready_run_in_a_stop_and_what_came_later_does_not(self, bench: Bench):
        uids = await line(bench, 3)
        bench.store.park()
        later = await line(bench, 1)
        assert await bench.run_all() == uids
        await kill(bench)
        assert await drained(bench) == later

    async def test_a_line_tells_who_goes_first_and_how_many_are_before(self, bench: Bench):
        uids = await line(bench, 4)
        await bench.start()
        told = bench.store.held(uids[3], 10)
        assert (told.first, told.ahead, told.unique, told.closing) == (uids[0], 3, None, False)
        assert bench.store.held(uids[3], 2).ahead == 2
        await bench.change(uids[0], Verb.CANCEL)
        assert bench.store.held(uids[1], 10).closing
        assert bench.store.held(uids[0], 10).first is None
        assert bench.store.place(uids[1], 10).ahead == 0

    async def test_a_place_in_line_is_kept_beside_other_jobs_of_the_lane(self, bench: Bench):
        _, held = await line(bench, 2)
        others = await bench.add_many(5)
        await bench.settle(await bench.start(), State.COMPLETED)
        assert await drained(bench) == [held, *others]

    async def test_what_was_let_go_is_claimed_once_though_others_of_its_lane_are_on_disk(self, bench: Bench):
        uids = await line(bench, 3, limit=("l", 5, None, 1.0))
        await bench.settle(await bench.start(), State.COMPLETED, tries=1)
        await bench.durable()
        other = await bench.add(limit=("l", 5, None, 1.0))
        job = await bench.start()
        await bench.cancel(uids[2])
        await bench.settle(job, State.COMPLETED, tries=1)
        assert job.uid == uids[1]
        assert await bench.claim_uids(5) == [other]  # the end before it is not written yet
        await kill(bench)
        assert bench.state(uids[1]) is State.COMPLETED
