"""What limit keys and the numbers of queues promise: never too many at once, never too many in a time."""

import pytest

from taskpusher.job import Limit
from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Verb
from taskpusher_node.store.limits import LimitView

from ..bench import Bench, soon


def numbers(bench: Bench, key: str = "k") -> tuple[int | None, float | None]:
    """Return the concurrency and the rate of a limit key."""
    limit = bench.store.limit(key).limit
    return limit.concurrency, limit.rate


class LimitKeys:
    """Jobs that name one."""

    async def test_over_a_limit_jobs_wait_and_the_next_goes_when_one_ends(self, bench: Bench):
        uids = await bench.add_many(4, limit=("k", 2))
        other = await bench.add()
        running = await bench.claim(10)
        assert [job.uid for job in running] == [*uids[:2], other]
        assert bench.store.limit("k") == LimitView(Limit("k", 2), False, 2, 2)
        await bench.settle(running[0], State.COMPLETED)
        assert await bench.claim_uids(10) == uids[2:3]

    async def test_a_limit_holds_over_queues_hosts_and_priorities(self, bench: Bench):
        for n in range(6):
            await bench.add(queue=f"q{n % 2}", host=f"h{n % 3}:80", priority=n % 2, limit=("k", 2))
        assert len(await bench.claim(10)) == 2

    async def test_an_add_whose_fields_are_not_taken_says_nothing_of_the_limit(self, bench: Bench):
        await bench.add(limit=("k", 1), unique="t", on_conflict="keep")
        await bench.put(bench.job(limit=("k", 5), unique="t", on_conflict="keep"))
        assert numbers(bench) == (1, None)
        await bench.put(bench.job(limit=("k", 5), unique="t", on_conflict="replace"))
        await bench.kill_and_reopen()
        assert numbers(bench) == (5, None)

    async def test_numbers_of_a_later_job_wake_those_that_wait(self, bench: Bench):
        uids = await bench.add_many(2, limit=("k", 1))
        assert await bench.claim_uids(10) == uids[:1]
        woke = bench.heard.woke
        await bench.add(limit=("k", 5), delay_ms=500)
        assert bench.heard.woke > woke
        assert await bench.claim_uids(10) == uids[1:]

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_limit_holds_over_a_restart(self, bench: Bench, kill: bool):  # noqa: FBT001
        uids = await bench.add_many(5, limit=("k", 2))
        running = await bench.claim(10)
        assert len(running) == 2
        if kill:
            await bench.kill_and_reopen()
        else:
            for job in running:
                await bench.settle(job, State.WAITING)
            await bench.reopen()
        assert bench.store.limit("k") == LimitView(Limit("k", 2), False, 0, 5)
        claimed = await bench.claim(1) + await bench.claim(1) + await bench.claim(1)
        # what ran in a crash runs alone
        assert [job.uid for job in claimed] == ([uids[0], uids[2]] if kill else uids[:2])
        assert bench.store.verification().step(1_000) == []

    async def test_a_bucket_goes_on_after_a_kill_where_it_was(self, bench: Bench):
        await bench.add_many(9, limit=("k", None, 4.0))
        assert len(await bench.claim(3)) == 3
        await bench.kill_and_reopen()
        taken = await bench.claim(9)
        assert len(taken) == 1
        assert await bench.promote(249) == bench.now_ms + 1
        assert await bench.claim(9) == []
        await bench.settle(taken[0], State.COMPLETED)
        await bench.promote(1)
        assert len(await bench.claim(9)) == 1

    @pytest.mark.parametrize(("later_ms", "n"), [(-10_000, 0), (0, 0), (500, 1), (60_000, 2)])
    async def test_a_bucket_fills_while_the_store_is_closed_but_never_beyond_its_size(
        self, bench: Bench, later_ms: int, n: int
    ):
        await bench.add_many(9, limit=("k", None, 2.0))
        running = await bench.claim(9)
        assert len(running) == 2
        for job in running:
            await bench.settle(job, State.COMPLETED)
        await bench.store.close()
        bench.now_ms += later_ms
        await bench.open()
        assert len(await bench.claim(9)) == n

    async def test_a_shut_gate_opens_by_an_event(self, bench: Bench):
        await bench.add_many(3, limit=("k", None, 1.0, 10.0))
        assert len(await bench.claim(9)) == 1
        assert bench.heard.due == [bench.now_ms + 10_000]
        woke = bench.heard.woke
        await bench.promote(9_999)
        assert (bench.heard.woke, await bench.claim(9)) == (woke, [])
        await bench.promote(1)
        assert bench.heard.woke == woke + 1
        assert len(await bench.claim(9)) == 1

    async def test_a_token_is_taken_only_when_every_other_gate_is_open(self, bench: Bench):
        await bench.add_many(3, host="full:80", limit=("k", 1, 1.0))
        bench.store.limit_host("full:80", 0)
        assert await bench.claim(9) == []
        bench.store.limit_host("full:80", None)
        await bench.pause()
        assert await bench.claim(9) == []
        await bench.resume()
        await bench.number_queue(rate=1.0)
        [job] = await bench.claim(9)
        await bench.settle(job, State.COMPLETED)
        await bench.number_queue()
        bench.now_ms += 1_000
        await bench.promote()
        assert len(await bench.claim(9)) == 1

    async def test_what_turns_out_to_wait_no_more_takes_no_token(self, bench: Bench):
        uids = await bench.add_many(6, limit=("k", None, 2.0))
        for uid in uids[1:3]:
            await bench.change(uid, Verb.CANCEL)  # behind the head, so it is found stale only when its turn comes
        assert await bench.claim_uids(9) == [uids[0], uids[3]]

    async def test_the_newest_job_says_what_holds_unless_a_person_did(self, bench: Bench):
        await bench.add(limit=("k", 5))
        await bench.add(limit=("k", 1, 9.0))
        assert numbers(bench) == (1, 9.0)
        assert await bench.pin("k", 3, None)
        await bench.add(limit=("k", 7))
        assert numbers(bench) == (3, None)
        await bench.kill_and_reopen()
        await bench.add(limit=("k", 7))
        assert (numbers(bench), bench.store.limit("k").pinned) == ((3, None), True)
        await soon(bench.store.unpin_limit("k"))
        assert numbers(bench) == (3, None)
        await bench.add(limit=("k", 7))
        assert numbers(bench) == (7, None)

    async def test_a_lower_limit_aborts_nothing_and_a_higher_one_lets_more_run_at_once(self, bench: Bench):
        uids = await bench.add_many(6, limit=("k", 3))
        running = await bench.claim(9)
        await bench.pin("k", 1)
        await bench.settle(running[0], State.COMPLETED)
        await bench.settle(running[1], State.COMPLETED)
        assert await bench.claim(9) == []
        await bench.settle(running[2], State.COMPLETED)
        assert await bench.claim_uids(9) == uids[3:4]
        woke = bench.heard.woke
        await bench.pin("k", 3)
        assert bench.heard.woke > woke
        assert await bench.claim_uids(9) == uids[4:]

    async def test_a_cancelled_call_keeps_its_place_until_it_is_closed(self, bench: Bench):
        uids = await bench.add_many(3, limit=("k", 1))
        job = await bench.start()
        await bench.change(job.uid, Verb.CANCEL)
        assert await bench.claim(9) == []
        assert bench.store.limit("k") == LimitView(Limit("k", 1), False, 1, 2)
        await bench.settle(job, State.WAITING)
        [other] = await bench.claim(9)
        assert other.uid == uids[1]
        await bench.change(other.uid, Verb.CANCEL)
        await bench.durable()
        await bench.kill_and_reopen()  # which closed all calls
        assert await bench.claim_uids(9) == uids[2:]

    async def test_there_are_only_so_many_pins(self, bench: Bench):
        await bench.kill_and_reopen(max_pinned=2)
        assert [await bench.pin(key, 1) for key in ("a", "b", "c", "a")] == [True, True, False, True]
        await soon(bench.store.unpin_limit("a"))
        assert bench.store.limit("a") is None
        await bench.kill_and_reopen()
        assert await bench.pin("c", 1)
        assert not await bench.pin("d", 1)

    async def test_keys_are_told_in_order_and_in_parts(self, bench: Bench):
        await bench.pin("b", 1)
        for key in ("d", "a", "c"):
            await bench.add(limit=(key, 1))
        await bench.kill_and_reopen()
        assert [view.limit.key for view in bench.store.limits(after=None, n=2)] == ["a", "b"]
        assert [view.limit.key for view in bench.store.limits(after="b", n=9)] == ["c", "d"]
        assert bench.store.limits_known() == 4

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_key_is_forgotten_with_its_last_job_and_once_its_bucket_is_full(self, bench: Bench, kill: bool):  # noqa: FBT001
        await bench.add(limit=("places", 1))
        await bench.add(limit=("tokens", None, 1.0))
        for job in await bench.claim(9):
            await bench.settle(job, State.COMPLETED)
        await bench.durable()
        assert [view.limit.key for view in bench.store.limits(after=None, n=9)] == ["tokens"]
        if kill:
            await bench.kill_and_reopen()
        await bench.promote(1_000)
        await bench.add()
        assert bench.store.limits(after=None, n=9) == []
        assert bench.store.limits_known() == 0

    async def test_scheduled_jobs_keep_their_key_and_are_counted_when_they_wait(self, bench: Bench):
        await bench.add(delay_ms=100, limit=("k", 1))
        await bench.kill_and_reopen()
        assert bench.store.limit("k") == LimitView(Limit("k", 1), False, 0, 0)
        await bench.promote(100)
        assert bench.store.limit("k") == LimitView(Limit("k", 1), False, 0, 1)

    async def test_a_long_line_of_a_key_runs_in_order_through_a_kill(self, bench: Bench):
        uids = await bench.add_many(700, limit=("k", 3))
        order = []
        for part in range(2):
            for _ in range(350):
                claimed = await bench.claim(1)
                order.append(claimed[0].uid)
                await bench.settle(claimed[0], State.COMPLETED)
            if part == 0:
                await bench.durable()
                await bench.kill_and_reopen()
        assert order == uids
        assert await bench.claim(1) == []

    async def test_a_call_that_is_interrupted_takes_its_place_again_among_those_of_other_keys(self, bench: Bench):
        uids = [await bench.add(limit=(key, 1, None, 1.0)) for key in "abc"]
        for _ in range(2):
            await bench.settle(await bench.start(), State.WAITING)
        await bench.durable()
        await bench.kill_and_reopen()
        await bench.settle(await bench.start(), State.WAITING)
        assert await bench.run_all() == uids

    async def test_why_tells_the_gates_that_are_shut(self, bench: Bench):
        uids = await bench.add_many(3, limit=("k", 1, 1.0))
        [job] = await bench.claim(9)
        gate = bench.store.place(uids[2], 9).limit
        assert (gate.key, gate.concurrency, gate.running, gate.held_by) == ("k", 1, 1, (job.uid,))
        assert gate.next_token_ms == bench.now_ms + 1_000
        await bench.promote(1_000)
        await bench.settle(job, State.COMPLETED)
        place = bench.store.place(uids[2], 9)
        assert (place.limit, place.queue, place.ahead) == (None, None, 1)


class QueueLimits:
    """Numbers of a queue."""

    async def test_a_queue_runs_no_more_calls_than_it_may_over_a_kill(self, bench: Bench):
        await bench.add_many(5)
        others = await bench.add_many(2, queue="other")
        await bench.number_queue(concurrency=2)
        assert len(await bench.claim(9)) == 4
        await bench.kill_and_reopen()
        await bench.number_queue(concurrency=1, queue="other")
        claimed = [job for _ in range(9) for job in await bench.claim(1)]
        # what ran in a crash runs alone
        assert [job.spec.queue for job in claimed].count("default") <= 2
        assert len([job for job in claimed if job.uid in others]) <= 1
        view = bench.store.queue("default")
        assert (view.concurrency, view.rate, view.per) == (2, None, 1.0)

    async def test_numbers_given_while_calls_run_count_those(self, bench: Bench):
        uids = await bench.add_many(5)
        running = await bench.claim(3)
        await bench.number_queue(concurrency=3)
        assert await bench.claim(9) == []
        await bench.settle(running[0], State.COMPLETED)
        assert await bench.claim_uids(9) == uids[3:4]
        woke = bench.heard.woke
        await bench.number_queue()
        assert bench.heard.woke > woke
        assert await bench.claim_uids(9) == uids[4:]

    async def test_a_bucket_of_a_queue_goes_on_after_a_kill_where_it_was(self, bench: Bench):
        await bench.number_queue(rate=2.0)
        await bench.add_many(9)
        for job in await bench.claim(9):
            await bench.settle(job, State.COMPLETED)
        await bench.kill_and_reopen()
        assert await bench.claim(9) == []
        assert await bench.promote(0) == bench.now_ms + 500
        await bench.promote(500)
        assert len(await bench.claim(9)) == 1
        gate = bench.store.place((await bench.walk(State.WAITING))[0], 9).queue
        assert (gate.key, gate.rate, gate.next_token_ms) == (None, 2.0, bench.now_ms + 500)

    async def test_other_queues_go_on(self, bench: Bench):
        await bench.number_queue(concurrency=1)
        await bench.add_many(50)
        others = await bench.add_many(3, queue="other")
        assert set(await bench.claim_uids(9)) >= set(others)
