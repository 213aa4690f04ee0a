"""What `edit` promises: other fields for a job that has not begun, and its place in line."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from taskpusher.job import Spec
from taskpusher_node.lifecycle import FINISHED, State
from taskpusher_node.store.base import Changed, Put

from ..bench import Bench

DONE, WRONG = Changed.DONE, Changed.WRONG_STATE
UNFINISHED = (State.WAITING, State.SCHEDULED)
STAYS: dict[str, Any] = {"method": "PUT", "headers": {"X": "y"}, "body": b"new", "timeout_s": 9.0, "meta": b'{"a":1}'}


class Refused(Exception):
    """What a change raises that is not allowed."""


def refuse(spec: Spec) -> tuple[Spec, int | None]:
    raise Refused


class Editing:
    """An edit is whole, durable, and moves only what has to move."""

    @pytest.mark.parametrize("state", UNFINISHED)
    async def test_an_edit_is_durable_when_it_is_answered(self, bench: Bench, state: State):
        uid = await bench.bring(state)
        before = bench.view(uid)
        assert await bench.edit(uid, **STAYS) is DONE
        after = bench.view(uid)
        assert after.spec == structs.replace(before.spec, **STAYS)
        assert (after.head, after.added_ms) == (before.head, before.added_ms)
        await bench.kill_and_reopen()
        assert bench.view(uid) == after
        assert await bench.where() == {state: [uid]}
        await bench.promote(60_000)
        assert (await bench.start()).spec == after.spec

    @pytest.mark.parametrize("state", [State.RUNNING, *sorted(FINISHED)])
    async def test_what_has_begun_or_ended_is_not_edited(self, bench: Bench, state: State):
        uid = await bench.bring(state)
        before = bench.view(uid)
        assert await bench.edit(uid, **STAYS) is WRONG
        assert bench.view(uid) == before

    async def test_a_job_that_is_not_there_is_missing(self, bench: Bench):
        uid = await bench.add()
        strangers = (bench.job().uid, uid.replace("bench", "other"), "nonsense", "")
        assert {await bench.edit(stranger, **STAYS) for stranger in strangers} == {Changed.MISSING}

    async def test_a_repeat_of_an_add_is_the_same_after_an_edit(self, bench: Bench):
        job = bench.job(given=True, idempotency_key="k")
        other = bench.job(uid=job.uid, given=True, method="PUT")
        await bench.put(job)
        for kill in (False, True):
            await bench.edit(job.uid, method="PUT")
            if kill:
                await bench.kill_and_reopen()
            assert await bench.put(job, other) == [Put.SAME, Put.CONFLICT]
        assert bench.view(job.uid).spec.method == "PUT"

    async def test_what_a_change_raises_changes_nothing(self, bench: Bench):
        uid = await bench.add()
        before = bench.view(uid)
        with pytest.raises(Refused):
            await bench.store.edit(uid, refuse)
        assert bench.view(uid) == before
        assert await bench.run_all() == [uid]

    @pytest.mark.parametrize("kill", [False, True])
    async def test_where_its_line_is_the_same_it_keeps_its_place(self, bench: Bench, kill: bool):  # noqa: FBT001
        uids = await bench.add_many(4)
        for uid in (uids[0], uids[2]):
            assert await bench.edit(uid, **STAYS) is DONE
        if kill:
            await bench.kill_and_reopen()
        assert await bench.run_all() == uids

    @pytest.mark.parametrize("kill", [False, True])
    @pytest.mark.parametrize("fields", [{"queue": "mail"}, {"host": "b:80"}, {"priority": 5}])
    async def test_in_another_line_it_is_the_last(self, bench: Bench, fields: dict[str, Any], kill: bool):  # noqa: FBT001
        moved, stays = await bench.add_many(2)
        there = await bench.add_many(2, **fields)
        assert await bench.edit(moved, **fields) is DONE
        assert bench.head(moved).waiting_ms == bench.head(stays).waiting_ms
        if kill:
            await bench.kill_and_reopen()
        order = await bench.run_all()
        assert [uid for uid in order if uid != stays] == [*there, moved]

    async def test_one_that_was_not_the_first_of_its_line_moves_too(self, bench: Bench):
        uids = await bench.add_many(5)
        await bench.edit(uids[2], priority=1)
        await bench.edit(uids[2], priority=0)
        assert await bench.run_all() == [*uids[:2], *uids[3:], uids[2]]

    async def test_another_queue_has_it_in_its_numbers(self, bench: Bench):
        uid = await bench.add(delay_ms=500)
        await bench.edit(uid, queue="mail")
        await bench.kill_and_reopen()
        counts = {queue.name: queue.counts[State.SCHEDULED] for queue in bench.store.queues()}
        assert counts == {"default": 0, "mail": 1}
        assert await bench.walk(State.SCHEDULED, queue="mail") == [uid]
        assert await bench.walk(State.SCHEDULED, queue="default") == []
        assert bench.store.verification().step(1_000) == []

    async def test_a_new_queue_is_one_of_those_that_may_be(self, bench: Bench):
        await bench.reopen(max_queues=2)
        first, second = await bench.add_many(2)
        assert await bench.edit(first, queue="one") is DONE
        assert await bench.edit(second, queue="two") is Changed.NO_QUEUE
        assert bench.view(second).spec.queue == "default"
        assert await bench.edit(second, queue="one") is DONE

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_waiting_job_is_put_off(self, bench: Bench, kill: bool):  # noqa: FBT001
        put_off, other = await bench.add_many(2)
        await bench.edit(put_off, due_ms=bench.now_ms + 500)
        assert bench.heard.due[-1] == bench.now_ms + 500
        if kill:
            await bench.kill_and_reopen()
        assert await bench.where() == {State.WAITING: [other], State.SCHEDULED: [put_off]}
        assert await bench.run_all() == [other]
        assert await bench.promote(499) == bench.now_ms + 1
        assert await bench.claim() == []
        await bench.promote(1)
        assert await bench.run_all() == [put_off]

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_scheduled_job_is_due_at_another_time(self, bench: Bench, kill: bool):  # noqa: FBT001
        later, now = await bench.add_many(2, delay_ms=500)
        waiting = await bench.add()
        woke = bench.heard.woke
        await bench.edit(later, due_ms=bench.now_ms + 900)
        await bench.edit(now, due_ms=bench.now_ms)
        assert bench.heard.woke > woke
        if kill:
            await bench.kill_and_reopen()
        assert await bench.run_all() == [waiting, now]
        await bench.promote(899)
        assert await bench.walk(State.SCHEDULED) == [later]
        await bench.promote(1)
        assert await bench.run_all() == [later]

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_ttl_counts_anew_from_when_it_is_due(self, bench: Bench, kill: bool):  # noqa: FBT001
        longer, off, moved = await bench.add_many(3, ttl_s=0.1)
        bench.now_ms += 50
        await bench.edit(longer, ttl_s=0.2)
        await bench.edit(off, ttl_s=None)
        await bench.edit(moved, due_ms=bench.now_ms)
        expiries = {uid: bench.head(uid).expires_ms for uid in (longer, off, moved)}
        assert expiries == {longer: bench.now_ms + 150, off: None, moved: bench.now_ms + 100}
        if kill:
            await bench.kill_and_reopen()
        for later_ms, ended in ((99, set()), (1, {moved}), (49, {moved}), (1, {moved, longer})):
            await bench.promote(later_ms)
            assert set(await bench.walk(State.ERROR)) == ended
        assert await bench.run_all() == [off]

    async def test_a_ttl_that_is_not_edited_goes_on(self, bench: Bench):
        uid = await bench.add(ttl_s=0.1)
        await bench.edit(uid, **STAYS)
        await bench.promote(100)
        assert bench.state(uid) is State.ERROR

    async def test_a_job_that_was_tried_keeps_what_became_of_it(self, bench: Bench):
        uid = await bench.add()
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + 100, tries=1)
        await bench.edit(uid, host="b:80", due_ms=bench.now_ms)
        head = bench.head(uid)
        assert (head.state, head.attempt, head.tries, head.last.n) == (State.WAITING, 1, 1, 1)
        assert (await bench.start()).token.attempt == 2

    async def test_one_of_a_crash_still_runs_alone_when_it_was_edited(self, bench: Bench):
        uid = await bench.add()
        await bench.start()
        await bench.durable()
        await bench.kill_and_reopen()
        await bench.edit(uid, host="b:80", body=b"new")
        job = await bench.start()
        assert (job.uid, job.spec.host, job.head.crashes) == (uid, "b:80", 1)

    async def test_a_job_that_a_claim_of_the_same_turn_took_is_not_edited(self, bench: Bench):
        uid = await bench.add()
        claimed, changed = await asyncio.gather(bench.claim(1), bench.edit(uid, **STAYS))
        assert ([job.uid for job in claimed], changed) == ([uid], WRONG)
        assert claimed[0].spec == bench.view(uid).spec

    @pytest.mark.parametrize("edits", [1, 2])
    async def test_a_job_is_claimed_only_when_its_edit_is_durable(self, bench: Bench, edits: int):
        uid, other = await bench.add_many(2)
        editing = [asyncio.ensure_future(bench.edit(uid, body=b"%d" % n)) for n in range(edits)]
        await asyncio.sleep(0)
        assert await bench.claim_uids(2) == [other]
        assert await asyncio.gather(*editing) == [DONE] * edits
        [job] = await bench.claim(2)
        assert (job.uid, job.spec.body) == (uid, b"%d" % (edits - 1))

    async def test_a_job_whose_turn_came_and_that_was_then_cancelled_does_not_come_back(self, bench: Bench):
        uid = await bench.add()
        editing = asyncio.ensure_future(bench.edit(uid, body=b"new"))
        await asyncio.sleep(0)
        assert await bench.claim() == []
        await bench.cancel(uid)
        assert await editing is DONE
        assert await bench.claim() == []
        assert await bench.where() == {State.CANCELLED: [uid]}

    async def test_whatever_was_edited_a_verification_finds_nothing_wrong(self, bench: Bench):
        uids = await bench.add_many(3, ttl_s=5) + await bench.add_many(3, delay_ms=50)
        look = bench.store.verification()
        for n, uid in enumerate(uids):
            look.step(2)
            await bench.edit(uid, queue=f"q{n % 2}", priority=n, due_ms=bench.now_ms + 10 * (n % 3), ttl_s=n or None)
        found = []
        while not look.done:
            found += look.step(3)
        assert found == []
        await bench.kill_and_reopen()
        assert bench.store.verification().step(1_000) == []
        await bench.promote(100)
        assert sorted(await bench.run_all()) == sorted(uids)

    async def test_a_stop_runs_a_job_whose_edit_is_not_durable_yet(self, bench: Bench):
        uid = await bench.add()
        editing = asyncio.ensure_future(bench.edit(uid, body=b"new"))
        await asyncio.sleep(0)
        bench.store.park()
        [job] = await bench.claim()
        assert (job.uid, job.spec.body, await editing) == (uid, b"new", DONE)


class EditingWhatIsHeld:
    """Jobs that others hold, or that hold others, stay so whatever is edited."""

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_follower_of_an_ordered_line_keeps_its_place_in_it(self, bench: Bench, kill: bool):  # noqa: FBT001
        uids = [await bench.add(key="k", ordered=True) for _ in range(4)]
        await bench.edit(uids[2], host="b:80", body=b"new", ttl_s=5.0)
        assert bench.head(uids[2]).held
        if kill:
            await bench.kill_and_reopen()
        assert await bench.claim_uids(4) == uids[:1]
        assert bench.store.verification().step(1_000) == []

    @pytest.mark.parametrize("which", [0, 2])
    async def test_an_ordered_line_goes_on_in_its_order(self, bench: Bench, which: int):
        uids = [await bench.add(key="k", ordered=True) for _ in range(4)]
        await bench.edit(uids[which], host="b:80", body=b"new")
        await bench.kill_and_reopen()
        assert await one_by_one(bench) == uids
        assert bench.store.verification().step(1_000) == []

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_follower_that_is_put_off_is_scheduled_when_it_is_let_go(self, bench: Bench, kill: bool):  # noqa: FBT001
        await bench.add(unique="t")
        first = await bench.start()
        follower = await bench.add(unique="t", on_conflict="after")
        await bench.edit(follower, due_ms=bench.now_ms + 100, queue="mail", priority=3)
        assert (bench.state(follower), bench.head(follower).held > 0) == (State.WAITING, True)
        await bench.settle(first, State.COMPLETED, tries=1)
        await bench.durable()
        if kill:
            await bench.kill_and_reopen()
        assert bench.state(follower) is State.SCHEDULED
        await bench.promote(100)
        assert await one_by_one(bench) == [follower]

    async def test_one_that_was_let_go_and_is_edited_before_that_is_durable_runs_once(self, bench: Bench):
        uids = [await bench.add(key="k", ordered=True) for _ in range(2)]
        await bench.settle(await bench.start(), State.COMPLETED, tries=1)
        await bench.edit(uids[1], host="b:80")
        assert await one_by_one(bench) == [uids[1]]


async def one_by_one(bench: Bench) -> list[str]:
    """Run whatever is ready; what an end lets go may run when that is durable."""
    order = []
    await bench.durable()
    while claimed := await bench.claim():
        order += [job.uid for job in claimed]
        for job in claimed:
            await bench.settle(job, State.COMPLETED, tries=1)
        await bench.durable()
    return order
