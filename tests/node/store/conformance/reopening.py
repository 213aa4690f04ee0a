"""What a store is after it was stopped, or killed at any moment."""

from collections.abc import Awaitable, Callable

import pytest

from taskpusher_node.lifecycle import FINISHED, TRANSITIONS, State
from taskpusher_node.store.base import Verb

from ..bench import Bench

Arrow = tuple[State, State]
ARROWS = [(source, to) for source, targets in TRANSITIONS.items() for to in sorted(targets)]
DUE_MS = 60_000


def settling(to: State) -> Callable[[Bench, str], Awaitable[None]]:
    async def move(bench: Bench, uid: str) -> None:
        await bench.settle(await bench.start(), to, due_ms=bench.now_ms + DUE_MS, tries=1)
        await bench.durable()

    return move


def doing(verb: Verb) -> Callable[[Bench, str], Awaitable[None]]:
    async def move(bench: Bench, uid: str) -> None:
        await bench.change(uid, verb)

    return move


async def cancel_running(bench: Bench, uid: str) -> None:
    await bench.start()
    await bench.change(uid, Verb.CANCEL)


async def start(bench: Bench, uid: str) -> None:
    await bench.start()


async def put_off(bench: Bench, uid: str) -> None:
    await bench.edit(uid, due_ms=bench.now_ms + DUE_MS)


async def expire(bench: Bench, uid: str) -> None:
    await bench.promote(30_000)


async def fall_due(bench: Bench, uid: str) -> None:
    await bench.promote(DUE_MS)


MOVES: dict[Arrow, Callable[[Bench, str], Awaitable[None]]] = {
    (State.WAITING, State.RUNNING): start,
    (State.WAITING, State.SCHEDULED): put_off,
    (State.WAITING, State.ERROR): expire,
    (State.WAITING, State.CANCELLED): doing(Verb.CANCEL),
    (State.SCHEDULED, State.WAITING): fall_due,
    (State.SCHEDULED, State.ERROR): expire,
    (State.SCHEDULED, State.CANCELLED): doing(Verb.CANCEL),
    (State.RUNNING, State.COMPLETED): settling(State.COMPLETED),
    (State.RUNNING, State.ERROR): settling(State.ERROR),
    (State.RUNNING, State.SCHEDULED): settling(State.SCHEDULED),
    (State.RUNNING, State.WAITING): settling(State.WAITING),
    (State.RUNNING, State.CANCELLED): cancel_running,
    (State.COMPLETED, State.WAITING): doing(Verb.RETRY),
    (State.ERROR, State.WAITING): doing(Verb.RETRY),
    (State.CANCELLED, State.WAITING): doing(Verb.RETRY),
}


async def before(bench: Bench, arrow: Arrow) -> str:
    """Bring a job to where an arrow begins; calls are begun by the move itself, so that nothing else is ready."""
    source, to = arrow
    if source is State.SCHEDULED and to is State.ERROR:
        # an unreached call: due after its ttl is over
        uid = await bench.add(ttl_s=30.0)
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + DUE_MS, unreached=1)
        return uid
    fields = {"ttl_s": 30.0} if to is State.ERROR and source is State.WAITING else {}
    return await bench.bring(State.WAITING if source is State.RUNNING else source, **fields)


class Reopening:
    """Every arrow of the state table is still there after a kill."""

    def test_every_arrow_has_its_move(self):
        assert set(MOVES) == set(ARROWS)

    @pytest.mark.parametrize("arrow", ARROWS, ids="->".join)
    async def test_a_transition_survives_a_kill(self, bench: Bench, arrow: Arrow):
        uid = await before(bench, arrow)
        await MOVES[arrow](bench, uid)
        view = bench.view(uid)
        assert view.head.state is arrow[1]
        await bench.kill_and_reopen()
        if arrow[1] is State.RUNNING:
            assert bench.state(uid) is State.WAITING
        else:
            assert bench.view(uid) == view
        assert await bench.where() == {bench.state(uid): [uid]}
        assert bench.counts() == {bench.state(uid): 1}

    @pytest.mark.parametrize("arrow", ARROWS, ids="->".join)
    async def test_a_job_goes_on_after_a_kill_and_is_called_once(self, bench: Bench, arrow: Arrow):
        uid = await before(bench, arrow)
        await MOVES[arrow](bench, uid)
        await bench.kill_and_reopen()
        await bench.promote(DUE_MS)
        ran = await bench.run_all()
        ended = arrow[1] in FINISHED
        assert ran == ([] if ended else [uid])
        assert await bench.where() == {arrow[1] if ended else State.COMPLETED: [uid]}

    @pytest.mark.parametrize("state", sorted(set(State) - {State.RUNNING}))
    async def test_a_clean_restart_changes_nothing(self, bench: Bench, state: State):
        uid = await bench.bring(state)
        view = bench.view(uid)
        await bench.reopen()
        assert bench.view(uid) == view
        assert await bench.where() == {state: [uid]}

    async def test_the_order_of_a_line_outlives_any_number_of_restarts(self, bench: Bench):
        uids = []
        for kill in (True, False, True, False):
            uids += await bench.add_many(2)
            await (bench.kill_and_reopen() if kill else bench.reopen())
        uids.append(await bench.add())
        assert await bench.run_all() == uids

    async def test_lanes_of_all_hosts_queues_and_priorities_are_found_again(self, bench: Bench):
        jobs = [
            bench.job(host=host, queue=queue, priority=priority)
            for host in ("a:1", "a:10", "b:1")
            for queue in ("x", "x.y", "default")
            for priority in (-100, 0, 100)
        ]
        await bench.put(*jobs)
        await bench.kill_and_reopen()
        assert sorted(await bench.claim_uids(100)) == sorted(job.uid for job in jobs)


class Crashing:
    """What was running when the process went down."""

    async def test_a_crashed_call_is_an_attempt_but_no_try(self, bench: Bench):
        uid = await bench.add()
        started_ms = bench.now_ms
        await bench.start()
        await bench.kill_and_reopen()
        head = bench.head(uid)
        assert (head.state, head.attempt, head.tries, head.unreached, head.crashes) == (State.WAITING, 1, 0, 0, 1)
        assert (head.last.n, head.last.started_ms, head.last.outcome) == (1, started_ms, "crashed")
        assert bench.store.totals.requeued == 1
        assert (await bench.start()).token.attempt == 2

    async def test_a_crash_leaves_waiting_jobs_alone(self, bench: Bench):
        uids = await bench.add_many(3)
        await bench.start()
        await bench.kill_and_reopen()
        assert [bench.head(uid).crashes for uid in uids] == [1, 0, 0]
        assert await bench.where() == {State.WAITING: uids}

    async def test_crashed_jobs_keep_their_order(self, bench: Bench):
        uids = await bench.add_many(4)
        await bench.claim(3)
        await bench.kill_and_reopen()
        order = await bench.run_all()
        assert [uid for uid in order if uid in uids[:3]] == uids[:3]
        assert sorted(order) == uids

    async def test_a_crashed_job_keeps_its_waiting_time(self, bench: Bench):
        uid = await bench.add()
        waiting_ms = bench.head(uid).waiting_ms
        bench.now_ms += 500
        await bench.start()
        await bench.kill_and_reopen()
        assert bench.head(uid).waiting_ms == waiting_ms

    async def test_suspects_run_one_at_a_time_beside_the_healthy(self, bench: Bench):
        suspects = await bench.add_many(3)
        await bench.claim(3)
        await bench.kill_and_reopen()
        healthy = await bench.add_many(3)
        running = await bench.claim(6)
        assert sorted(job.uid for job in running) == sorted([suspects[0], *healthy])
        assert await bench.claim(6) == []
        [suspect] = [job for job in running if job.uid == suspects[0]]
        await bench.settle(suspect, State.COMPLETED, tries=1)
        assert await bench.claim_uids(6) == [suspects[1]]

    async def test_suspects_of_several_queues_run_one_at_a_time(self, bench: Bench):
        await bench.add(queue="x")
        await bench.add(queue="y", host="b:1")
        await bench.claim(2)
        await bench.kill_and_reopen()
        assert len(await bench.claim(5)) == 1

    async def test_a_suspect_of_a_held_host_waits_beside_the_others(self, bench: Bench):
        held, other = await bench.add(host="a:1"), await bench.add(host="b:1")
        await bench.claim(2)
        await bench.kill_and_reopen()
        bench.store.limit_host("a:1", 0)
        [job] = await bench.claim(5)
        assert job.uid == other
        await bench.settle(job, State.COMPLETED)
        assert await bench.claim(5) == []
        assert bench.store.queue("default").oldest_waiting_ms == bench.head(held).waiting_ms
        bench.store.limit_host("a:1", 1)
        assert await bench.claim_uids(5) == [held]

    async def test_a_suspect_that_runs_counts_as_a_call_of_its_host(self, bench: Bench):
        suspect = await bench.add(host="a:1")
        await bench.start()
        await bench.kill_and_reopen()
        bench.store.limit_host("a:1", 1)
        job = await bench.start()
        fresh = await bench.add(host="a:1")
        assert (job.uid, await bench.claim(5)) == (suspect, [])
        await bench.settle(job, State.COMPLETED)
        assert await bench.claim_uids(5) == [fresh]

    async def test_the_third_crash_ends_a_job(self, bench: Bench):
        uid = await bench.add()
        for crashes in (1, 2):
            await bench.start()
            await bench.kill_and_reopen()
            assert (bench.state(uid), bench.head(uid).crashes) == (State.WAITING, crashes)
        await bench.start()
        bench.now_ms += 5
        await bench.kill_and_reopen()
        head = bench.head(uid)
        assert (head.state, head.error.kind, head.ended_ms) == (State.ERROR, "crashed-node", bench.now_ms)
        assert await bench.where() == {State.ERROR: [uid]}
        assert bench.counts() == {State.ERROR: 1}
        assert await bench.claim() == []
        assert [attempt.n for attempt in bench.view(uid).attempts] == [2, 1]

    @pytest.mark.parametrize("restarts", [1, 3])
    async def test_a_restart_under_which_a_job_did_not_run_is_no_crash_of_it(self, bench: Bench, restarts: int):
        uid = await bench.add()
        await bench.start()
        for _ in range(restarts):
            await bench.kill_and_reopen()
        assert bench.head(uid).crashes == 1

    async def test_a_call_that_came_back_forgets_the_crashes(self, bench: Bench):
        uid = await bench.add()
        for _ in range(2):
            await bench.start()
            await bench.kill_and_reopen()
        await bench.settle(await bench.start(), State.SCHEDULED, due_ms=bench.now_ms + 1, tries=1)
        assert bench.head(uid).crashes == 0
        await bench.promote(1)
        for _ in range(2):
            await bench.start()
            await bench.kill_and_reopen()
        assert (bench.state(uid), bench.head(uid).crashes) == (State.WAITING, 2)

    async def test_an_interrupted_suspect_stays_one(self, bench: Bench):
        uid = await bench.add()
        await bench.start()
        await bench.kill_and_reopen()
        await bench.settle(await bench.start(), State.WAITING)
        assert (bench.state(uid), bench.head(uid).crashes) == (State.WAITING, 1)
        await bench.kill_and_reopen()
        assert bench.head(uid).crashes == 1
        assert await bench.run_all() == [uid]

    async def test_a_retry_by_hand_forgives(self, bench: Bench):
        uid = await bench.add()
        for _ in range(3):
            await bench.start()
            await bench.kill_and_reopen()
        await bench.change(uid, Verb.RETRY)
        assert (bench.state(uid), bench.head(uid).crashes) == (State.WAITING, 0)
        assert await bench.run_all() == [uid]

    async def test_a_cancelled_suspect_can_be_retried(self, bench: Bench):
        uid = await bench.add()
        await bench.start()
        await bench.kill_and_reopen()
        await bench.change(uid, Verb.CANCEL)
        assert await bench.claim() == []
        await bench.change(uid, Verb.RETRY)
        await bench.kill_and_reopen()
        assert await bench.run_all() == [uid]
        assert await bench.where() == {State.COMPLETED: [uid]}
