"""What `settle` promises."""

import pytest

from taskpusher_node.lifecycle import FINISHED, JobError, State
from taskpusher_node.store.base import Claimed, Settled, Token, Verb

from ..bench import Bench, soon, verdict


async def started(bench: Bench, **fields: object) -> Claimed:
    await bench.add(**fields)
    return await bench.start()


class Settling:
    """Each verdict leaves its job where it says."""

    async def test_completed(self, bench: Bench):
        job = await started(bench)
        bench.now_ms += 250
        assert await bench.settle(job, State.COMPLETED, tries=1, body=b"done") is Settled.APPLIED
        head = bench.head(job.uid)
        assert (head.state, head.ended_ms, head.tries, head.error) == (State.COMPLETED, bench.now_ms, 1, None)
        assert head.last == verdict(job, State.COMPLETED, body=b"done").attempt
        assert await bench.where() == {State.COMPLETED: [job.uid]}
        assert bench.counts() == {State.COMPLETED: 1}
        assert bench.store.totals.completed == 1

    async def test_error(self, bench: Bench):
        job = await started(bench)
        error = JobError("status", "the target answered 500", 500)
        await bench.settle(job, State.ERROR, tries=1, status=500, error=error)
        head = bench.head(job.uid)
        assert (head.state, head.ended_ms, head.error) == (State.ERROR, bench.now_ms, error)
        assert await bench.where() == {State.ERROR: [job.uid]}
        assert bench.store.totals.errors == 1

    async def test_scheduled(self, bench: Bench):
        job = await started(bench)
        due_ms = bench.now_ms + 4_000
        await bench.settle(job, State.SCHEDULED, tries=1, due_ms=due_ms)
        await bench.durable()
        head = bench.head(job.uid)
        assert (head.state, head.due_ms, head.ended_ms, head.waiting_ms) == (State.SCHEDULED, due_ms, None, None)
        assert due_ms in bench.heard.due
        assert await bench.claim() == []
        assert await bench.where() == {State.SCHEDULED: [job.uid]}

    async def test_interrupted(self, bench: Bench):
        job = await started(bench)
        bench.now_ms += 250
        await bench.settle(job, State.WAITING, outcome="aborted")
        head = bench.head(job.uid)
        assert (head.state, head.waiting_ms, head.started_ms) == (State.WAITING, job.head.waiting_ms, None)
        assert (head.attempt, head.tries, head.unreached) == (1, 0, 0)
        assert head.last is not None
        assert head.last.outcome == "aborted"
        assert await bench.where() == {State.WAITING: [job.uid]}
        assert bench.counts() == {State.WAITING: 1}

    async def test_an_interrupted_job_keeps_its_place_in_line(self, bench: Bench):
        uids = await bench.add_many(4)
        jobs = await bench.claim(3)
        for job in (jobs[2], jobs[0], jobs[1]):
            await bench.settle(job, State.WAITING)
        assert await bench.run_all() == uids

    async def test_an_interrupted_job_alone_is_called_again(self, bench: Bench):
        job = await started(bench)
        woke = bench.heard.woke
        await bench.settle(job, State.WAITING)
        assert bench.heard.woke > woke
        assert await bench.run_all() == [job.uid]

    async def test_jobs_interrupted_again_and_again_neither_vanish_nor_double(self, bench: Bench):
        uids = await bench.add_many(5)
        for _ in range(4):
            for job in await bench.claim(3):
                await bench.settle(job, State.WAITING)
        assert bench.counts() == {State.WAITING: 5}
        assert await bench.run_all() == uids

    async def test_counters_add_up_over_the_calls_of_a_job(self, bench: Bench):
        uid = await bench.add()
        for tries, unreached in ((1, 0), (0, 1), (0, 1), (1, 0)):
            job = await bench.start()
            await bench.settle(job, State.SCHEDULED, due_ms=bench.now_ms + 1, tries=tries, unreached=unreached)
            await bench.promote(1)
        head = bench.head(uid)
        assert (head.attempt, head.tries, head.unreached) == (4, 2, 2)

    async def test_each_queue_counts_its_own(self, bench: Bench):
        job = await started(bench, queue="x")
        await bench.add_many(2, queue="y")
        await bench.settle(job, State.COMPLETED)
        x, y = bench.store.queue("x"), bench.store.queue("y")
        assert x is not None
        assert y is not None
        assert {state: n for state, n in x.counts.items() if n} == {State.COMPLETED: 1}
        assert {state: n for state, n in y.counts.items() if n} == {State.WAITING: 2}

    @pytest.mark.parametrize("to", sorted(FINISHED - {State.CANCELLED}))
    async def test_the_end_is_told_only_after_its_flush(self, bench: Bench, to: State):
        job = await started(bench)
        await bench.settle(job, to)
        assert bench.heard.ended == []
        await bench.durable()
        assert bench.heard.ended == [job.uid]

    @pytest.mark.parametrize("to", [State.WAITING, State.SCHEDULED])
    async def test_what_goes_on_is_not_told_as_ended(self, bench: Bench, to: State):
        job = await started(bench)
        await bench.settle(job, to, due_ms=bench.now_ms + 10)
        await bench.durable()
        assert bench.heard.ended == []


class Fencing:
    """Only the token of a running call fits."""

    @pytest.mark.parametrize("to", [State.COMPLETED, State.ERROR, State.SCHEDULED, State.WAITING])
    async def test_a_call_is_settled_once(self, bench: Bench, to: State):
        job = await started(bench)
        await bench.settle(job, to, due_ms=bench.now_ms + 10)
        view, totals = bench.view(job.uid), bench.store.totals.completed
        assert await bench.settle(job, State.COMPLETED) is Settled.FENCED
        assert (bench.view(job.uid), bench.store.totals.completed) == (view, totals)
        assert bench.store.totals.fenced == 1

    async def test_the_token_of_an_earlier_call_fits_nothing(self, bench: Bench):
        first = await started(bench)
        await bench.settle(first, State.WAITING)
        await bench.durable()
        second = await bench.start()
        assert await bench.settle(first, State.ERROR) is Settled.FENCED
        assert bench.state(first.uid) is State.RUNNING
        assert await bench.settle(second, State.COMPLETED) is Settled.APPLIED

    async def test_a_cancelled_call_is_fenced(self, bench: Bench):
        job = await started(bench)
        await bench.change(job.uid, Verb.CANCEL)
        assert await bench.settle(job, State.COMPLETED) is Settled.FENCED
        assert bench.state(job.uid) is State.CANCELLED

    async def test_the_call_of_a_deleted_job_is_fenced(self, bench: Bench):
        job = await started(bench)
        await bench.change(job.uid, Verb.CANCEL)
        await bench.change(job.uid, Verb.DELETE)
        assert await bench.settle(job, State.COMPLETED) is Settled.FENCED
        assert bench.store.get(job.uid) is None

    async def test_tokens_of_before_a_crash_are_fenced(self, bench: Bench):
        job = await started(bench)
        await bench.kill_and_reopen()
        assert await bench.settle(job, State.COMPLETED) is Settled.FENCED
        again = await bench.start()
        assert await bench.settle(job, State.COMPLETED) is Settled.FENCED
        assert again.token.attempt == 2

    async def test_a_token_of_an_unknown_job_is_fenced(self, bench: Bench):
        job = await started(bench)
        stranger = Token(bench.job().uid, 1)
        assert await soon(bench.store.settle(stranger, verdict(job, State.COMPLETED))) is Settled.FENCED
        assert bench.store.totals.fenced == 1
