"""What `counts`, `queues`, `oldest_waiting_ms` and `draining` promise."""

import pytest

from taskpusher_node.lifecycle import STATES, State
from taskpusher_node.store.base import Pause, Put, Verb

from ..bench import NAME, Bench, soon


class Holds:
    """Hosts that are held by hand. Who claims keeps to it; the store remembers and tells."""

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_hold_is_kept_over_a_restart(self, bench: Bench, kill: bool):  # noqa: FBT001
        hold = Pause("ada", bench.now_ms, bench.now_ms + 100)
        assert await soon(bench.store.set_hold("[::1]:8080", hold))
        assert bench.store.holds() == {"[::1]:8080": hold}
        await (bench.kill_and_reopen() if kill else bench.reopen())
        assert bench.store.holds() == {"[::1]:8080": hold}
        await bench.release("[::1]:8080")
        await (bench.kill_and_reopen() if kill else bench.reopen())
        assert bench.store.holds() == {}

    async def test_whoever_claims_is_told_of_a_hold_and_of_its_end(self, bench: Bench):
        await bench.hold("a:1")
        await bench.release("a:1")
        await bench.release("b:1")  # held by itself, as the store cannot know
        assert bench.heard.held == [("a:1", Pause("me", bench.now_ms)), ("a:1", None), ("b:1", None)]

    async def test_a_hold_with_an_end_ends_by_itself(self, bench: Bench):
        until_ms = bench.now_ms + 100
        await bench.hold("a:1", until_ms)
        assert bench.heard.due == [until_ms]
        assert await bench.promote(99) == until_ms
        assert list(bench.store.holds()) == ["a:1"]
        assert await bench.promote(1) is None
        assert (bench.store.holds(), bench.heard.held[-1]) == ({}, ("a:1", None))
        await bench.kill_and_reopen()
        assert bench.store.holds() == {}

    async def test_there_are_only_so_many_holds(self, bench: Bench):
        await bench.reopen(max_holds=2)
        assert [await bench.hold(host) for host in ("a:1", "b:1", "c:1", "a:1")] == [True, True, False, True]
        await bench.release("a:1")
        assert await bench.hold("c:1")
        assert sorted(bench.store.holds()) == ["b:1", "c:1"]


class Queues:
    """The store as a whole, and queue by queue."""

    async def test_a_new_store_has_one_empty_queue(self, bench: Bench):
        [queue] = bench.store.queues()
        assert (queue.name, queue.pause, queue.oldest_waiting_ms) == ("default", None, None)
        assert queue.counts == dict.fromkeys(STATES, 0)
        assert bench.store.counts() == dict.fromkeys(STATES, 0)
        assert bench.store.oldest_waiting_ms() is None

    async def test_the_store_has_the_name_it_was_opened_with(self, bench: Bench):
        assert bench.store.name == NAME

    async def test_queues_come_with_their_first_job_and_stay(self, bench: Bench):
        await bench.bring(State.COMPLETED, queue="mail")
        await bench.bring(State.SCHEDULED, queue="A")
        assert [queue.name for queue in bench.store.queues()] == ["A", "default", "mail"]
        await bench.kill_and_reopen()
        assert [queue.name for queue in bench.store.queues()] == ["A", "default", "mail"]

    async def test_a_queue_can_be_declared_before_or_after_its_first_job(self, bench: Bench):
        await bench.add(queue="used")
        assert [await soon(bench.store.declare_queue(name)) for name in ("new", "new", "used")] == [
            Put.CREATED, Put.SAME, Put.SAME,
        ]  # fmt: skip
        await bench.pause("new")
        await bench.add(queue="other")
        await bench.kill_and_reopen()
        declared = {queue.name: queue.declared for queue in bench.store.queues()}
        assert declared == {"default": False, "new": True, "other": False, "used": True}
        assert bench.store.queue("new").pause is not None
        await bench.resume("new")
        assert bench.store.queue("new").declared

    async def test_no_more_queues_are_declared_than_may_be(self, bench: Bench):
        await bench.reopen(max_queues=2)
        assert await soon(bench.store.declare_queue("one")) is Put.CREATED
        assert await soon(bench.store.declare_queue("two")) is Put.NO_QUEUE
        assert await soon(bench.store.declare_queue("one")) is Put.SAME
        assert bench.store.queue("two") is None

    async def test_an_unknown_queue_is_none(self, bench: Bench):
        assert bench.store.queue("mail") is None

    @pytest.mark.parametrize("state", list(State))
    async def test_counts_are_kept_over_a_restart(self, bench: Bench, state: State):
        await bench.bring(state, queue="mail")
        await bench.durable()
        counts = bench.store.counts() if state is not State.RUNNING else {**bench.store.counts()}
        await bench.reopen()
        if state is State.RUNNING:
            counts |= {State.RUNNING: 0, State.WAITING: 1}
        assert bench.store.counts() == counts
        assert bench.store.queue("mail").counts == counts

    async def test_a_pause_says_by_whom_and_since_when(self, bench: Bench):
        pause = Pause("ada", bench.now_ms, bench.now_ms + 100)
        await soon(bench.store.set_pause("default", pause))
        assert bench.store.queue("default").pause == pause
        await bench.kill_and_reopen()
        assert bench.store.queue("default").pause == pause
        await bench.resume()
        assert bench.store.queue("default").pause is None

    async def test_a_queue_can_be_paused_before_its_first_job(self, bench: Bench):
        await bench.pause("mail")
        uid = await bench.add(queue="mail")
        assert await bench.claim() == []
        await bench.kill_and_reopen()
        assert await bench.claim() == []
        await bench.resume("mail")
        assert await bench.run_all() == [uid]

    async def test_the_oldest_waiting_job_is_the_one_that_waits_longest(self, bench: Bench):
        start_ms = bench.now_ms
        await bench.add(priority=-5)
        bench.now_ms += 10
        await bench.add(priority=5, queue="mail")
        assert bench.store.oldest_waiting_ms() == start_ms
        assert bench.store.queue("default").oldest_waiting_ms == start_ms
        assert bench.store.queue("mail").oldest_waiting_ms == start_ms + 10

    async def test_a_running_job_is_not_the_oldest_waiting(self, bench: Bench):
        start_ms = bench.now_ms
        await bench.add()
        bench.now_ms += 10
        await bench.add()
        job = await bench.start()
        assert bench.store.oldest_waiting_ms() == start_ms + 10
        await bench.settle(job, State.WAITING)
        assert bench.store.oldest_waiting_ms() == start_ms

    async def test_nothing_is_the_oldest_once_all_ended(self, bench: Bench):
        first, second = await bench.add_many(2)
        await bench.change(first, Verb.CANCEL)
        await bench.run_all()
        assert bench.state(second) is State.COMPLETED
        assert bench.store.oldest_waiting_ms() is None
        assert bench.store.queue("default").oldest_waiting_ms is None

    @pytest.mark.parametrize("kill", [False, True])
    async def test_draining_is_kept_over_a_restart(self, bench: Bench, kill: bool):  # noqa: FBT001
        assert not bench.store.draining
        for on in (True, False):
            await soon(bench.store.set_draining(on=on))
            assert bench.store.draining is on
            await (bench.kill_and_reopen() if kill else bench.reopen())
            assert bench.store.draining is on

    async def test_what_was_written_before_is_durable_after_the_wait(self, bench: Bench):
        uid = await bench.add()
        await bench.settle(await bench.start(), State.COMPLETED)
        await bench.durable()
        await bench.kill_and_reopen()
        assert await bench.where() == {State.COMPLETED: [uid]}
