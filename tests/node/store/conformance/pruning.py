"""What `prune` promises: the oldest finished jobs go, and nothing else does."""

import pytest

from taskpusher_node.lifecycle import FINISHED, State
from taskpusher_node.store.base import Pruned, Verb, Why

from ..bench import Bench, soon

EVER = dict.fromkeys(FINISHED, 2**62)


async def finish(bench: Bench, *states: State, later_ms: int = 10) -> list[str]:
    """Bring a job into each state, one after the other."""
    uids = []
    for state in states:
        bench.now_ms += later_ms
        uids.append(await bench.bring(state))
    return uids


async def prune(bench: Bench, n: int = 1_000, why: Why = Why.COUNT, before: dict[State, int] = EVER) -> int:
    """Prune until `n` are gone or none is left."""
    gone = 0
    while True:
        pruned = await soon(bench.store.prune(why, before, n - gone))
        gone += pruned.n
        if not pruned.more or gone == n:
            return gone


class Pruning:
    """By age, by number, and only what has ended."""

    async def test_what_ended_before_the_time_of_its_state_goes(self, bench: Bench):
        old = await finish(bench, State.COMPLETED, State.ERROR, State.CANCELLED)
        between_ms = bench.now_ms + 5
        new = await finish(bench, State.COMPLETED, State.ERROR, State.CANCELLED)
        assert await prune(bench, before={State.COMPLETED: between_ms, State.ERROR: 0, State.CANCELLED: 0}) == 1
        assert bench.store.get(old[0]) is None
        assert await prune(bench, before=dict.fromkeys(FINISHED, between_ms)) == 2
        assert await bench.where() == {
            State.COMPLETED: new[:1],
            State.ERROR: new[1:2],
            State.CANCELLED: new[2:],
        }

    async def test_one_that_ended_at_the_time_itself_stays(self, bench: Bench):
        [uid] = await finish(bench, State.COMPLETED)
        assert await prune(bench, before={State.COMPLETED: bench.now_ms}) == 0
        assert await prune(bench, before={State.COMPLETED: bench.now_ms + 1}) == 1
        assert bench.store.get(uid) is None

    async def test_of_all_that_ended_the_oldest_go_first(self, bench: Bench):
        uids = await finish(bench, *[State.ERROR, State.COMPLETED, State.COMPLETED, State.CANCELLED] * 5)
        for n in (1, 2, 7):
            assert await prune(bench, n) == n
            uids = uids[n:]
            left = [uid for listing in (await bench.where()).values() for uid in listing]
            assert sorted(left) == sorted(uids)

    async def test_what_has_not_ended_stays_for_ever(self, bench: Bench):
        await bench.pause("x")
        kept = {
            State.RUNNING: [await bench.bring(State.RUNNING)],
            State.SCHEDULED: [await bench.bring(State.SCHEDULED)],
            State.WAITING: [await bench.add(queue="x")],
        }
        assert await prune(bench) == 0
        assert await bench.where() == kept

    async def test_a_job_that_was_retried_by_hand_stays(self, bench: Bench):
        uids = await finish(bench, State.ERROR, State.ERROR)
        await bench.change(uids[0], Verb.RETRY)
        assert await prune(bench) == 1
        assert await bench.where() == {State.WAITING: uids[:1]}
        assert await bench.run_all() == uids[:1]

    async def test_counts_are_right_after_it_and_stay_so(self, bench: Bench):
        await finish(bench, State.COMPLETED, State.ERROR)
        bench.now_ms += 10
        await bench.add(queue="x")
        await bench.run_all()
        assert await prune(bench, 2) == 2
        await bench.durable()
        for _ in range(2):
            assert bench.counts() == {State.COMPLETED: 1}
            assert {queue.name: queue.counts[State.COMPLETED] for queue in bench.store.queues()} == {
                "default": 0,
                "x": 1,
            }
            await bench.kill_and_reopen()

    async def test_what_was_pruned_is_gone_with_its_attempts(self, bench: Bench):
        uid = await bench.add()
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms, tries=1)
        await bench.promote(1)
        assert await bench.run_all() == [uid]
        assert len(bench.view(uid).attempts) == 1
        assert await prune(bench) == 1
        await bench.durable()
        await bench.kill_and_reopen()
        assert (bench.store.get(uid, attempts=True), await bench.where()) == (None, {})
        assert await bench.put(bench.job(uid=uid, given=True)) == ["created"]
        assert bench.view(uid).attempts == []

    async def test_it_goes_on_where_it_left_off_after_a_restart(self, bench: Bench):
        uids = await finish(bench, *[State.COMPLETED] * 6)
        assert await prune(bench, 2) == 2
        await bench.reopen()
        assert await prune(bench, 2) == 2
        assert await bench.where() == {State.COMPLETED: uids[:3:-1]}

    async def test_more_than_a_look_takes_that_ended_in_the_same_millisecond(self, bench: Bench):
        for _ in range(3):
            await bench.add_many(60)
            await bench.run_all()
        assert await prune(bench, 130) == 130
        assert bench.counts() == {State.COMPLETED: 50}
        assert await prune(bench) == 50
        assert await bench.where() == {}

    async def test_ends_far_apart_are_found(self, bench: Bench):
        for later_ms in (1, 86_400_000, 31_536_000_000, 1):
            await finish(bench, State.COMPLETED, later_ms=later_ms)
        assert await prune(bench, 3) == 3
        assert await prune(bench) == 1

    async def test_after_the_clock_stepped_back_what_ends_is_listed_and_pruned(self, bench: Bench):
        await finish(bench, State.COMPLETED)
        assert await prune(bench, before={State.COMPLETED: bench.now_ms + 1}) == 1
        bench.now_ms -= 3_600_000
        uids = await finish(bench, State.COMPLETED, State.COMPLETED)
        assert await bench.where() == {State.COMPLETED: uids[::-1]}
        assert await prune(bench, 1) == 1
        assert await bench.where() == {State.COMPLETED: uids[1:]}

    async def test_a_call_ends_after_n_and_tells_whether_there_may_be_more(self, bench: Bench):
        await finish(bench, *[State.COMPLETED] * 3)
        assert await soon(bench.store.prune(Why.COUNT, EVER, 2)) == Pruned(2, more=True)
        assert await soon(bench.store.prune(Why.COUNT, EVER, 2)) == Pruned(1, more=False)
        assert await soon(bench.store.prune(Why.COUNT, EVER, 2)) == Pruned(0, more=False)

    @pytest.mark.parametrize("why", list(Why))
    async def test_what_was_deleted_is_counted_by_its_reason(self, bench: Bench, why: Why):
        uids = await finish(bench, *[State.COMPLETED] * 3)
        await bench.change(uids[0], Verb.DELETE)
        assert await prune(bench, why=why) == 2
        totals = bench.store.totals
        deleted = {each: getattr(totals, f"deleted_{each}") for each in Why}
        assert (totals.deleted, deleted) == (1, dict.fromkeys(Why, 0) | {why: 2})

    async def test_space_is_reclaimed_and_the_rest_is_as_it_was(self, bench: Bench):
        uids = await finish(bench, *[State.COMPLETED] * 4)
        await prune(bench, 2)
        await soon(bench.store.reclaim())
        await soon(bench.store.reclaim())
        assert await bench.where() == {State.COMPLETED: uids[:1:-1]}
        await bench.kill_and_reopen()
        assert await bench.where() == {State.COMPLETED: uids[:1:-1]}
