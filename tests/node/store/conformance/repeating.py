"""What adds that come again are promised: answered twice, stored once."""

import asyncio
from typing import Any

import pytest

from taskpusher.job import Limit
from taskpusher_node.lifecycle import CRASHES_MAX, FINISHED, State
from taskpusher_node.store.base import Placed, Put, Verb, Why

from ..bench import Bench, soon

DAY_MS = 86_400_000
SKEW_MS = 60_000


class IdempotencyKeys:
    """A key is that of one job, whatever becomes of it."""

    async def test_a_repeat_is_told_the_first_uid_and_not_stored(self, bench: Bench):
        first = await bench.add(idempotency_key="k")
        for _ in range(2):
            assert await bench.place(bench.job(idempotency_key="k")) == [Placed(Put.SAME, first)]
            await bench.kill_and_reopen()
        assert await bench.where() == {State.WAITING: [first]}
        assert await bench.run_all() == [first]

    async def test_other_fields_are_a_mismatch_and_the_first_job_stays(self, bench: Bench):
        first = await bench.add(idempotency_key="k")
        for _ in range(2):
            other = bench.job(idempotency_key="k", priority=1)
            assert await bench.place(other) == [Placed(Put.MISMATCH, first)]
            await bench.kill_and_reopen()
        assert await bench.where() == {State.WAITING: [first]}
        assert bench.view(first).spec.priority == 0

    async def test_the_same_text_under_another_scope_is_another(self, bench: Bench):
        scopes = [{}, {"key": "a"}, {"key": "b"}, {"limit": Limit("a")}, {"key": "a", "limit": Limit("b")}]
        uids = [await bench.add(idempotency_key="k", **scope) for scope in scopes]
        await bench.kill_and_reopen()
        for uid, scope in zip(uids, scopes, strict=True):
            assert await bench.place(bench.job(idempotency_key="k", **scope)) == [Placed(Put.SAME, uid)]
        assert bench.counts() == {State.WAITING: len(scopes)}

    async def test_a_key_twice_in_one_call_is_one_job(self, bench: Bench):
        jobs = [bench.job(idempotency_key=key) for key in ("k", "k", "l")]
        placed = await bench.place(*jobs, bench.job(idempotency_key="k", priority=9))
        first, other = jobs[0].uid, jobs[2].uid
        puts = [Put.CREATED, Put.SAME, Put.CREATED, Put.MISMATCH]
        assert placed == list(map(Placed, puts, [first, first, other, first]))
        await bench.kill_and_reopen()
        assert await bench.run_all() == [first, other]

    async def test_fifty_calls_at_once_are_one_job(self, bench: Bench):
        placed = await asyncio.gather(*(bench.place(bench.job(idempotency_key="k")) for _ in range(50)))
        [created] = [each.uid for [each] in placed if each.put is Put.CREATED]
        assert {each.uid for [each] in placed} == {created}
        await bench.kill_and_reopen()
        assert await bench.where() == {State.WAITING: [created]}

    async def test_a_repeat_is_durable_when_it_is_answered(self, bench: Bench):
        adds = [asyncio.create_task(bench.place(bench.job(idempotency_key="k"))) for _ in range(2)]
        [repeat] = await adds[1]
        await bench.kill_and_reopen()
        assert await bench.where() == {State.WAITING: [repeat.uid]}
        await adds[0]

    @pytest.mark.parametrize("state", list(State))
    async def test_a_repeat_changes_nothing_in_any_state(self, bench: Bench, state: State):
        uid = await bench.bring(state, idempotency_key="k")
        await bench.durable()
        view = bench.view(uid)
        assert await bench.place(bench.job(idempotency_key="k")) == [Placed(Put.SAME, uid)]
        assert bench.view(uid) == view
        if state is not State.RUNNING:
            await bench.kill_and_reopen()
            assert await bench.place(bench.job(idempotency_key="k")) == [Placed(Put.SAME, uid)]
            assert bench.view(uid) == view

    async def test_a_key_of_a_job_that_was_refused_is_free(self, bench: Bench):
        await bench.reopen(max_queues=1)
        assert await bench.put(bench.job(idempotency_key="k", queue="x")) == [Put.NO_QUEUE]
        assert await bench.put(bench.job(idempotency_key="k")) == [Put.CREATED]

    async def test_a_repeat_is_known_at_the_limit_of_queues(self, bench: Bench):
        uid = await bench.add(idempotency_key="k", queue="x")
        await bench.reopen(max_queues=1)
        assert await bench.place(bench.job(idempotency_key="k", queue="x")) == [Placed(Put.SAME, uid)]

    async def test_uid_and_key_together_are_known_by_either(self, bench: Bench):
        first = bench.job(given=True, idempotency_key="k")
        assert await bench.put(first, first) == [Put.CREATED, Put.SAME]
        await bench.kill_and_reopen()
        assert await bench.place(first) == [Placed(Put.SAME, first.uid)]
        other_uid = bench.job(given=True, idempotency_key="k")
        assert await bench.place(other_uid) == [Placed(Put.SAME, first.uid)]
        assert await bench.put(bench.job(uid=first.uid, given=True)) == [Put.CONFLICT]
        assert bench.counts() == {State.WAITING: 1}

    async def test_repeats_are_counted_apart(self, bench: Bench):
        await bench.put(*(bench.job(idempotency_key="k", priority=priority) for priority in (0, 0, 0, 1)))
        assert (bench.store.totals.added, bench.store.totals.deduplicated) == (1, 2)


class KeptKeys:
    """For a day after the job has ended, whether it is still there or not."""

    async def is_known(self, bench: Bench, uid: str, **fields: Any) -> bool:
        """Add again and tell whether that is the job `uid`."""
        [placed] = await bench.place(bench.job(idempotency_key="k", **fields))
        assert placed.put is (Put.SAME if placed.uid == uid else Put.CREATED)
        return placed.uid == uid

    @pytest.mark.parametrize("state", [State.WAITING, State.SCHEDULED, State.RUNNING])
    async def test_while_its_job_is_not_over(self, bench: Bench, state: State):
        late = {"delay_ms": 9 * DAY_MS} if state is State.SCHEDULED else {}
        uid = await bench.bring(state, idempotency_key="k", **late)
        await bench.promote(3 * DAY_MS)
        await bench.kill_and_reopen()
        await bench.promote()
        assert await self.is_known(bench, uid)

    @pytest.mark.parametrize("state", sorted(FINISHED))
    @pytest.mark.parametrize("gone", [None, "by hand", "pruned"])
    async def test_a_day_from_its_end_on_and_no_longer(self, bench: Bench, state: State, gone: str | None):
        uid = await bench.bring(state, idempotency_key="k")
        ended_ms = bench.now_ms
        if gone == "by hand":
            await bench.change(uid, Verb.DELETE)
        elif gone == "pruned":
            await soon(bench.store.prune(Why.COUNT, dict.fromkeys(FINISHED, 2**62), 9))
        await bench.durable()
        await bench.kill_and_reopen()
        assert await bench.promote(DAY_MS - 1) == ended_ms + DAY_MS
        assert await self.is_known(bench, uid)
        assert await bench.promote(1) is None
        await bench.kill_and_reopen()
        assert not await self.is_known(bench, uid)

    async def test_a_day_from_the_end_of_a_job_that_expired(self, bench: Bench):
        uid = await bench.add(idempotency_key="k", ttl_s=1.0)
        await bench.promote(1_000)
        assert bench.state(uid) is State.ERROR
        await bench.kill_and_reopen()
        await bench.promote(DAY_MS - 1)
        assert await self.is_known(bench, uid, ttl_s=1.0)
        await bench.promote(1)
        assert not await self.is_known(bench, uid, ttl_s=1.0)

    async def test_a_day_from_the_last_crash_under_a_job(self, bench: Bench):
        uid = await bench.add(idempotency_key="k")
        for _ in range(CRASHES_MAX):
            await bench.start()
            await bench.kill_and_reopen()
        assert bench.state(uid) is State.ERROR
        await bench.promote(DAY_MS - 1)
        assert await self.is_known(bench, uid)
        await bench.promote(1)
        assert not await self.is_known(bench, uid)

    async def test_a_retry_by_hand_keeps_it_until_a_day_after_the_next_end(self, bench: Bench):
        uid = await bench.bring(State.ERROR, idempotency_key="k")
        await bench.promote(DAY_MS - 1)
        await bench.change(uid, Verb.RETRY)
        await bench.kill_and_reopen()
        assert bench.store.verification().step(1_000) == []
        await bench.promote(DAY_MS)
        assert await self.is_known(bench, uid)
        assert await bench.run_all() == [uid]
        await bench.durable()
        await bench.kill_and_reopen()
        await bench.promote(DAY_MS - 1)
        assert await self.is_known(bench, uid)
        await bench.promote(1)
        assert not await self.is_known(bench, uid)

    async def test_a_job_retried_after_its_key_was_forgotten_leaves_that_to_the_next(self, bench: Bench):
        uid = await bench.bring(State.ERROR, idempotency_key="k")
        await bench.promote(DAY_MS)
        assert not await self.is_known(bench, uid)
        [next_uid] = await bench.run_all()
        await bench.promote(DAY_MS - 1)
        await bench.change(uid, Verb.RETRY)
        await bench.kill_and_reopen()
        assert await bench.run_all() == [uid]
        assert await self.is_known(bench, next_uid)
        await bench.promote(1)
        assert not await self.is_known(bench, uid)

    async def test_how_long_is_a_setting(self, bench: Bench):
        await bench.reopen(idempotency_retention_s=1.5)
        uid = await bench.bring(State.COMPLETED, idempotency_key="k")
        assert await bench.promote(1_499) == bench.now_ms + 1
        assert await self.is_known(bench, uid)
        await bench.promote(1)
        assert not await self.is_known(bench, uid)

    async def test_after_the_clock_stepped_back_what_ends_is_forgotten_too(self, bench: Bench):
        await bench.bring(State.COMPLETED, idempotency_key="other")
        await bench.promote()
        bench.now_ms -= 3_600_000
        uid = await bench.bring(State.COMPLETED, idempotency_key="k")
        await bench.promote(DAY_MS)
        assert not await self.is_known(bench, uid)

    async def test_a_key_that_another_job_stands_for_is_known_until_that_has_ended_and_a_time_after(self, bench: Bench):
        uid = await bench.add(unique="u", delay_ms=3 * DAY_MS)
        again = bench.job(unique="u", idempotency_key="k")
        assert await bench.place(again) == [Placed(Put.DEDUPLICATED, uid)]
        for _ in range(3):
            assert await bench.promote(DAY_MS) is not None
            await bench.kill_and_reopen()
        assert await bench.run_all() == [uid]
        await bench.durable()
        await bench.promote(DAY_MS - 1)
        await bench.kill_and_reopen()
        assert await bench.place(again) == [Placed(Put.SAME, uid)]
        await bench.promote(1)
        assert await bench.place(again) == [Placed(Put.CREATED, again.uid)]


class DeletedUids:
    """While a uid may be repeated, it is known what it was, also when its job is gone."""

    async def gone(self, bench: Bench, how: str, age_ms: int = 0) -> str:
        """Bring a job to its end and delete it, a while after its uid was minted."""
        uid = bench.fresh_uid(age_ms)
        await bench.put(bench.job(uid=uid, given=True, trace={"traceparent": "1"}))
        assert await bench.run_all() == [uid]
        if how == "by hand":
            await bench.change(uid, Verb.DELETE)
        else:
            assert (await soon(bench.store.prune(Why(how), dict.fromkeys(FINISHED, 2**62), 9))).n == 1
        await bench.durable()
        return uid

    @pytest.mark.parametrize("how", ["by hand", *Why])
    async def test_a_repeat_of_a_deleted_job_is_the_same_and_another_a_conflict(self, bench: Bench, how: str):
        uid = await self.gone(bench, how)
        for _ in range(2):
            assert await bench.place(bench.job(uid=uid, given=True)) == [Placed(Put.SAME, uid)]
            assert await bench.place(bench.job(uid=uid, given=True, priority=1)) == [Placed(Put.CONFLICT, uid)]
            await bench.kill_and_reopen()
        assert await bench.where() == {}
        assert bench.store.get(uid) is None

    async def test_a_repeat_in_the_turn_of_the_deletion_is_known(self, bench: Bench):
        uid = await bench.bring(State.COMPLETED, uid=bench.fresh_uid())
        repeat = bench.job(uid=uid, given=True)
        assert await asyncio.gather(bench.change(uid, Verb.DELETE), bench.put(repeat)) == ["done", [Put.SAME]]

    async def test_a_minted_uid_leaves_the_same(self, bench: Bench):
        uid = await bench.bring(State.COMPLETED, uid=bench.fresh_uid())
        await bench.change(uid, Verb.DELETE)
        await bench.kill_and_reopen()
        assert await bench.put(bench.job(uid=uid, given=True)) == [Put.SAME]

    @pytest.mark.parametrize("how", ["by hand", Why.AGE])
    async def test_it_is_forgotten_when_its_uid_is_too_old_to_be_repeated(self, bench: Bench, how: str):
        uid = await self.gone(bench, how, DAY_MS - 1_000)
        await bench.kill_and_reopen()
        assert await bench.promote(SKEW_MS) == bench.now_ms + 1_000
        await bench.promote(999)
        assert await bench.put(bench.job(uid=uid, given=True)) == [Put.SAME]
        assert await bench.promote(1) is None
        await bench.kill_and_reopen()
        assert await bench.put(bench.job(uid=uid, given=True)) == [Put.CREATED]

    async def test_the_uid_of_yesterday_leaves_nothing(self, bench: Bench):
        uid = await self.gone(bench, "by hand", DAY_MS + 1)
        assert await bench.promote() is None
        assert await bench.put(bench.job(uid=uid, given=True)) == [Put.CREATED]

    async def test_a_job_deleted_after_the_clock_stepped_back_is_forgotten_too(self, bench: Bench):
        await self.gone(bench, "by hand")
        await bench.promote()
        bench.now_ms -= 3_600_000
        uid = await self.gone(bench, "by hand")
        await bench.promote(DAY_MS + SKEW_MS)
        assert await bench.put(bench.job(uid=uid, given=True)) == [Put.CREATED]
