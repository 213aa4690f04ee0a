"""Jobs of a unique text: at most one that has not ended, and the newest add is never lost."""

import pytest

from taskpusher_node.lifecycle import FINISHED, HELD_BY_ORDER, HELD_BY_UNIQUE, State
from taskpusher_node.store.base import Changed, Put, Verb

from ..bench import Bench
from .ordering import ENDS, HOLDING, LATER_MS, drained, kill, line, well

CONFLICTS = ["keep", "replace", "after"]
OTHERS = ["replace", "after"]


async def place(bench: Bench, on_conflict: str = "keep", text: str = "t", **fields: object) -> tuple[Put, str]:
    """Put one job of a text; returns what became of it, and the uid that was told."""
    [placed] = await bench.place(bench.job(unique=text, on_conflict=on_conflict, **fields))
    return placed


def body(bench: Bench, uid: str) -> bytes:
    """Return which add a job is that of."""
    return bench.view(uid).spec.body or b""


class Unique:
    """One unfinished job a text; who finds one stands back, takes its place, or comes after."""

    @pytest.mark.parametrize("on_conflict", CONFLICTS)
    async def test_the_first_of_a_text_is_a_job_like_others(self, bench: Bench, on_conflict: str):
        put, uid = await place(bench, on_conflict)
        assert put is Put.CREATED
        await place(bench, on_conflict, "t2")
        await place(bench, on_conflict, "t", key="another scope")
        await bench.add()
        await kill(bench)
        assert len(await drained(bench)) == 4
        assert (await place(bench, on_conflict))[0] is Put.CREATED
        assert uid in await bench.walk(State.COMPLETED)

    @pytest.mark.parametrize("state", [State.WAITING, State.SCHEDULED, State.RUNNING])
    async def test_keep_stores_nothing_while_one_has_not_ended(self, bench: Bench, state: State):
        uid = await bench.bring(state, unique="t", body=b"1")
        assert await place(bench, "keep", body=b"2", delay_ms=5) == (Put.DEDUPLICATED, uid)
        assert bench.store.totals.deduplicated == 1
        await kill(bench)
        assert await place(bench, "keep", body=b"3") == (Put.DEDUPLICATED, uid)
        await bench.promote(60_000)
        assert (await drained(bench), body(bench, uid)) == ([uid], b"1")

    @pytest.mark.parametrize("on_conflict", OTHERS)
    async def test_a_waiting_one_takes_the_new_fields_and_the_end_of_its_line(self, bench: Bench, on_conflict: str):
        uid = await bench.add(unique="t", body=b"1")
        other = await bench.add()
        bench.now_ms += 5
        assert await place(bench, on_conflict, body=b"2", queue="x", host="b:1", ttl_s=5.0) == (Put.REPLACED, uid)
        head = bench.head(uid)
        assert (head.waiting_ms, head.due_ms, head.expires_ms) == (bench.now_ms, bench.now_ms, bench.now_ms + 5_000)
        await kill(bench)
        assert (body(bench, uid), bench.view(uid).spec.queue) == (b"2", "x")
        assert sorted(await drained(bench)) == sorted([uid, other])

    async def test_replace_with_a_delay_is_a_debounce(self, bench: Bench):
        uid = await bench.add(unique="t", delay_ms=LATER_MS, body=b"0")
        for n in range(3):
            assert await bench.promote(LATER_MS - 1) is not None
            assert await place(bench, "replace", delay_ms=LATER_MS, body=b"%d" % n) == (Put.REPLACED, uid)
            assert await bench.claim() == []
            await kill(bench)
        await bench.promote(LATER_MS)
        assert (await drained(bench), body(bench, uid)) == ([uid], b"2")

    @pytest.mark.parametrize("on_conflict", OTHERS)
    async def test_one_between_its_tries_begins_anew_and_reuses_no_attempt(self, bench: Bench, on_conflict: str):
        uid = await bench.add(unique="t", max_attempts=3)
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + LATER_MS, tries=1)
        assert await place(bench, on_conflict, body=b"2") == (Put.REPLACED, uid)
        await kill(bench)
        head = bench.head(uid)
        assert (head.state, head.tries, head.attempt) == (State.WAITING, 0, 1)
        job = await bench.start()
        assert (job.token.attempt, job.spec.body) == (2, b"2")

    @pytest.mark.parametrize("on_conflict", OTHERS)
    async def test_while_one_runs_a_follower_is_held_and_takes_later_adds(self, bench: Bench, on_conflict: str):
        first = await bench.add(unique="t", body=b"1")
        job = await bench.start()
        put, uid = await place(bench, on_conflict, body=b"2")
        assert (put, bench.head(uid).held) == (Put.CREATED, HELD_BY_UNIQUE)
        assert await place(bench, "after", body=b"3") == (Put.REPLACED, uid)
        assert await place(bench, "replace", body=b"4") == (Put.REPLACED, uid)
        assert await place(bench, "keep", body=b"5") == (Put.DEDUPLICATED, uid)
        await bench.durable()
        assert await bench.claim() == []
        await well(bench)
        await bench.settle(job, State.COMPLETED)
        await kill(bench)
        assert (await drained(bench), body(bench, uid), body(bench, first)) == ([uid], b"4", b"1")

    @pytest.mark.parametrize("state", HOLDING)
    async def test_a_first_that_has_not_ended_holds_its_follower(self, bench: Bench, state: str):
        first = await bench.add(unique="t")
        job = await bench.start()
        _, uid = await place(bench, "after")
        await HOLDING[state](bench, job)
        await kill(bench)
        assert bench.head(uid).held == HELD_BY_UNIQUE
        assert await place(bench, "replace", body=b"new") == (Put.REPLACED, uid)
        await bench.promote(LATER_MS)
        assert await bench.claim_uids(5) == [first]
        await kill(bench)
        assert (await drained(bench), body(bench, uid)) == ([first, uid], b"new")

    @pytest.mark.parametrize("end", ENDS)
    async def test_the_end_of_the_first_lets_its_follower_go_which_is_the_first_then(self, bench: Bench, end: str):
        await bench.add(unique="t")
        job = await bench.start()
        _, uid = await place(bench, "after")
        await ENDS[end](bench, job)
        await kill(bench)
        assert (bench.head(uid).held, bench.state(uid)) == (0, State.WAITING)
        assert await place(bench, "keep") == (Put.DEDUPLICATED, uid)
        again = await bench.start()
        assert again.uid == uid
        assert (await place(bench, "after"))[0] is Put.CREATED

    async def test_a_follower_that_is_not_due_is_scheduled_when_it_is_let_go(self, bench: Bench):
        await bench.add(unique="t")
        job = await bench.start()
        _, uid = await place(bench, "after", delay_ms=LATER_MS)
        assert bench.state(uid) is State.WAITING
        await bench.settle(job, State.COMPLETED)
        await bench.durable()
        assert bench.head(uid).due_ms in bench.heard.due
        await kill(bench)
        assert bench.state(uid) is State.SCHEDULED
        assert await bench.claim() == []
        await bench.promote(LATER_MS)
        assert await drained(bench) == [uid]

    async def test_a_cancelled_first_holds_its_text_until_its_call_is_closed(self, bench: Bench):
        first = await bench.add(unique="t")
        job = await bench.start()
        await bench.change(first, Verb.CANCEL)
        put, uid = await place(bench, "keep")
        assert (put, bench.head(uid).held) == (Put.CREATED, HELD_BY_UNIQUE)
        assert bench.store.held(uid, 5).closing
        await well(bench)
        assert await bench.claim() == []
        await bench.settle(job, State.COMPLETED)
        await bench.durable()
        await well(bench)
        assert await bench.claim_uids(5) == [uid]

    @pytest.mark.parametrize("gone", [False, True])
    async def test_a_crash_closes_the_call_of_a_cancelled_first_of_its_text(self, bench: Bench, gone: bool):  # noqa: FBT001
        first = await bench.add(unique="t")
        await bench.start()
        await bench.change(first, Verb.CANCEL)
        _, uid = await place(bench, "after")
        if gone:
            await bench.change(first, Verb.DELETE)
        await kill(bench)
        assert await drained(bench) == [uid]

    async def test_a_cancelled_first_without_a_follower_frees_its_text(self, bench: Bench):
        first = await bench.add(unique="t")
        job = await bench.start()
        await bench.change(first, Verb.CANCEL)
        await bench.settle(job, State.COMPLETED)
        await kill(bench)
        put, uid = await place(bench)
        assert (put, bench.head(uid).held) == (Put.CREATED, 0)

    async def test_a_cancelled_or_expired_follower_leaves_the_first_alone(self, bench: Bench):
        first = await bench.add(unique="t")
        await bench.start()
        _, uid = await place(bench, "after")
        await bench.change(uid, Verb.CANCEL)
        _, second = await place(bench, "after", ttl_s=1.0)
        await bench.promote(1_000)
        assert bench.state(second) is State.ERROR
        await kill(bench)
        assert await place(bench, "keep") == (Put.DEDUPLICATED, first)
        assert await drained(bench) == [first]

    async def test_a_finished_one_can_be_retried_unless_another_of_its_text_has_not_ended(self, bench: Bench):
        first = await bench.bring(State.ERROR, unique="t")
        _, uid = await place(bench)
        assert await bench.change(first, Verb.RETRY) is Changed.TAKEN
        assert bench.store.held(first, 5).unique == uid
        assert (await bench.change_many(State.ERROR, Verb.RETRY)).done == 0
        await drained(bench)
        await kill(bench)
        assert await bench.change(first, Verb.RETRY) is Changed.DONE
        assert await place(bench) == (Put.DEDUPLICATED, first)
        assert await bench.change(uid, Verb.RETRY) is Changed.TAKEN

    async def test_a_cancelled_one_that_is_retried_follows_its_own_call(self, bench: Bench):
        uid = await bench.add(unique="t")
        job = await bench.start()
        await bench.change(uid, Verb.CANCEL)
        assert await bench.change(uid, Verb.RETRY) is Changed.DONE
        assert bench.head(uid).held == HELD_BY_UNIQUE
        assert await place(bench, "replace", body=b"2") == (Put.REPLACED, uid)
        await well(bench)
        await bench.settle(job, State.COMPLETED)
        await kill(bench)
        assert (await drained(bench), body(bench, uid)) == ([uid], b"2")

    async def test_a_held_one_cannot_be_run_at_once(self, bench: Bench):
        await bench.add(unique="t")
        await bench.start()
        _, uid = await place(bench, "after", delay_ms=LATER_MS)
        assert await bench.change(uid, Verb.RUN) is Changed.WRONG_STATE

    async def test_those_of_one_call_see_each_other(self, bench: Bench):
        jobs = [bench.job(unique="t", on_conflict=how, body=b"%d" % n) for n, how in enumerate(["after", *CONFLICTS])]
        placed = await bench.place(*jobs)
        assert [put for put, _ in placed] == [Put.CREATED, Put.DEDUPLICATED, Put.REPLACED, Put.REPLACED]
        assert {uid for _, uid in placed} == {jobs[0].uid}
        await kill(bench)
        assert (await drained(bench), body(bench, jobs[0].uid)) == ([jobs[0].uid], b"3")

    async def test_of_all_that_ever_was_added_only_one_is_unfinished(self, bench: Bench):
        for n in range(12):
            await place(bench, CONFLICTS[n % 3], delay_ms=n % 2, body=b"%d" % n)
            if n % 4 == 1:
                await bench.promote(5)
                await bench.claim()
            if n % 5 == 4:
                await kill(bench)
        unfinished = sum(n for state, n in bench.counts().items() if state not in FINISHED)
        assert unfinished <= 2  # one that runs, one behind it


class UniqueInOrder:
    """A job may be held by both; it is ready when neither holds it."""

    async def test_a_follower_takes_its_place_in_its_ordered_line_when_it_comes(self, bench: Bench):
        [first] = await line(bench, 1, unique="t")
        await bench.start()
        _, uid = await place(bench, "after", key="k", ordered=True)
        last = await bench.add(key="k", ordered=True)
        assert (bench.head(uid).held, bench.head(last).held) == (HELD_BY_ORDER | HELD_BY_UNIQUE, HELD_BY_ORDER)
        await kill(bench)
        assert await drained(bench) == [first, uid, last]

    async def test_a_held_one_may_be_the_first_of_its_line(self, bench: Bench):
        await bench.add(unique="t", key="k")
        await bench.start()
        _, uid = await place(bench, "after", key="k", ordered=True)
        behind = await bench.add(key="k", ordered=True)
        assert (bench.head(uid).held, bench.head(behind).held) == (HELD_BY_UNIQUE, HELD_BY_ORDER)
        await kill(bench)
        await bench.settle(await bench.start(), State.COMPLETED)
        assert await drained(bench) == [uid, behind]

    async def test_a_held_first_that_is_cancelled_lets_its_line_go_on(self, bench: Bench):
        first = await bench.add(unique="t", key="k")
        await bench.start()
        _, uid = await place(bench, "after", key="k", ordered=True)
        behind = await bench.add(key="k", ordered=True)
        await bench.change(uid, Verb.CANCEL)
        await kill(bench)
        assert sorted(await drained(bench)) == sorted([first, behind])

    @pytest.mark.parametrize("which", [0, 1, 2])
    async def test_one_that_is_replaced_goes_to_the_end_of_its_line(self, bench: Bench, which: int):
        uids = [await bench.add(key="k", ordered=True, unique=str(n)) for n in range(3)]
        assert await place(bench, "replace", str(which), key="k", ordered=True) == (Put.REPLACED, uids[which])
        await kill(bench)
        assert await drained(bench) == [uid for uid in uids if uid != uids[which]] + [uids[which]]

    async def test_one_that_is_replaced_may_leave_its_line(self, bench: Bench):
        uid, *others = [await bench.add(key="k", ordered=True, unique=str(n)) for n in range(3)]
        assert await place(bench, "replace", "0", key="k", delay_ms=LATER_MS) == (Put.REPLACED, uid)
        await kill(bench)
        assert (bench.state(uid), bench.head(others[0]).held) == (State.SCHEDULED, 0)
        assert await drained(bench) == others
