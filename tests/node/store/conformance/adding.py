"""What `put_new` promises."""

import asyncio

import pytest

from taskpusher.job import Backoff
from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Put, Verb

from ..bench import Bench


class Adding:
    """Adds: durable, in order, once."""

    async def test_an_answered_add_survives_a_kill(self, bench: Bench):
        uid = await bench.add()
        await bench.kill_and_reopen()
        assert await bench.where() == {State.WAITING: [uid]}
        assert await bench.run_all() == [uid]

    async def test_all_jobs_of_one_call_survive_a_kill_in_their_order(self, bench: Bench):
        uids = await bench.add_many(50)
        await bench.kill_and_reopen()
        assert await bench.run_all() == uids

    async def test_jobs_run_in_the_order_they_were_put_not_in_that_of_their_uids(self, bench: Bench):
        jobs = [bench.job() for _ in range(10)][::-1]
        await bench.put(*jobs[:5])
        await bench.put(*jobs[5:])
        assert await bench.run_all() == [job.uid for job in jobs]

    async def test_adds_at_the_same_time_keep_the_order_in_which_they_came(self, bench: Bench):
        jobs = [bench.job() for _ in range(20)]
        await asyncio.gather(*(bench.put(job) for job in jobs))
        assert await bench.run_all() == [job.uid for job in jobs]

    async def test_no_jobs_are_put_without_complaint(self, bench: Bench):
        assert await bench.put() == []

    async def test_a_new_job_waits_since_it_was_added(self, bench: Bench):
        head = bench.head(await bench.add())
        assert (head.state, head.waiting_ms, head.due_ms) == (State.WAITING, bench.now_ms, bench.now_ms)
        assert (head.attempt, head.tries, head.unreached, head.crashes, head.last) == (0, 0, 0, 0, None)

    async def test_a_delayed_job_is_scheduled_and_tells_when_it_is_due(self, bench: Bench):
        uid = await bench.add(delay_ms=1_500)
        head = bench.head(uid)
        assert (head.state, head.waiting_ms, head.due_ms) == (State.SCHEDULED, None, bench.now_ms + 1_500)
        assert bench.heard.due == [bench.now_ms + 1_500]
        assert await bench.claim() == []

    async def test_a_job_that_was_due_in_the_past_waits(self, bench: Bench):
        uid = await bench.add(delay_ms=-5_000)
        assert bench.state(uid) is State.WAITING

    async def test_a_ttl_counts_from_the_due_time(self, bench: Bench):
        uid = await bench.add(delay_ms=1_000, ttl_s=2.5)
        assert bench.head(uid).expires_ms == bench.now_ms + 3_500

    async def test_every_field_comes_back_as_it_was_given(self, bench: Bench):
        job = bench.job(
            method="POST",
            headers={"X-Thing": "ä"},
            body=bytes(range(256)),
            body_kind="base64",
            queue="mail.out",
            priority=-100,
            delay_s=1.5,
            run_at_ms=bench.now_ms,
            timeout_s=0.25,
            max_attempts=7,
            unreached_attempts=0,
            backoff=[1.0, 2.5],
            success="2xx,404",
            ttl_s=600.0,
            meta=b'{"a":1}',
            trace={"traceparent": "00-0-0-01"},
        )
        await bench.put(job)
        await bench.kill_and_reopen()
        assert bench.view(job.uid).spec == job.spec
        assert bench.view(job.uid).added_ms == job.added_ms

    async def test_a_large_body_comes_back_whole(self, bench: Bench):
        uid = await bench.add(body=b"x" * 300_000, backoff=Backoff(jitter=0.25))
        await bench.kill_and_reopen()
        spec = bench.view(uid).spec
        assert (spec.body, spec.backoff) == (b"x" * 300_000, Backoff(jitter=0.25))

    async def test_an_add_wakes_whoever_claims(self, bench: Bench):
        await bench.add()
        assert bench.heard.woke > 0

    async def test_an_add_is_counted(self, bench: Bench):
        await bench.add_many(3)
        await bench.add(delay_ms=1)
        assert bench.store.totals.added == 4
        assert bench.counts() == {State.WAITING: 3, State.SCHEDULED: 1}


class GivenUids:
    """Adds whose caller brought the uid."""

    async def test_a_given_uid_is_created_and_its_repeat_is_the_same_job(self, bench: Bench):
        job = bench.job(given=True)
        assert await bench.put(job) == [Put.CREATED]
        assert await bench.put(job) == [Put.SAME]
        assert bench.counts() == {State.WAITING: 1}
        assert await bench.run_all() == [job.uid]

    async def test_a_given_uid_of_another_job_is_a_conflict_and_the_first_job_stays(self, bench: Bench):
        first = bench.job(given=True)
        await bench.put(first)
        other = bench.job(uid=first.uid, given=True, method="POST")
        assert await bench.put(other) == [Put.CONFLICT]
        assert bench.view(first.uid).spec == first.spec
        assert bench.counts() == {State.WAITING: 1}

    async def test_a_given_uid_twice_in_one_call_is_one_job(self, bench: Bench):
        job = bench.job(given=True)
        other = bench.job(uid=job.uid, given=True, priority=5)
        assert await bench.put(job, job, other) == [Put.CREATED, Put.SAME, Put.CONFLICT]
        assert await bench.run_all() == [job.uid]

    async def test_a_given_uid_in_two_calls_at_once_is_one_job(self, bench: Bench):
        job = bench.job(given=True)
        assert await asyncio.gather(bench.put(job), bench.put(job)) == [[Put.CREATED], [Put.SAME]]
        assert bench.counts() == {State.WAITING: 1}

    async def test_the_repeat_of_an_add_is_durable_when_it_is_answered(self, bench: Bench):
        job = bench.job(given=True)
        adds = [asyncio.create_task(bench.put(job)) for _ in range(2)]
        await adds[1]
        await bench.kill_and_reopen()
        assert await bench.where() == {State.WAITING: [job.uid]}
        await adds[0]

    @pytest.mark.parametrize("state", list(State))
    async def test_a_repeat_is_the_same_job_in_every_state(self, bench: Bench, state: State):
        uid = await bench.bring(state)
        view = bench.view(uid)
        repeat = bench.job(uid=uid, given=True)
        assert await bench.put(repeat) == [Put.SAME]
        assert bench.view(uid) == view

    async def test_a_given_uid_is_known_after_a_kill(self, bench: Bench):
        job = bench.job(given=True)
        await bench.put(job)
        await bench.kill_and_reopen()
        assert await bench.put(job) == [Put.SAME]

    async def test_new_and_repeated_jobs_mix_in_one_call(self, bench: Bench):
        first, second, third = bench.job(given=True), bench.job(), bench.job(given=True)
        await bench.put(first)
        assert await bench.put(second, first, third) == [Put.CREATED, Put.SAME, Put.CREATED]
        assert await bench.run_all() == [first.uid, second.uid, third.uid]

    async def test_a_deleted_job_can_be_put_again_and_starts_anew(self, bench: Bench):
        uid = await bench.bring(State.COMPLETED)
        await bench.change(uid, Verb.DELETE)
        bench.now_ms += 1_000
        assert await bench.put(bench.job(uid=uid, given=True)) == [Put.CREATED]
        assert bench.head(uid).attempt == 0
        assert await bench.where() == {State.WAITING: [uid]}

    async def test_a_job_put_again_after_its_deletion_is_not_taken_for_crashed_at_the_next_start(self, bench: Bench):
        uid = await bench.bring(State.COMPLETED)
        await bench.change(uid, Verb.DELETE)
        bench.now_ms += 1_000
        await bench.put(bench.job(uid=uid, given=True))
        await bench.reopen()
        head = bench.head(uid)
        assert (head.attempt, head.crashes, head.last) == (0, 0, None)


class QueueLimit:
    """The most queues that adds may make."""

    async def test_a_job_of_one_queue_too_many_is_refused_and_the_others_are_stored(self, bench: Bench):
        await bench.reopen(max_queues=3)
        jobs = [bench.job(queue=queue) for queue in ("default", "a", "b", "c", "a")]
        assert await bench.put(*jobs) == [Put.CREATED, Put.CREATED, Put.CREATED, Put.NO_QUEUE, Put.CREATED]
        assert await bench.walk(State.WAITING) == [jobs[i].uid for i in (0, 1, 2, 4)]
        assert [queue.name for queue in bench.store.queues()] == ["a", "b", "default"]

    async def test_known_queues_take_jobs_at_the_limit(self, bench: Bench):
        await bench.reopen(max_queues=2)
        await bench.add(queue="a")
        await bench.add(queue="a")
        await bench.add()
        assert await bench.put(bench.job(queue="b")) == [Put.NO_QUEUE]
        assert bench.counts() == {State.WAITING: 3}

    async def test_the_repeat_of_an_add_is_known_at_the_limit(self, bench: Bench):
        job = bench.job(queue="a", given=True)
        await bench.put(job)
        await bench.reopen(max_queues=1)
        assert await bench.put(job) == [Put.SAME]

    async def test_a_repeat_of_what_was_refused_is_refused_too(self, bench: Bench):
        await bench.reopen(max_queues=1)
        job = bench.job(queue="a", given=True)
        assert await bench.put(job, job) == [Put.NO_QUEUE, Put.NO_QUEUE]
        assert bench.counts() == {}
