"""What `claim` promises, and `park`."""

import asyncio

import pytest

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Claimed, Settled, Verb

from ..bench import Bench, soon


def hosts(claimed: list[Claimed]) -> list[str]:
    return [job.spec.host for job in claimed]


def queues(claimed: list[Claimed]) -> list[str]:
    return [job.spec.queue for job in claimed]


class Claiming:
    """Which job is next, and that it is one's own."""

    async def test_nothing_ready_is_no_error(self, bench: Bench):
        assert await bench.claim(5) == []

    async def test_a_claim_begins_a_call(self, bench: Bench):
        uid = await bench.add()
        bench.now_ms += 700
        job = await bench.start()
        assert (job.uid, job.token.uid, job.token.attempt) == (uid, uid, 1)
        assert (job.head.state, job.head.started_ms, job.head.attempt) == (State.RUNNING, bench.now_ms, 1)
        assert bench.head(uid) == job.head
        assert bench.view(uid).spec == job.spec
        assert bench.counts() == {State.RUNNING: 1}

    async def test_no_more_than_asked_for_are_claimed(self, bench: Bench):
        uids = await bench.add_many(5)
        assert await bench.claim_uids(0) == []
        assert await bench.claim_uids(2) == uids[:2]
        assert await bench.claim_uids(9) == uids[2:]

    async def test_a_higher_priority_goes_first_then_the_earlier_job(self, bench: Bench):
        priorities = [0, -100, 5, 100, 5, 0]
        jobs = [bench.job(priority=priority) for priority in priorities]
        await bench.put(*jobs)
        assert await bench.run_all() == [jobs[i].uid for i in (3, 2, 4, 0, 5, 1)]

    async def test_at_equal_priority_the_host_with_fewest_calls_goes_first(self, bench: Bench):
        await bench.put(*(bench.job(host=host) for host in ("a:1", "a:1", "a:1", "b:1", "b:1", "c:1")))
        assert hosts(await bench.claim(6)) == ["a:1", "b:1", "c:1", "a:1", "b:1", "a:1"]

    async def test_a_higher_priority_goes_before_a_host_with_fewer_calls(self, bench: Bench):
        await bench.put(*(bench.job(host="a:1", priority=1) for _ in range(3)), bench.job(host="b:1"))
        assert hosts(await bench.claim(4)) == ["a:1", "a:1", "a:1", "b:1"]

    async def test_a_host_whose_call_ended_moves_up(self, bench: Bench):
        await bench.put(*(bench.job(host=host) for host in ("a:1", "a:1", "a:1", "b:1", "b:1", "b:1")))
        running = await bench.claim(4)
        for job in running:
            if job.spec.host == "b:1":
                await bench.settle(job, State.COMPLETED)
        assert hosts(await bench.claim(1)) == ["b:1"]

    async def test_each_job_goes_to_one_holder(self, bench: Bench):
        uids = await bench.add_many(10)
        parts = await asyncio.gather(*(bench.claim_uids(3) for _ in range(5)))
        assert sorted(uid for part in parts for uid in part) == sorted(uids)

    async def test_a_running_job_is_not_claimed_again(self, bench: Bench):
        await bench.add()
        await bench.start()
        assert await bench.claim(5) == []

    async def test_only_what_is_durable_is_claimed(self, bench: Bench):
        put = asyncio.ensure_future(bench.put(bench.job()))
        await asyncio.sleep(0)
        assert await bench.claim() == []
        await put
        assert len(await bench.claim()) == 1

    async def test_behind_many_cancelled_jobs_the_next_one_is_found(self, bench: Bench):
        uids = await bench.add_many(40)
        await asyncio.gather(*(bench.change(uid, Verb.CANCEL) for uid in uids[1:39]))
        assert await bench.run_all() == [uids[0], uids[39]]

    async def test_a_job_that_is_cancelled_in_the_same_breath_is_not_claimed(self, bench: Bench):
        uids = await bench.add_many(3)
        _, claimed = await asyncio.gather(bench.change(uids[1], Verb.CANCEL), bench.claim_uids(5))
        assert claimed == [uids[0], uids[2]]
        assert bench.counts() == {State.RUNNING: 2, State.CANCELLED: 1}

    async def test_a_job_that_expires_in_the_same_breath_is_not_claimed(self, bench: Bench):
        first, second = bench.job(), bench.job(ttl_s=1.0)
        await bench.put(first, second)
        promoting = asyncio.ensure_future(soon(bench.store.promote(bench.now_ms + 1_000)))
        await asyncio.sleep(0)
        assert await bench.claim_uids(2) == [first.uid]
        await promoting
        assert bench.counts() == {State.RUNNING: 1, State.ERROR: 1}

    async def test_a_job_whose_ttl_is_over_is_not_claimed(self, bench: Bench):
        await bench.add(ttl_s=1.0)
        bench.now_ms += 1_000
        assert await bench.claim() == []

    async def test_a_job_that_was_interrupted_in_the_same_breath_is_called_under_a_new_number(self, bench: Bench):
        await bench.add()
        first = await bench.start()
        await bench.claim()
        await bench.settle(first, State.WAITING)
        second = await bench.start()
        assert (first.token.attempt, second.token.attempt) == (1, 2)
        assert await bench.settle(first, State.COMPLETED) is Settled.FENCED

    async def test_a_long_line_is_claimed_in_order_whatever_is_added_meanwhile(self, bench: Bench):
        uids = await bench.add_many(1_500)
        claimed = await bench.claim_uids(700)
        uids += await bench.add_many(300)
        claimed += await bench.claim_uids(2_000)
        assert claimed == uids


class HostLimits:
    """A host runs no more calls at once than its caller lets it."""

    async def test_a_held_host_gets_no_call_and_its_jobs_keep_their_place(self, bench: Bench):
        await bench.put(*(bench.job(host=host) for host in ("a:1", "b:1", "a:1", "c:1")))
        for host in ("a:1", "c:1"):
            bench.store.limit_host(host, 0)
        assert hosts(await bench.claim(4)) == ["b:1"]
        for host in ("a:1", "c:1"):
            bench.store.limit_host(host, None)
        assert hosts(await bench.claim(4)) == ["a:1", "c:1", "a:1"]

    async def test_a_host_at_its_limit_goes_on_when_a_call_of_it_ends(self, bench: Bench):
        uids = await bench.add_many(4, host="a:1")
        bench.store.limit_host("a:1", 2)
        running = await bench.claim(4)
        assert [job.uid for job in running] == uids[:2]
        await bench.settle(running[0], State.COMPLETED)
        assert await bench.claim_uids(4) == [uids[2]]

    async def test_a_limit_counts_what_ran_before_and_aborts_nothing(self, bench: Bench):
        await bench.add_many(4, host="a:1")
        running = await bench.claim(3)
        bench.store.limit_host("a:1", 2)
        await bench.settle(running[0], State.COMPLETED)
        assert await bench.claim() == []
        await bench.settle(running[1], State.COMPLETED)
        assert len(await bench.claim(4)) == 1

    async def test_what_is_added_for_a_held_host_waits(self, bench: Bench):
        bench.store.limit_host("a:1", 0)
        uid = await bench.add(host="a:1")
        assert await bench.claim() == []
        woke = bench.heard.woke
        bench.store.limit_host("a:1", 1)
        assert bench.heard.woke > woke
        assert await bench.claim_uids() == [uid]

    async def test_a_job_of_a_held_host_can_be_cancelled(self, bench: Bench):
        uids = await bench.add_many(3, host="a:1")
        bench.store.limit_host("a:1", 0)
        await bench.change(uids[0], Verb.CANCEL)
        bench.store.limit_host("a:1", None)
        assert await bench.run_all() == uids[1:]

    async def test_an_interrupted_call_of_a_held_host_waits(self, bench: Bench):
        await bench.add(host="a:1")
        job = await bench.start()
        bench.store.limit_host("a:1", 0)
        await bench.settle(job, State.WAITING)
        assert await bench.claim() == []
        bench.store.limit_host("a:1", None)
        assert await bench.claim_uids() == [job.uid]

    async def test_a_limit_ends_with_the_store(self, bench: Bench):
        await bench.add(host="a:1")
        bench.store.limit_host("a:1", 0)
        await bench.reopen()
        assert len(await bench.claim()) == 1

    async def test_the_last_slot_goes_to_a_busy_host_where_all_others_are_held(self, bench: Bench):
        await bench.put(*(bench.job(host=host) for host in ("a:1", "a:1", "b:1", "c:1", "c:1")))
        bench.store.limit_host("b:1", 0)
        bench.store.limit_host("c:1", 1)
        assert hosts(await bench.claim(3, reserve=1)) == ["a:1", "c:1", "a:1"]


class Reserve:
    """The last slots are for hosts that have no call running."""

    async def test_the_last_slot_is_kept_from_a_busy_host_while_others_have_ready_jobs(self, bench: Bench):
        await bench.put(*(bench.job(host="a:1") for _ in range(6)), bench.job(host="b:1"), bench.job(host="b:1"))
        assert hosts(await bench.claim(4, reserve=1)) == ["a:1", "b:1", "a:1"]
        assert await bench.claim(1, reserve=1) == []

    async def test_the_last_slot_goes_to_an_idle_host(self, bench: Bench):
        await bench.put(*(bench.job(host="a:1") for _ in range(6)))
        await bench.claim(3, reserve=1)
        await bench.put(bench.job(host="b:1"))
        assert hosts(await bench.claim(1, reserve=1)) == ["b:1"]

    async def test_an_idle_host_of_lower_priority_gets_the_last_slot(self, bench: Bench):
        await bench.put(*(bench.job(host="a:1", priority=9) for _ in range(6)), bench.job(host="b:1"))
        assert hosts(await bench.claim(4, reserve=1)) == ["a:1", "a:1", "a:1", "b:1"]

    async def test_a_host_alone_gets_every_slot(self, bench: Bench):
        await bench.add_many(6, host="a:1")
        assert len(await bench.claim(4, reserve=1)) == 4
        assert len(await bench.claim(1, reserve=1)) == 1

    async def test_a_host_alone_gets_every_slot_in_several_queues_and_priorities(self, bench: Bench):
        await bench.put(*(bench.job(queue=queue, priority=p) for queue in ("x", "y") for p in (1, 2)))
        assert len(await bench.claim(4, reserve=2)) == 4

    async def test_queues_of_one_busy_host_have_their_turn_at_the_last_slot(self, bench: Bench):
        await bench.put(*(bench.job(queue=queue) for queue in ("x", "y") for _ in range(10)))
        await bench.claim(3, reserve=1)
        order = []
        for _ in range(8):
            job = (await bench.claim(1, reserve=1))[0]
            order.append(job.spec.queue)
            await bench.settle(job, State.COMPLETED)
        assert sorted(order) == ["x"] * 4 + ["y"] * 4

    async def test_at_the_last_slot_a_busy_host_still_goes_by_priority(self, bench: Bench):
        await bench.add_many(3)
        await bench.claim(3, reserve=1)
        low, high = await bench.add(priority=1), await bench.add(priority=2)
        assert await bench.claim_uids(1, reserve=1) == [high]
        assert await bench.claim_uids(1, reserve=1) == [low]


class QueuesInTurn:
    """Queues take turns; a pause takes one out."""

    async def test_queues_are_served_in_turn_whatever_their_length_and_priorities(self, bench: Bench):
        await bench.put(*(bench.job(queue="x", priority=50) for _ in range(4)))
        await bench.put(*(bench.job(queue="y") for _ in range(2)), bench.job(queue="z"))
        served = queues(await bench.claim(7))
        assert sorted(served[:3]) == ["x", "y", "z"]
        assert sorted(served[3:5]) == ["x", "y"]
        assert served[5:] == ["x", "x"]

    async def test_the_turn_goes_on_from_claim_to_claim(self, bench: Bench):
        await bench.put(*(bench.job(queue=queue) for queue in ("x", "y") for _ in range(3)))
        served = [queues(await bench.claim(1))[0] for _ in range(6)]
        assert served[:2] != ["x", "x"]
        assert served[0::2] in (["x"] * 3, ["y"] * 3)

    async def test_a_paused_queue_is_not_claimed_from_and_the_others_are(self, bench: Bench):
        still, other = await bench.add(queue="x"), await bench.add(queue="y")
        await bench.pause("x")
        assert await bench.claim_uids(5) == [other]
        await bench.resume("x")
        assert await bench.claim_uids(5) == [still]

    async def test_a_resume_wakes_whoever_claims(self, bench: Bench):
        await bench.add()
        await bench.pause()
        woke = bench.heard.woke
        await bench.resume()
        assert bench.heard.woke > woke

    async def test_a_pause_takes_jobs_but_gives_none(self, bench: Bench):
        await bench.pause()
        uids = await bench.add_many(2)
        assert await bench.claim(5) == []
        await bench.resume()
        assert await bench.run_all() == uids

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_pause_outlives_a_restart(self, bench: Bench, kill: bool):  # noqa: FBT001
        await bench.add(queue="x")
        await bench.pause("x")
        await (bench.kill_and_reopen() if kill else bench.reopen())
        assert await bench.claim() == []
        await bench.resume("x")
        await (bench.kill_and_reopen() if kill else bench.reopen())
        assert len(await bench.claim()) == 1

    async def test_the_running_calls_of_a_paused_queue_can_end(self, bench: Bench):
        await bench.add_many(2)
        job = await bench.start()
        await bench.pause()
        assert await bench.settle(job, State.WAITING) is Settled.APPLIED
        assert await bench.claim(5) == []
        await bench.resume()
        assert (await bench.claim_uids(1)) == [job.uid]


class Parking:
    """A stop runs down only what is ready at its beginning."""

    async def test_what_was_ready_is_claimed_and_what_comes_later_is_not(self, bench: Bench):
        ready = await bench.add_many(2)
        due = await bench.add(delay_ms=100)
        ended = await bench.bring(State.CANCELLED, priority=-1)
        bench.store.park()
        later = await bench.add()
        await bench.promote(100)
        await bench.change(ended, Verb.RETRY)
        assert await bench.run_all() == ready
        assert {bench.state(uid) for uid in (due, later, ended)} == {State.WAITING}

    async def test_a_long_line_is_run_down_to_the_park_and_not_beyond(self, bench: Bench):
        ready = await bench.add_many(1_200)
        bench.store.park()
        await bench.add_many(10)
        claimed = []
        while part := await bench.claim_uids(500):
            claimed += part
        assert claimed == ready

    async def test_an_interrupted_call_of_before_is_ready_again(self, bench: Bench):
        uid = await bench.add()
        job = await bench.start()
        bench.store.park()
        await bench.settle(job, State.WAITING)
        assert await bench.claim_uids(1) == [uid]

    async def test_what_was_parked_runs_after_the_next_start_in_its_order(self, bench: Bench):
        bench.store.park()
        uids = await bench.add_many(3)
        await bench.reopen()
        assert await bench.run_all() == uids
