"""What `change` promises: every verb in every state."""

import pytest

from taskpusher_node.lifecycle import FINISHED, State
from taskpusher_node.store.base import Changed, Token, Verb

from ..bench import Bench

DONE, ALREADY, WRONG = Changed.DONE, Changed.ALREADY, Changed.WRONG_STATE

# verb -> what becomes of it for a job that is waiting, scheduled, running, completed, error, cancelled
OUTCOMES = {
    Verb.RETRY: (WRONG, WRONG, WRONG, DONE, DONE, DONE),
    Verb.CANCEL: (DONE, DONE, DONE, WRONG, WRONG, ALREADY),
    Verb.RUN: (ALREADY, DONE, ALREADY, WRONG, WRONG, WRONG),
    Verb.DELETE: (WRONG, WRONG, WRONG, DONE, DONE, DONE),
}
LEADS_TO = {Verb.RETRY: State.WAITING, Verb.CANCEL: State.CANCELLED, Verb.RUN: State.WAITING, Verb.DELETE: None}
CASES = [
    (verb, state, outcome)
    for verb, outcomes in OUTCOMES.items()
    for state, outcome in zip(State, outcomes, strict=True)
]


class Changing:
    """Verbs do what they say where the state allows it, and nothing elsewhere."""

    @pytest.mark.parametrize(("verb", "state", "outcome"), CASES)
    async def test_a_verb_in_a_state(self, bench: Bench, verb: Verb, state: State, outcome: Changed):
        uid = await bench.bring(state)
        view = bench.view(uid)
        assert await bench.change(uid, verb) is outcome
        if outcome is not DONE:
            assert bench.view(uid) == view
            assert await bench.where() == {state: [uid]}
        elif LEADS_TO[verb] is None:
            assert bench.store.get(uid) is None
            assert await bench.where() == {}
        else:
            assert await bench.where() == {LEADS_TO[verb]: [uid]}

    @pytest.mark.parametrize(("verb", "state", "outcome"), [case for case in CASES if case[2] is DONE])
    async def test_a_verb_is_durable_when_it_is_answered(
        self, bench: Bench, verb: Verb, state: State, outcome: Changed
    ):
        uid = await bench.bring(state)
        await bench.change(uid, verb)
        where, counts = await bench.where(), bench.counts()
        await bench.kill_and_reopen()
        assert (await bench.where(), bench.counts()) == (where, counts)
        if LEADS_TO[verb] is State.WAITING:
            assert await bench.run_all() == [uid]

    @pytest.mark.parametrize("verb", list(Verb))
    async def test_a_job_that_is_not_there_is_missing(self, bench: Bench, verb: Verb):
        uid = await bench.add()
        strangers = (bench.job().uid, uid.replace("bench", "other"), "nonsense", "")
        assert {await bench.change(stranger, verb) for stranger in strangers} == {Changed.MISSING}
        assert bench.counts() == {State.WAITING: 1}

    async def test_a_deleted_job_is_missing(self, bench: Bench):
        uid = await bench.bring(State.CANCELLED)
        await bench.change(uid, Verb.DELETE)
        assert await bench.change(uid, Verb.DELETE) is Changed.MISSING

    async def test_a_cancelled_call_is_told_and_its_attempt_kept(self, bench: Bench):
        uid = await bench.add()
        job = await bench.start()
        bench.now_ms += 1_500
        await bench.change(uid, Verb.CANCEL)
        assert bench.heard.cancelled == [Token(uid, 1)]
        assert bench.heard.ended == [uid]
        last = bench.head(uid).last
        assert (last.n, last.started_ms, last.duration_s) == (1, job.head.started_ms, 1.5)

    async def test_cancelling_what_does_not_run_tells_of_no_call(self, bench: Bench):
        uid = await bench.add()
        await bench.change(uid, Verb.CANCEL)
        assert bench.heard.cancelled == []
        assert bench.heard.ended == [uid]

    async def test_a_cancelled_waiting_job_leaves_the_line_wherever_it_stands(self, bench: Bench):
        uids = await bench.add_many(4)
        for uid in (uids[0], uids[2]):
            await bench.change(uid, Verb.CANCEL)
        assert await bench.run_all() == [uids[1], uids[3]]

    async def test_a_retry_joins_the_end_of_its_line(self, bench: Bench):
        ended = await bench.bring(State.ERROR)
        waiting = await bench.add_many(2)
        bench.now_ms += 10
        await bench.change(ended, Verb.RETRY)
        assert bench.head(ended).waiting_ms == bench.now_ms
        assert await bench.run_all() == [*waiting, ended]

    @pytest.mark.parametrize("state", sorted(FINISHED))
    async def test_a_retry_zeroes_every_counter_but_that_of_the_calls(self, bench: Bench, state: State):
        uid = await bench.add()
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + 1, tries=1)
        await bench.promote(1)
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + 1, unreached=1)
        await bench.promote(1)
        job = await bench.start()
        if state is State.CANCELLED:
            await bench.change(uid, Verb.CANCEL)
        else:
            await bench.settle(job, state, tries=1)
        await bench.change(uid, Verb.RETRY)
        head = bench.head(uid)
        assert (head.attempt, head.tries, head.unreached, head.crashes) == (3, 0, 0, 0)
        assert (head.error, head.started_ms, head.ended_ms) == (None, None, None)
        assert (await bench.start()).token.attempt == 4

    async def test_a_job_run_by_hand_joins_the_end_of_its_line_and_is_not_due_again(self, bench: Bench):
        scheduled = await bench.add(delay_ms=500)
        waiting = await bench.add()
        await bench.change(scheduled, Verb.RUN)
        assert await bench.promote(500) is None
        assert await bench.run_all() == [waiting, scheduled]

    async def test_retry_and_run_wake_whoever_claims(self, bench: Bench):
        ended, scheduled = await bench.bring(State.CANCELLED), await bench.add(delay_ms=500)
        for uid, verb in ((ended, Verb.RETRY), (scheduled, Verb.RUN)):
            woke = bench.heard.woke
            await bench.change(uid, verb)
            assert bench.heard.woke > woke

    async def test_a_job_can_go_round_many_times(self, bench: Bench):
        uid = await bench.add()
        for _ in range(5):
            await bench.settle(await bench.start(), State.ERROR, tries=1)
            await bench.change(uid, Verb.RETRY)
            await bench.change(uid, Verb.CANCEL)
            await bench.change(uid, Verb.RETRY)
        assert bench.counts() == {State.WAITING: 1}
        assert await bench.where() == {State.WAITING: [uid]}
        assert await bench.run_all() == [uid]
