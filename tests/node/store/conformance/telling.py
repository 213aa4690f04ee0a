"""What `memo`, `tallies` and the store's timings promise."""

from taskpusher_node.lifecycle import Attempt, JobError, Response, State, Verdict
from taskpusher_node.retry import Kind
from taskpusher_node.store.base import Verb
from taskpusher_node.store.tallies import OTHER_QUEUES

from ..bench import Bench

OK, TEAPOT = (Response(status, [], b"", truncated=False) for status in (200, 418))


def verdict(
    bench: Bench, to: State, outcome: str, response: Response | None = None, duration_s: float = 0.2
) -> Verdict:
    attempt = Attempt(1, bench.now_ms, duration_s, outcome, None, response)
    due_ms = bench.now_ms + 1_000 if to is State.SCHEDULED else None
    return Verdict(to, attempt, due_ms=due_ms, error=JobError("status", "") if to is State.ERROR else None)


class Remembering:
    """Small state of a node."""

    async def test_what_was_never_remembered_is_none(self, bench: Bench):
        assert bench.store.memo("x") is None

    async def test_what_was_remembered_is_there_at_once_and_after_a_restart(self, bench: Bench):
        bench.store.remember("x", b"1")
        bench.store.remember("x", b"2")
        assert bench.store.memo("x") == b"2"
        await bench.reopen()
        assert (bench.store.memo("x"), bench.store.memo("")) == (b"2", None)

    async def test_what_was_flushed_is_there_after_a_crash(self, bench: Bench):
        bench.store.remember("x", b"1")
        await bench.durable()
        await bench.kill_and_reopen()
        assert bench.store.memo("x") == b"1"


class Tallying:
    """What happened to the jobs of a queue."""

    async def test_a_job_is_counted_when_added_called_and_ended(self, bench: Bench):
        tally = bench.store.tallies["default"]
        await bench.add()
        bench.now_ms += 300
        claimed = await bench.start()
        await bench.store.settle(claimed.token, verdict(bench, State.COMPLETED, Kind.ANSWERED, OK))
        assert (tally.added, tally.completed, tally.retries) == (1, 1, 0)
        assert (tally.results["success"], sum(tally.results.values())) == (1, 1)
        assert [(sum(hist.counts), hist.total) for hist in (tally.durations, tally.waits)] == [(1, 0.2), (1, 0.3)]
        assert bench.store.durations() == tally.durations.counts

    async def test_a_clock_that_stepped_back_makes_no_negative_wait(self, bench: Bench):
        await bench.add()
        bench.now_ms -= 3_600_000
        await bench.start()
        assert bench.store.tallies["default"].waits.total == 0

    async def test_a_call_that_is_put_off_is_a_retry(self, bench: Bench):
        await bench.add()
        await bench.store.settle((await bench.start()).token, verdict(bench, State.SCHEDULED, Kind.ANSWERED, TEAPOT))
        tally = bench.store.tallies["default"]
        assert (tally.retries, tally.results["status_4xx"], tally.completed + tally.errors) == (1, 1, 0)

    async def test_what_a_stop_interrupts_is_counted_as_aborted(self, bench: Bench):
        await bench.add()
        await bench.store.settle((await bench.start()).token, verdict(bench, State.WAITING, Kind.ABORTED))
        assert (bench.store.tallies["default"].results["aborted"], bench.store.totals.interrupted) == (1, 1)

    async def test_a_call_that_is_cancelled_is_counted_as_aborted(self, bench: Bench):
        uid = await bench.add()
        await bench.start()
        await bench.change(uid, Verb.CANCEL)
        tally = bench.store.tallies["default"]
        assert (tally.results["aborted"], tally.cancelled) == (1, 1)

    async def test_what_is_deleted_by_hand_is_counted(self, bench: Bench):
        uid = await bench.bring(State.COMPLETED)
        await bench.change(uid, Verb.DELETE)
        assert bench.store.totals.deleted == 1

    async def test_queues_that_nobody_declared_share_a_tally(self, bench: Bench):
        for queue in ("mail", "other", "x", "default"):
            await bench.add(queue=queue)
        assert bench.store.tallies.keys() == {"default", OTHER_QUEUES}
        assert bench.store.tallies[OTHER_QUEUES].added == 3
        assert not any(view.declared for view in bench.store.queues())

    async def test_flushes_are_timed_and_their_jobs_counted(self, bench: Bench):
        await bench.add_many(5)
        assert sum(bench.store.flush_durations.counts) == sum(bench.store.flush_jobs.counts) > 0
        assert bench.store.flush_jobs.total == 5

    async def test_the_engine_says_its_version(self, bench: Bench):
        assert bench.store.engine_version.count(".") == 2
