"""What `change_many` promises: a verb for many jobs, each once, in bounded parts."""

import asyncio

import pytest

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import VERB_STATES, UnknownPosition, Verb, Walked

from ..bench import Bench
from .paging import spread

LEADS_TO = {Verb.RETRY: State.WAITING, Verb.CANCEL: State.CANCELLED, Verb.RUN: State.WAITING, Verb.DELETE: None}
CASES = [(verb, state) for verb, states in VERB_STATES.items() for state in sorted(states)]


class ChangingMany:
    """A verb done to the jobs of a listing."""

    @pytest.mark.parametrize(("verb", "state"), CASES)
    async def test_every_job_of_a_listing_is_changed_once(self, bench: Bench, verb: Verb, state: State):
        uids = await spread(bench, state)
        assert await bench.change_many(state, verb) == Walked(5, 5, None)
        to = LEADS_TO[verb]
        where = await bench.where()
        assert {found: sorted(listing) for found, listing in where.items()} == ({} if to is None else {to: uids})

    @pytest.mark.parametrize(("verb", "state"), CASES)
    async def test_what_was_changed_is_durable_when_it_is_answered(self, bench: Bench, verb: Verb, state: State):
        await spread(bench, state)
        await bench.change_many(state, verb)
        where, counts = await bench.where(), bench.counts()
        await bench.kill_and_reopen()
        assert (await bench.where(), bench.counts()) == (where, counts)

    @pytest.mark.parametrize(("verb", "state"), CASES)
    async def test_a_walk_goes_on_where_it_came_to(self, bench: Bench, verb: Verb, state: State):
        await spread(bench, state)
        parts = [await bench.change_many(state, verb, limit=2)]
        while parts[-1].scanned_to is not None:
            parts.append(await bench.change_many(state, verb, limit=2, after=parts[-1].scanned_to))
        assert [part.done for part in parts] == [2, 2, 1]
        assert bench.counts().get(state, 0) == 0

    @pytest.mark.parametrize(("name", "done"), [("a", 3), ("bench", 3), ("z", 4)])
    async def test_a_walk_goes_on_behind_a_position_of_another_store(self, bench: Bench, name: str, done: int):
        await spread(bench, State.ERROR)
        part = await bench.change_many(State.ERROR, Verb.DELETE, limit=2, dry_run=True)
        after = (part.scanned_to or "").replace("-bench", f"-{name}")
        assert await bench.change_many(State.ERROR, Verb.DELETE, after=after) == Walked(done, done, None)

    @pytest.mark.parametrize(("verb", "state"), CASES)
    async def test_a_dry_run_counts_and_changes_nothing(self, bench: Bench, verb: Verb, state: State):
        await spread(bench, state)
        where = await bench.where()
        dry = await bench.change_many(state, verb, limit=3, dry_run=True)
        assert (dry.done, await bench.where()) == (3, where)
        assert dry == await bench.change_many(state, verb, limit=3)

    async def test_only_what_passes_the_filters_is_changed(self, bench: Bench):
        kept = [await bench.bring(State.ERROR, queue="x", host="a:1"), await bench.bring(State.ERROR, host="b:1")]
        gone = [await bench.bring(State.ERROR, queue="x", host="b:1")]
        assert await bench.change_many(State.ERROR, Verb.DELETE, queue="x", host="b:1") == Walked(1, 3, None)
        assert sorted(await bench.walk(State.ERROR)) == sorted(kept)
        assert bench.store.get(gone[0]) is None

    @pytest.mark.parametrize("state", list(State))
    async def test_what_came_into_the_state_later_stays(self, bench: Bench, state: State):
        verb = Verb.CANCEL if state in VERB_STATES[Verb.CANCEL] else Verb.DELETE
        start_ms = bench.now_ms
        uids = await spread(bench, state)
        assert (await bench.change_many(state, verb, before_ms=start_ms + 20)).done == 2
        assert sorted(await bench.walk(state)) == uids[2:]

    async def test_a_job_scheduled_again_came_by_the_end_of_its_call(self, bench: Bench):
        await bench.add()
        job = await bench.start()
        bench.now_ms += 100  # as long as the call took
        await bench.settle(job, State.SCHEDULED, due_ms=bench.now_ms + 500, tries=1)
        assert (await bench.change_many(State.SCHEDULED, Verb.CANCEL, before_ms=bench.now_ms)).done == 0
        assert (await bench.change_many(State.SCHEDULED, Verb.CANCEL)).done == 1

    async def test_until_narrows_the_scheduled_by_when_they_are_due(self, bench: Bench):
        soon, late = await bench.add(delay_ms=100), await bench.add(delay_ms=900)
        assert (await bench.change_many(State.SCHEDULED, Verb.CANCEL, until_ms=bench.now_ms + 500)).done == 1
        assert await bench.where() == {State.CANCELLED: [soon], State.SCHEDULED: [late]}

    async def test_a_retried_job_that_fails_again_is_not_touched_again(self, bench: Bench):
        uids = await spread(bench, State.ERROR, 6)
        part = await bench.change_many(State.ERROR, Verb.RETRY, limit=2)
        while claimed := await bench.claim():  # they fail again in the same moment
            await bench.settle(claimed[0], State.ERROR, tries=1)
        done = part.done
        while part.scanned_to is not None:
            part = await bench.change_many(State.ERROR, Verb.RETRY, limit=2, after=part.scanned_to)
            done += part.done
        assert done == 6
        where = await bench.where()
        assert {state: sorted(found) for state, found in where.items()} == {
            State.ERROR: uids[4:], State.WAITING: uids[:4],
        }  # fmt: skip

    async def test_jobs_that_leave_the_state_meanwhile_are_passed_over(self, bench: Bench):
        uids = await bench.add_many(1_500)
        walking = asyncio.ensure_future(bench.change_many(State.WAITING, Verb.CANCEL, limit=2_000))
        claimed = await bench.claim(40)
        walked = await walking
        running = {job.uid for job in claimed} & set(await bench.walk(State.RUNNING))
        assert (walked.done, walked.scanned_to) == (1_500 - len(running), None)
        assert bench.counts() == {State.CANCELLED: walked.done} | ({State.RUNNING: len(running)} if running else {})
        assert len(uids) == walked.done + len(running)

    async def test_others_have_their_turn_during_a_long_walk(self, bench: Bench):
        await bench.add_many(1_000)
        turns = 0

        async def count_turns():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.ensure_future(count_turns())
        await bench.change_many(State.WAITING, Verb.CANCEL)
        counting.cancel()
        assert turns > 5
        assert bench.counts() == {State.CANCELLED: 1_000}

    async def test_a_part_examines_no_more_than_the_scan_limit(self, bench: Bench):
        await bench.reopen(scan_limit=10)
        await bench.add_many(25, queue="x")
        rare = await bench.add(queue="y")
        part = await bench.change_many(State.WAITING, Verb.CANCEL, queue="y")
        assert part == Walked(0, 10, part.scanned_to)
        while part.scanned_to is not None:
            part = await bench.change_many(State.WAITING, Verb.CANCEL, queue="y", after=part.scanned_to)
        assert await bench.walk(State.CANCELLED) == [rare]

    async def test_cancelled_calls_are_told(self, bench: Bench):
        await bench.add_many(3)
        jobs = await bench.claim(3)
        await bench.change_many(State.RUNNING, Verb.CANCEL)
        assert sorted(bench.heard.cancelled) == sorted(job.token for job in jobs)
        assert sorted(bench.heard.ended) == sorted(job.uid for job in jobs)

    async def test_retried_jobs_wake_whoever_claims_and_run(self, bench: Bench):
        uids = await spread(bench, State.ERROR)
        woke = bench.heard.woke
        await bench.change_many(State.ERROR, Verb.RETRY)
        assert bench.heard.woke > woke
        assert sorted(await bench.run_all()) == uids

    async def test_what_is_no_position_is_refused_and_nothing_changed(self, bench: Bench):
        await spread(bench, State.ERROR)
        for after in ("", "x", bench.job().uid):
            with pytest.raises(UnknownPosition):
                await bench.change_many(State.ERROR, Verb.DELETE, after=after)
        assert bench.counts() == {State.ERROR: 5}
