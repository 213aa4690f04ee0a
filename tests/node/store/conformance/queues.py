"""What `counts`, `queues`, `oldest_waiting_ms` and `draining` promise."""

import asyncio

import pytest
from msgspec import structs

from taskpusher_node.lifecycle import STATES, State
from taskpusher_node.store.base import Changed, Pause, Put, QueueState, Verb
from taskpusher_node.store.queues import WHOLE, QueueSettings, Share

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


class QueueSettingsKept:
    """What is said of a queue by hand is kept as a whole, and each time is a version."""

    SETTINGS = QueueSettings(3, 10.0, 60.0, "node", b'{"timeout":5}')

    async def test_settings_are_kept_over_a_kill_and_replaced_as_a_whole(self, bench: Bench):
        await bench.pause("mail")
        await bench.declare("mail", self.SETTINGS)
        await bench.kill_and_reopen()
        view = bench.store.queue("mail")
        assert (view.concurrency, view.rate, view.per, view.scope, view.defaults, view.version) == (
            3, 10.0, 60.0, "node", b'{"timeout":5}', 2,
        )  # fmt: skip
        assert bench.store.queue_defaults == {"mail": b'{"timeout":5}'}
        assert view.pause is not None
        await bench.declare("mail")
        await bench.kill_and_reopen()
        view = bench.store.queue("mail")
        assert (view.concurrency, view.rate, view.per, view.scope, view.defaults, view.version) == (
            None, None, 1.0, "cluster", None, 3,
        )  # fmt: skip
        assert bench.store.queue_defaults == {}

    async def test_a_version_that_is_not_the_current_one_changes_nothing(self, bench: Bench):
        assert await bench.declare("mail", version=1) is Put.CONFLICT
        assert bench.store.queue("mail") is None
        assert await bench.declare("mail", version=0) is Put.CREATED
        assert await bench.declare("mail", self.SETTINGS, version=0) is Put.CONFLICT
        assert bench.store.queue("mail").concurrency is None
        assert await bench.declare("mail", self.SETTINGS, version=1) is Put.SAME
        await bench.kill_and_reopen()
        assert await bench.declare("mail", version=1) is Put.CONFLICT

    async def test_a_pause_and_its_end_by_hand_make_versions(self, bench: Bench):
        await bench.declare("mail", self.SETTINGS)
        await bench.pause("mail")
        await bench.pause("mail")  # of the same moment, and so the same
        assert bench.store.queue("mail").version == 2
        await bench.resume("mail")
        await bench.resume("mail")
        assert bench.store.queue("mail").version == 3
        await bench.kill_and_reopen()
        assert await bench.declare("mail", version=3) is Put.SAME

    async def test_a_pause_that_ends_by_itself_makes_no_version(self, bench: Bench):
        await bench.pause("mail", bench.now_ms + 100)
        await bench.promote(100)
        view = bench.store.queue("mail")
        assert (view.pause, view.version) == (None, 1)
        await bench.kill_and_reopen()
        assert (bench.store.queue("mail").pause, bench.store.queue("mail").version) == (None, 1)


class QueuesOfACluster:
    """What another store of the cluster knows of a queue is taken as a whole where it is newer."""

    STATE = QueueState(3, 10.0, 60.0, "node", b'{"timeout":5}', pause=Pause("ada", 1_000), declared=True, version=7)

    async def test_a_newer_record_takes_the_place_of_all_that_was_said(self, bench: Bench):
        await bench.declare("mail", QueueSettings(1, defaults=b'{"timeout":9}'))
        assert await bench.take("mail", self.STATE) is Put.SAME
        for reopened in (False, True):
            if reopened:
                await bench.kill_and_reopen()
            assert _state(bench, "mail") == self.STATE
            assert bench.store.queue_defaults == {"mail": b'{"timeout":5}'}
            await bench.add(queue="mail")
            assert await bench.claim() == []  # it is paused
        plain = QueueState(version=8)
        assert await bench.take("mail", plain) is Put.SAME
        await bench.kill_and_reopen()
        assert (_state(bench, "mail"), bench.store.queue_defaults) == (plain, {})
        assert len(await bench.run_all()) == 2

    async def test_a_queue_that_is_not_there_is_made(self, bench: Bench):
        assert await bench.take("mail", self.STATE) is Put.CREATED
        await bench.kill_and_reopen()
        assert _state(bench, "mail") == self.STATE

    async def test_what_is_older_or_the_same_is_not_taken(self, bench: Bench):
        await bench.take("mail", self.STATE)
        for other in (self.STATE, structs.replace(self.STATE, version=6), QueueState(version=1)):
            assert await bench.take("mail", other) is Put.CONFLICT
        assert _state(bench, "mail") == self.STATE

    async def test_of_two_records_of_one_version_all_stores_keep_the_same(self, bench: Bench):
        one, other = QueueState(1, version=7), QueueState(2, version=7)
        kept = []
        for first, second in ((one, other), (other, one)):
            await bench.take(f"mail{len(kept)}", first)
            await bench.take(f"mail{len(kept)}", second)
            kept.append(_state(bench, f"mail{len(kept)}"))
        assert kept[0] == kept[1]

    async def test_the_numbers_of_a_record_hold(self, bench: Bench):
        await bench.add_many(5)
        await bench.take("default", QueueState(2, version=7))
        assert len(await bench.claim(9)) == 2
        await bench.take("default", QueueState(version=8))
        assert len(await bench.claim(9)) == 3

    async def test_a_pause_that_is_taken_ends_in_its_time(self, bench: Bench):
        uid = await bench.add()
        until_ms = bench.now_ms + 100
        await bench.take("default", QueueState(pause=Pause("ada", 1, until_ms), version=7))
        assert until_ms in bench.heard.due
        assert await bench.claim() == []
        await bench.promote(100)
        assert await bench.run_all() == [uid]

    async def test_no_more_queues_are_made_than_may_be(self, bench: Bench):
        await bench.reopen(max_queues=1)
        assert await bench.take("mail", self.STATE) is Put.NO_QUEUE
        assert bench.store.queue("mail") is None

    async def test_stores_that_know_the_same_have_the_same_digest(self, bench: Bench):
        digest = bench.store.settings_digest()
        await bench.add(queue="made-by-a-job")
        assert bench.store.settings_digest() == digest
        seen = [digest]
        for change in (
            bench.declare("mail", self.SETTINGS), bench.declare("mail", self.SETTINGS), bench.pause("mail"),
            bench.resume("mail"), bench.take("mail", self.STATE), bench.delete_queue("mail"), bench.declare("other"),
        ):  # fmt: skip
            await change
            seen.append(bench.store.settings_digest())
        assert (seen[6], len(set(seen))) == (digest, len(seen) - 1)
        await bench.kill_and_reopen()
        assert bench.store.settings_digest() == seen[-1]

    SETTINGS = QueueSettings(3, 10.0, 60.0, "node", b'{"timeout":5}')

    async def test_the_digest_is_that_of_a_queue_that_goes_on_once_its_pause_is_over(self, bench: Bench):
        await bench.pause("mail", bench.now_ms + 100)
        paused = bench.store.settings_digest()
        bench.now_ms += 99
        assert bench.store.settings_digest() == paused
        bench.now_ms += 1
        over = bench.store.settings_digest()
        assert over != paused
        await bench.promote()
        assert (bench.store.queue("mail").pause, bench.store.settings_digest()) == (None, over)


def _state(bench: Bench, name: str) -> QueueState:
    view = bench.store.queue(name)
    return QueueState(**{field: getattr(view, field) for field in QueueState.__struct_fields__})


class Shares:
    """A store's part in what its cluster shares."""

    async def test_a_store_that_was_told_nothing_is_the_whole(self, bench: Bench):
        assert bench.store.share == WHOLE == Share(1, 0.0, 1.0)

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_share_is_kept_over_a_restart_and_so_is_what_it_limits(self, bench: Bench, kill: bool):  # noqa: FBT001
        await bench.declare("default", QueueSettings(10))
        await soon(bench.store.set_share(Share(4, 0.25, 0.5)))
        await (bench.kill_and_reopen() if kill else bench.reopen())
        assert bench.store.share == Share(4, 0.25, 0.5)
        await bench.add_many(20)
        assert len(await bench.claim(20)) == Share(4, 0.25, 0.5).concurrency(10) < 10
        assert bench.store.queue("default").concurrency == 10

    async def test_another_share_holds_at_once(self, bench: Bench):
        await bench.declare("default", QueueSettings(10))
        await bench.add_many(20)
        await soon(bench.store.set_share(Share(2, 0.0, 0.5)))
        assert len(await bench.claim(20)) == 5
        woke = bench.heard.woke
        await soon(bench.store.set_share(WHOLE))
        assert bench.heard.woke > woke
        assert len(await bench.claim(20)) == 5

    async def test_settings_that_come_later_are_shared_too(self, bench: Bench):
        await soon(bench.store.set_share(Share(2, 0.5, 1.0)))
        await bench.add_many(20)
        await bench.declare("default", QueueSettings(4))
        assert len(await bench.claim(20)) == 2
        await bench.take("default", QueueState(12, version=9))
        assert len(await bench.claim(20)) == 4

    async def test_a_rate_is_shared_by_the_space(self, bench: Bench):
        await soon(bench.store.set_share(Share(2, 0.25, 0.75)))
        await bench.declare("default", QueueSettings(rate=8.0))
        await bench.add_many(20)
        assert len(await bench.claim(20)) == 4  # as many as the bucket holds
        assert await bench.promote() == bench.now_ms + 250
        await bench.kill_and_reopen()
        assert await bench.promote() == bench.now_ms + 250

    async def test_a_queue_of_the_node_alone_is_not_shared(self, bench: Bench):
        await soon(bench.store.set_share(Share(2, 0.0, 0.5)))
        await bench.declare("default", QueueSettings(10, scope="node"))
        await bench.add_many(20)
        assert len(await bench.claim(20)) == 10


class DeletingQueues:
    """An empty queue can be deleted with all that was said of it."""

    async def test_a_deleted_queue_is_gone_over_a_kill_and_comes_anew_with_an_add(self, bench: Bench):
        await bench.declare("mail", QueueSettings(concurrency=1, defaults=b'{"timeout":5}'))
        await bench.pause("mail")
        assert await bench.delete_queue("mail") is Changed.DONE
        assert [queue.name for queue in bench.store.queues()] == ["default"]
        await bench.kill_and_reopen()
        assert [queue.name for queue in bench.store.queues()] == ["default"]
        assert bench.store.queue_defaults == {}
        uid = await bench.add(queue="mail")
        view = bench.store.queue("mail")
        assert (view.pause, view.declared, view.concurrency, view.version) == (None, False, None, 0)
        assert await bench.run_all() == [uid]

    @pytest.mark.parametrize("state", list(State))
    async def test_a_queue_with_a_job_in_any_state_stays(self, bench: Bench, state: State):
        await bench.bring(state, queue="mail")
        assert await bench.delete_queue("mail") is Changed.WRONG_STATE
        await bench.kill_and_reopen()
        assert sum(bench.store.queue("mail").counts.values()) == 1

    async def test_the_default_queue_stays_and_an_unknown_one_is_missing(self, bench: Bench):
        assert await bench.delete_queue("default") is Changed.WRONG_STATE
        assert await bench.delete_queue("mail") is Changed.MISSING

    async def test_an_add_of_the_same_turn_keeps_it(self, bench: Bench):
        await bench.declare("mail")
        uid, deleted = await asyncio.gather(bench.add(queue="mail"), bench.delete_queue("mail"))
        assert deleted is Changed.WRONG_STATE
        await bench.kill_and_reopen()
        assert bench.view(uid).spec.queue == "mail"
        deleted, _ = await asyncio.gather(bench.delete_queue("other"), bench.declare("other"))
        assert (deleted, bench.store.queue("other") is not None) == (Changed.MISSING, True)

    async def test_a_deletion_and_an_add_right_behind_it_leave_a_new_queue(self, bench: Bench):
        await bench.declare("mail", QueueSettings(concurrency=1))
        deleted, uid = await asyncio.gather(bench.delete_queue("mail"), bench.add(queue="mail"))
        assert deleted is Changed.DONE
        await bench.kill_and_reopen()
        view = bench.store.queue("mail")
        assert (view.counts[State.WAITING], view.concurrency) == (1, None)
        assert await bench.run_all() == [uid]

    async def test_what_is_left_of_its_line_runs_nothing_twice(self, bench: Bench):
        for uid in await bench.add_many(6, queue="mail"):
            await bench.change(uid, Verb.CANCEL)
            await bench.change(uid, Verb.DELETE)
        assert await bench.delete_queue("mail") is Changed.DONE
        uids = await bench.add_many(3, queue="mail")
        assert await bench.run_all() == uids
        assert bench.store.verification().step(1_000) == []

    async def test_its_name_is_free_for_another(self, bench: Bench):
        await bench.reopen(max_queues=2)
        await bench.declare("one")
        assert await bench.declare("two") is Put.NO_QUEUE
        await bench.delete_queue("one")
        assert await bench.declare("two") is Put.CREATED

    async def test_its_jobs_are_counted_under_another_name(self, bench: Bench):
        await bench.declare("mail")
        assert "mail" in bench.store.tallies
        await bench.delete_queue("mail")
        assert "mail" not in bench.store.tallies
        await bench.add(queue="mail")
        assert bench.store.tallies["other"].added == 1
