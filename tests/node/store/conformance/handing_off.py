"""What happens to jobs that their targets accept, and end later by the token of the call."""

import pytest

from taskpusher.job import Backoff, Limit
from taskpusher_node.lifecycle import FINISHED, Head, JobError, Progress, Response, State
from taskpusher_node.reports import Completed, Failed, Heartbeat
from taskpusher_node.store.base import Claimed, Settled, Token, Verb

from ..bench import Bench, soon

LEASE_MS = 600_000
GRACE_MS = 60_000
DONE = Completed(b'{"frames": 7}')
AT_ONCE = Backoff(initial=4.0, jitter=0.0)
REPORTS = [DONE, Failed("no disk"), Failed("no such film", retry=False), Heartbeat(lease_s=60.0)]


async def accepted(bench: Bench, **fields: object) -> Claimed:
    """Add a job and have its call accepted."""
    await bench.add(**fields)
    job = await bench.start()
    bench.now_ms += 1_000
    assert await bench.hand_off(job, LEASE_MS) is Settled.APPLIED
    return job


def told(head: Head) -> tuple[int, str, str | None]:
    """Return what is kept of the last attempt."""
    assert head.last is not None
    return head.last.n, head.last.outcome, head.last.error


class HandingOff:
    """An accepted job runs on without a call, whatever becomes of the process."""

    async def test_it_runs_without_a_call(self, bench: Bench):
        job = await accepted(bench)
        view = bench.view(job.uid)
        assert view.head.state is State.RUNNING
        assert view.head.lease_ms == bench.now_ms + LEASE_MS
        assert (view.head.started_ms, view.head.last, view.progress) == (job.head.started_ms, None, None)
        assert bench.store.handed_off() == 1
        assert await bench.where() == {State.RUNNING: [job.uid]}
        assert bench.counts() == {State.RUNNING: 1}
        assert await bench.settle(job, State.COMPLETED) is Settled.FENCED

    async def test_its_host_has_room_for_another_call(self, bench: Bench):
        bench.store.limit_host("a:80", 1)
        await accepted(bench)
        other = await bench.add()
        assert await bench.claim_uids(2) == [other]

    async def test_it_is_durable_when_its_call_is_settled(self, bench: Bench):
        job = await accepted(bench)
        await bench.kill_and_reopen()
        assert await bench.where() == {State.RUNNING: [job.uid]}
        assert bench.counts() == {State.RUNNING: 1}
        assert (bench.head(job.uid).attempt, bench.head(job.uid).crashes) == (1, 0)
        assert bench.store.totals.requeued == 0
        assert await bench.claim() == []
        assert await bench.report(job, DONE) is Settled.APPLIED

    async def test_many_crashes_are_not_counted(self, bench: Bench):
        job = await accepted(bench)
        for _ in range(4):
            await bench.kill_and_reopen()
        assert bench.head(job.uid).crashes == 0
        assert await bench.report(job, DONE) is Settled.APPLIED

    async def test_a_stop_with_it_is_a_clean_one(self, bench: Bench):
        job = await accepted(bench)
        await bench.reopen()
        assert bench.store.stopped_clean
        assert await bench.where() == {State.RUNNING: [job.uid]}
        assert bench.store.verification().step(10_000) == []

    async def test_a_suspect_that_is_accepted_lets_the_next_one_run(self, bench: Bench):
        await bench.add_many(2)
        await bench.claim(2)
        await bench.kill_and_reopen()
        first = await bench.start()
        assert await bench.claim() == []
        await bench.hand_off(first, LEASE_MS)
        second = await bench.start()
        await bench.settle(second, State.COMPLETED)
        assert bench.head(first.uid).crashes == 0

    async def test_jobs_that_wait_stand_before_none_that_is_handed_off(self, bench: Bench):
        for _ in range(3):
            await accepted(bench)
        waiting = await bench.add_many(2)
        assert bench.store.place(waiting[1], 10).ahead == 1
        assert bench.store.oldest_waiting_ms() == bench.now_ms
        assert await bench.walk(State.WAITING) == waiting

    async def test_pages_of_the_running_have_both_kinds(self, bench: Bench):
        uids = [(await accepted(bench)).uid for _ in range(3)]
        other = await bench.add()
        await bench.start()
        assert await bench.walk(State.RUNNING, limit=2) == [other, *reversed(uids)]
        assert await bench.walk(State.RUNNING, queue="x") == []

    async def test_pages_of_many_have_each_job_once_and_in_order(self, bench: Bench):
        started = []
        for n in range(3):
            bench.now_ms += 1
            await bench.add_many(100 + n)
            for index, job in enumerate(await bench.claim(100 + n)):
                started.append((bench.now_ms, job.uid))
                if index % 5:
                    await bench.hand_off(job, LEASE_MS)
        newest = [uid for _, uid in sorted(started, reverse=True)]
        assert await bench.walk(State.RUNNING) == newest
        assert await bench.walk(State.RUNNING, limit=7, until_ms=bench.now_ms) == newest[102:]
        assert await bench.walk(State.RUNNING, since_ms=bench.now_ms) == newest[:102]

    async def test_a_ttl_that_ends_meanwhile_changes_nothing(self, bench: Bench):
        job = await accepted(bench, ttl_s=5.0)
        await bench.promote(6_000)
        assert bench.state(job.uid) is State.RUNNING
        await bench.kill_and_reopen()
        await bench.promote(6_000)
        assert await bench.report(job, DONE) is Settled.APPLIED

    async def test_what_its_earlier_calls_left_is_kept(self, bench: Bench):
        await bench.add(max_attempts=3)
        first = await bench.start()
        await bench.settle(first, State.SCHEDULED, tries=1, due_ms=bench.now_ms, status=500)
        await bench.promote()
        second = await bench.start()
        await bench.hand_off(second, LEASE_MS)
        await bench.kill_and_reopen()
        assert await bench.report(second, DONE) is Settled.APPLIED
        view = bench.view(first.uid)
        assert (told(view.head), [attempt.n for attempt in view.attempts]) == ((2, "completed", None), [1])
        assert view.head.tries == 2


class EndingByToken:
    """The token of a call ends the job that was accepted, once."""

    async def test_it_is_completed_with_its_result(self, bench: Bench):
        job = await accepted(bench)
        bench.now_ms += 5_000
        assert await bench.report(job, DONE) is Settled.APPLIED
        assert bench.heard.ended == [job.uid]
        await bench.kill_and_reopen()
        head = bench.head(job.uid)
        assert (head.state, head.tries, head.ended_ms, head.lease_ms) == (State.COMPLETED, 1, bench.now_ms, None)
        assert head.last is not None
        assert head.last.response == Response(202, [("Content-Type", "application/json")], DONE.result, truncated=False)
        assert (told(head), head.last.duration_s) == ((1, "completed", None), 6.0)
        assert await bench.where() == {State.COMPLETED: [job.uid]}
        assert (bench.counts(), bench.store.handed_off()) == ({State.COMPLETED: 1}, 0)

    async def test_a_failure_is_a_failed_try(self, bench: Bench):
        job = await accepted(bench, max_attempts=2, backoff=AT_ONCE)
        assert await bench.report(job, Failed("no disk at http://x/?token=y")) is Settled.APPLIED
        due_ms = bench.now_ms + 4_000
        assert due_ms in bench.heard.due
        await bench.kill_and_reopen()
        head = bench.head(job.uid)
        assert (head.state, head.due_ms, head.tries, head.lease_ms) == (State.SCHEDULED, due_ms, 1, None)
        assert told(head) == (1, "failed", "no disk at http://x/?token=[masked]")
        await bench.promote(4_000)
        again = await bench.start()
        assert again.token.attempt == 2
        await bench.hand_off(again, LEASE_MS)
        assert await bench.report(again, Failed("no disk")) is Settled.APPLIED
        head = bench.head(job.uid)
        assert (head.state, head.tries, head.error) == (State.ERROR, 2, JobError("failed", "no disk"))

    async def test_a_failure_for_good_is_not_tried_again(self, bench: Bench):
        job = await accepted(bench, max_attempts=9)
        await bench.report(job, Failed("no such film", retry=False))
        await bench.kill_and_reopen()
        head = bench.head(job.uid)
        assert (head.state, head.tries, head.error) == (State.ERROR, 1, JobError("failed", "no such film"))

    @pytest.mark.parametrize("report", REPORTS[:3])
    async def test_the_same_end_may_be_told_twice(self, bench: Bench, report: Completed | Failed):
        job = await accepted(bench, max_attempts=2)
        await bench.report(job, report)
        before = bench.view(job.uid)
        await bench.kill_and_reopen()
        assert await bench.report(job, report) is Settled.APPLIED
        assert bench.view(job.uid) == before

    @pytest.mark.parametrize("report", REPORTS)
    async def test_another_end_is_refused(self, bench: Bench, report: Completed | Failed | Heartbeat):
        job = await accepted(bench)
        await bench.report(job, Completed(b'"another"'))
        before = bench.view(job.uid)
        assert await bench.report(job, report) is Settled.FENCED
        assert bench.view(job.uid) == before

    async def test_the_completion_of_a_job_that_was_retried_since_is_refused(self, bench: Bench):
        job = await accepted(bench)
        await bench.report(job, DONE)
        await bench.change(job.uid, Verb.RETRY)
        assert await bench.report(job, DONE) is Settled.FENCED
        assert bench.state(job.uid) is State.WAITING

    @pytest.mark.parametrize("report", REPORTS)
    async def test_a_call_of_before_a_crash_ends_nothing(self, bench: Bench, report: Completed | Failed | Heartbeat):
        await bench.add()
        job = await bench.start()
        await bench.kill_and_reopen()
        assert await bench.report(job, report) is Settled.FENCED
        again = await bench.start()
        assert await bench.report(job, report) is Settled.FENCED
        assert await bench.report(again, DONE) is Settled.APPLIED

    @pytest.mark.parametrize("report", REPORTS)
    async def test_a_cancelled_job_takes_no_word(self, bench: Bench, report: Completed | Failed | Heartbeat):
        job = await accepted(bench)
        await bench.change(job.uid, Verb.CANCEL)
        assert bench.heard.cancelled == []
        assert bench.heard.ended == [job.uid]
        await bench.kill_and_reopen()
        assert (bench.state(job.uid), told(bench.head(job.uid))) == (State.CANCELLED, (1, "cancelled", None))
        assert await bench.report(job, report) is Settled.FENCED
        assert await bench.where() == {State.CANCELLED: [job.uid]}

    async def test_many_are_cancelled_at_once(self, bench: Bench):
        uids = {(await accepted(bench)).uid for _ in range(3)}
        walked = await bench.change_many(State.RUNNING, Verb.CANCEL)
        assert walked.done == 3
        await bench.kill_and_reopen()
        assert set(await bench.walk(State.CANCELLED)) == uids
        assert bench.store.handed_off() == 0

    async def test_a_job_that_is_gone_takes_no_word(self, bench: Bench):
        job = await accepted(bench)
        await bench.report(job, DONE)
        await bench.change(job.uid, Verb.DELETE)
        assert await bench.report(job, DONE) is Settled.FENCED

    @pytest.mark.parametrize("report", REPORTS[:3])
    async def test_a_word_before_the_answer_is_taken_and_the_answer_is_not(
        self, bench: Bench, report: Completed | Failed
    ):
        await bench.add(max_attempts=2, backoff=AT_ONCE)
        job = await bench.start()
        assert await bench.report(job, report) is Settled.APPLIED
        before = bench.view(job.uid)
        assert before.head.state in FINISHED | {State.SCHEDULED}
        assert await bench.hand_off(job, LEASE_MS) is Settled.FENCED
        await bench.kill_and_reopen()
        assert bench.view(job.uid) == before
        assert await bench.report(job, report) is Settled.APPLIED
        assert bench.store.handed_off() == 0

    async def test_a_token_is_that_of_one_call(self, bench: Bench):
        job = await accepted(bench)
        text = bench.store.token(*job.token)
        other = await accepted(bench)
        await bench.kill_and_reopen()
        assert bench.store.authorised(job.uid, text) == job.token
        assert bench.store.token(*job.token) == text
        assert bench.store.authorised(other.uid, text) is None
        for wrong in ("", "x", text[:-1], text + "0", text.upper(), text.replace("1.", "2.", 1), f"1.{'0' * 32}"):
            assert bench.store.authorised(job.uid, wrong) is None
        assert bench.store.authorised("nonsense", text) is None
        assert bench.store.token(job.uid, 2) != bench.store.token(job.uid, 1)


class Leases:
    """A target that falls silent loses the job."""

    async def test_a_lease_that_is_over_is_a_failed_try(self, bench: Bench):
        job = await accepted(bench, max_attempts=2, backoff=AT_ONCE)
        assert bench.now_ms + LEASE_MS in bench.heard.due
        assert await bench.promote(LEASE_MS - 1) == bench.now_ms + 1
        assert bench.state(job.uid) is State.RUNNING
        await bench.promote(1)
        due_ms = bench.now_ms + 4_000
        assert bench.store.totals.leases == 1
        await bench.kill_and_reopen()
        head = bench.head(job.uid)
        assert (head.state, head.due_ms, head.tries, head.lease_ms) == (State.SCHEDULED, due_ms, 1, None)
        assert told(head)[:2] == (1, "lease")
        assert bench.store.handed_off() == 0
        await bench.promote(4_000)
        again = await bench.start()
        await bench.hand_off(again, LEASE_MS)
        await bench.promote(LEASE_MS)
        await bench.kill_and_reopen()
        head = bench.head(job.uid)
        assert (head.state, head.tries, head.error and head.error.kind) == (State.ERROR, 2, "lease")

    @pytest.mark.parametrize("report", REPORTS)
    async def test_who_comes_too_late_is_refused(self, bench: Bench, report: Completed | Failed | Heartbeat):
        job = await accepted(bench)
        await bench.promote(LEASE_MS)
        before = bench.view(job.uid)
        assert before.head.state is State.ERROR
        await bench.kill_and_reopen()
        assert await bench.report(job, report) is Settled.FENCED
        assert bench.view(job.uid) == before

    async def test_a_heartbeat_renews_it_durably(self, bench: Bench):
        job = await accepted(bench)
        bench.now_ms += 500_000
        assert await bench.report(job, Heartbeat(600.0, 40.0, "half of it")) is Settled.APPLIED
        lease_ms = bench.now_ms + LEASE_MS
        for reopened in (False, True):
            if reopened:
                await bench.kill_and_reopen()
            view = bench.view(job.uid)
            assert (view.head.lease_ms, view.progress) == (lease_ms, Progress(40.0, "half of it", bench.now_ms))
        await bench.promote(LEASE_MS - 1)
        assert bench.state(job.uid) is State.RUNNING
        await bench.promote(1)
        assert bench.state(job.uid) is State.ERROR

    async def test_a_heartbeat_that_asks_for_none_shortens_none(self, bench: Bench):
        job = await accepted(bench)
        before_ms = bench.head(job.uid).lease_ms
        await bench.report(job, Heartbeat(percent=1.0))
        assert bench.head(job.uid).lease_ms == before_ms
        bench.now_ms += LEASE_MS - 1_000
        await bench.report(job, Heartbeat(note="near the end"))
        assert bench.head(job.uid).lease_ms == bench.now_ms + 300_000
        assert bench.view(job.uid).progress == Progress(1.0, "near the end", bench.now_ms)

    async def test_a_shorter_lease_ends_when_it_says(self, bench: Bench):
        job = await accepted(bench)
        await bench.report(job, Heartbeat(lease_s=1.0))
        assert bench.now_ms + 1_000 in bench.heard.due
        await bench.promote(1_000)
        assert bench.state(job.uid) is State.ERROR

    async def test_a_heartbeat_before_the_answer_counts(self, bench: Bench):
        await bench.add()
        job = await bench.start()
        assert await bench.report(job, Heartbeat(1_000.0, 5.0)) is Settled.APPLIED
        assert bench.view(job.uid).progress == Progress(5.0, None, bench.now_ms)
        await bench.hand_off(job, LEASE_MS)
        lease_ms = bench.now_ms + 1_000_000
        await bench.kill_and_reopen()
        view = bench.view(job.uid)
        assert (view.head.lease_ms, view.progress) == (lease_ms, Progress(5.0, None, bench.now_ms))

    async def test_no_lease_ends_within_a_minute_of_a_start(self, bench: Bench):
        job = await accepted(bench)
        bench.now_ms += LEASE_MS * 2
        await bench.kill_and_reopen()
        assert bench.head(job.uid).lease_ms == bench.now_ms + GRACE_MS
        await bench.promote(GRACE_MS - 1)
        assert bench.state(job.uid) is State.RUNNING
        assert await bench.report(job, Heartbeat(lease_s=10.0)) is Settled.APPLIED
        await bench.promote(9_999)
        assert bench.state(job.uid) is State.RUNNING
        await bench.promote(1)
        assert bench.state(job.uid) is State.ERROR

    async def test_thousands_end_in_bounded_steps(self, bench: Bench):
        await bench.add_many(1_100)
        for job in await bench.claim(1_100):
            await bench.hand_off(job, LEASE_MS)
        assert await bench.promote(LEASE_MS) == bench.now_ms
        assert bench.counts() == {State.ERROR: 1_000, State.RUNNING: 100}
        await bench.promote()
        assert bench.counts() == {State.ERROR: 1_100}

    async def test_a_backlog_of_heartbeats_leaves_one_end_a_job(self, bench: Bench):
        job = await accepted(bench)
        for lease_s in (500.0, 400.0, 300.0, 900.0, 200.0):
            await bench.report(job, Heartbeat(lease_s=lease_s))
        await bench.promote(199_999)
        assert bench.state(job.uid) is State.RUNNING
        await bench.promote(1)
        assert bench.state(job.uid) is State.ERROR
        assert bench.store.totals.errors == 1

    async def test_a_stranger_renews_nothing(self, bench: Bench):
        job = await accepted(bench)
        stranger = Token(job.uid, 2)
        assert await soon(bench.store.report(stranger, Heartbeat(lease_s=9.0))) is Settled.FENCED
        assert bench.head(job.uid).lease_ms == bench.now_ms + LEASE_MS


class HandingOffWhatHolds:
    """A job that was handed off holds the others as one whose call runs does, until it ends."""

    async def _pair(self, bench: Bench, **fields: object) -> tuple[Claimed, str]:
        """Have the first of two jobs accepted, the other one being held by it."""
        job = await accepted(bench, **fields)
        follower = await bench.add(**fields)
        await bench.kill_and_reopen()
        assert await bench.claim() == []
        return job, follower

    @pytest.mark.parametrize("report", REPORTS[:3])
    async def test_its_word_lets_the_next_of_its_line_go(self, bench: Bench, report: Completed | Failed):
        job, follower = await self._pair(bench, key="k", ordered=True)
        await bench.report(job, report)
        await bench.kill_and_reopen()
        assert await bench.claim_uids() == [follower]

    async def test_a_retry_of_it_holds_the_line(self, bench: Bench):
        job, _ = await self._pair(bench, key="k", ordered=True, max_attempts=2, backoff=AT_ONCE)
        await bench.report(job, Failed("no disk"))
        assert await bench.claim() == []
        await bench.promote(4_000)
        assert await bench.claim_uids() == [job.uid]

    async def test_its_cancel_lets_them_go_at_once_for_no_call_is_open(self, bench: Bench):
        job, follower = await self._pair(bench, key="k", ordered=True)
        await bench.change(job.uid, Verb.CANCEL)
        assert await bench.claim_uids() == [follower]

    async def test_the_end_of_its_lease_lets_them_go(self, bench: Bench):
        for key in ("k", "m"):
            await accepted(bench, key=key, ordered=True)
        uids = [await bench.add(key=key, ordered=True) for key in ("k", "m")]
        await bench.promote(LEASE_MS)
        assert set(await bench.claim_uids(5)) == set(uids)

    async def test_it_holds_its_place_in_its_limit_and_its_queue_until_its_end(self, bench: Bench):
        job, follower = await self._pair(bench, limit=Limit("k", concurrency=1))
        assert bench.store.place(follower, 10).limit.running == 1
        await bench.report(job, Failed("no disk"))
        assert await bench.claim_uids() == [follower]

    async def test_its_cancel_opens_its_limit_at_once(self, bench: Bench):
        job, follower = await self._pair(bench, limit=Limit("k", concurrency=1))
        await bench.change(job.uid, Verb.CANCEL)
        assert await bench.claim_uids() == [follower]

    async def test_the_follower_of_its_text_waits_for_its_end(self, bench: Bench):
        job, follower = await self._pair(bench, unique="t", on_conflict="after")
        await bench.report(job, DONE)
        await bench.kill_and_reopen()
        assert await bench.claim_uids() == [follower]
