"""What `promote` promises."""

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Verb

from ..bench import Bench, soon


class Promoting:
    """What is due becomes ready, in order."""

    async def test_nothing_to_do_has_no_next_time(self, bench: Bench):
        await bench.add()
        assert await bench.promote() is None

    async def test_due_jobs_wait_in_the_order_in_which_they_were_due(self, bench: Bench):
        delays = [500, 100, 300, 200, 400]
        jobs = [bench.job(delay_ms=delay) for delay in delays]
        await bench.put(*jobs)
        await bench.promote(500)
        assert await bench.run_all() == [jobs[i].uid for i in (1, 3, 2, 4, 0)]

    async def test_what_is_not_due_stays_and_its_time_is_returned(self, bench: Bench):
        first, second = await bench.add(delay_ms=100), await bench.add(delay_ms=300)
        start_ms = bench.now_ms
        assert await bench.promote(99) == start_ms + 100
        assert await bench.where() == {State.SCHEDULED: [first, second]}
        assert await bench.promote(1) == start_ms + 300
        assert await bench.where() == {State.WAITING: [first], State.SCHEDULED: [second]}
        assert await bench.promote(200) is None

    async def test_a_job_that_became_due_joins_the_end_of_its_line(self, bench: Bench):
        due = await bench.add(delay_ms=100)
        earlier = await bench.add_many(2)
        await bench.promote(100)
        later = await bench.add()
        assert bench.head(due).waiting_ms == bench.now_ms
        assert await bench.run_all() == [*earlier, due, later]

    async def test_a_job_added_later_and_due_sooner_is_not_overlooked(self, bench: Bench):
        late = await bench.add(delay_ms=1_000)
        await bench.promote(10)
        soon_due = await bench.add(delay_ms=5)
        await bench.promote(5)
        assert await bench.where() == {State.WAITING: [soon_due], State.SCHEDULED: [late]}

    async def test_what_became_due_is_durable_and_wakes_whoever_claims(self, bench: Bench):
        uid = await bench.add(delay_ms=100)
        woke = bench.heard.woke
        await bench.promote(100)
        assert bench.heard.woke > woke
        await bench.kill_and_reopen()
        assert await bench.where() == {State.WAITING: [uid]}

    async def test_at_most_a_thousand_jobs_a_call_and_then_at_once_again(self, bench: Bench):
        uids = await bench.add_many(2_100, delay_ms=10)
        next_ms = await bench.promote(10)
        assert next_ms is not None
        assert next_ms <= bench.now_ms
        assert bench.counts() == {State.WAITING: 1_000, State.SCHEDULED: 1_100}
        while next_ms is not None:
            next_ms = await bench.promote()
        assert await bench.claim_uids(3_000) == uids

    async def test_a_job_that_becomes_due_as_another_is_added_is_listed(self, bench: Bench):
        due = await bench.add(delay_ms=100)
        bench.now_ms += 100
        added = await bench.add()
        await bench.promote()
        assert await bench.walk(State.WAITING) == [due, added]

    async def test_after_the_clock_stepped_back_what_becomes_ready_is_listed(self, bench: Bench):
        ahead = await bench.add()
        bench.now_ms -= 60_000
        due = await bench.add(delay_ms=100)
        await bench.promote(100)
        assert await bench.walk(State.WAITING) == [due, ahead]
        assert bench.store.oldest_waiting_ms() == bench.now_ms


class Expiring:
    """A ttl that is over before a try began ends the job."""

    async def test_a_waiting_job_expires_on_time(self, bench: Bench):
        uid = await bench.add(ttl_s=1.0)
        start_ms = bench.now_ms
        assert await bench.promote(999) == start_ms + 1_000
        assert bench.state(uid) is State.WAITING
        assert await bench.promote(1) is None
        head = bench.head(uid)
        assert (head.state, head.ended_ms, head.error.kind) == (State.ERROR, bench.now_ms, "expired")
        assert await bench.where() == {State.ERROR: [uid]}
        assert bench.heard.ended == [uid]
        assert await bench.claim() == []

    async def test_the_end_of_a_ttl_is_told_ahead(self, bench: Bench):
        await bench.add(ttl_s=1.0)
        assert bench.now_ms + 1_000 in bench.heard.due

    async def test_a_job_of_a_paused_queue_expires(self, bench: Bench):
        uid = await bench.add(queue="x", ttl_s=1.0)
        await bench.pause("x")
        await bench.promote(1_000)
        assert bench.state(uid) is State.ERROR

    async def test_a_scheduled_repeat_of_a_call_that_did_not_arrive_expires(self, bench: Bench):
        uid = await bench.add(ttl_s=1.0)
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + 60_000, unreached=1)
        await bench.promote(1_000)
        assert bench.state(uid) is State.ERROR
        assert bench.counts() == {State.ERROR: 1}

    async def test_a_job_whose_try_has_begun_does_not_expire(self, bench: Bench):
        uid = await bench.add(ttl_s=1.0)
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + 60_000, tries=1)
        await bench.promote(1_000)
        assert bench.state(uid) is State.SCHEDULED
        await bench.promote(59_000)
        assert await bench.run_all() == [uid]

    async def test_a_running_job_does_not_expire(self, bench: Bench):
        uid = await bench.add(ttl_s=1.0)
        job = await bench.start()
        await bench.promote(5_000)
        assert bench.state(uid) is State.RUNNING
        await bench.settle(job, State.COMPLETED, tries=1)
        await bench.promote(1)
        assert bench.state(uid) is State.COMPLETED

    async def test_a_job_interrupted_after_its_ttl_expires(self, bench: Bench):
        uid = await bench.add(ttl_s=1.0)
        job = await bench.start()
        await bench.promote(5_000)
        await bench.settle(job, State.WAITING)
        await bench.durable()
        assert await bench.claim() == []
        await bench.promote()
        assert bench.state(uid) is State.ERROR

    async def test_a_job_that_crashed_after_its_ttl_expires(self, bench: Bench):
        uid = await bench.add(ttl_s=1.0)
        await bench.start()
        await bench.promote(5_000)
        await bench.kill_and_reopen()
        await bench.promote()
        assert bench.state(uid) is State.ERROR

    async def test_a_job_both_due_and_expired_at_one_look_ends_expired(self, bench: Bench):
        uid = await bench.add(delay_ms=100, ttl_s=0.1)
        await bench.promote(60_000)
        assert bench.head(uid).error.kind == "expired"
        assert bench.counts() == {State.ERROR: 1}
        assert await bench.where() == {State.ERROR: [uid]}
        assert await bench.claim() == []

    async def test_a_retry_by_hand_counts_the_ttl_anew(self, bench: Bench):
        uid = await bench.add(ttl_s=1.0)
        await bench.promote(1_000)
        await bench.change(uid, Verb.RETRY)
        assert bench.head(uid).expires_ms == bench.now_ms + 1_000
        await bench.promote(999)
        assert bench.state(uid) is State.WAITING
        await bench.promote(1)
        assert bench.state(uid) is State.ERROR

    async def test_cancelled_and_deleted_jobs_do_not_expire(self, bench: Bench):
        kept, gone = await bench.add(ttl_s=1.0), await bench.add(ttl_s=1.0)
        for uid in (kept, gone):
            await bench.change(uid, Verb.CANCEL)
        await bench.change(gone, Verb.DELETE)
        assert await bench.promote(5_000) is None
        assert await bench.where() == {State.CANCELLED: [kept]}

    async def test_ttls_are_kept_over_a_kill(self, bench: Bench):
        uid = await bench.add(ttl_s=1.0)
        await bench.kill_and_reopen()
        assert await bench.promote() == bench.now_ms + 1_000
        await bench.promote(1_000)
        assert bench.state(uid) is State.ERROR

    async def test_more_than_a_thousand_expire_in_several_calls(self, bench: Bench):
        await bench.add_many(1_500, ttl_s=1.0)
        next_ms = await bench.promote(1_000)
        assert next_ms is not None
        assert next_ms <= bench.now_ms
        assert bench.counts()[State.ERROR] <= 1_000
        while next_ms is not None:
            next_ms = await bench.promote()
        assert bench.counts() == {State.ERROR: 1_500}

    async def test_due_and_expired_together_are_at_most_a_thousand_a_call(self, bench: Bench):
        await bench.add_many(800, ttl_s=1.0)
        await bench.add_many(800, delay_ms=500)
        next_ms = await bench.promote(1_000)
        moved = bench.counts().get(State.ERROR, 0) + 800 - bench.counts().get(State.SCHEDULED, 0)
        assert moved <= 1_000
        assert next_ms is not None
        assert next_ms <= bench.now_ms


class TimedPauses:
    """A pause may say when it ends."""

    async def test_a_queue_resumes_by_itself(self, bench: Bench):
        uid = await bench.add()
        start_ms = bench.now_ms
        await bench.pause(until_ms=start_ms + 100)
        assert start_ms + 100 in bench.heard.due
        assert await bench.promote(99) == start_ms + 100
        assert await bench.claim() == []
        assert await bench.promote(1) is None
        assert bench.store.queue("default").pause is None
        assert await bench.run_all() == [uid]

    async def test_the_end_of_a_pause_is_kept_over_a_kill(self, bench: Bench):
        uid = await bench.add()
        await bench.pause(until_ms=bench.now_ms + 100)
        await bench.kill_and_reopen()
        assert await bench.promote() == bench.now_ms + 100
        await bench.promote(100)
        await bench.kill_and_reopen()
        assert await bench.run_all() == [uid]

    async def test_the_soonest_of_all_is_the_next_time(self, bench: Bench):
        await bench.add(delay_ms=300)
        await bench.add(ttl_s=0.2)
        await bench.pause(until_ms=bench.now_ms + 100)
        start_ms = bench.now_ms
        assert await bench.promote() == start_ms + 100
        assert await bench.promote(100) == start_ms + 200
        assert await bench.promote(100) == start_ms + 300
        assert await soon(bench.store.promote(start_ms + 300)) is None
