"""The store against a model, through any mix of calls, verbs, waits, kills and restarts."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import structs

from taskpusher.job import CALLBACK_QUEUE, Callback, Spec
from taskpusher_node.grouping import group_of
from taskpusher_node.lifecycle import FINISHED, State
from taskpusher_node.store.base import (
    VERB_STATES,
    Changed,
    Claimed,
    NewJob,
    Put,
    Settled,
    Token,
    Verb,
    Verification,
    Why,
)

from . import model_ties
from .bench import Bench, close
from .conftest import RocksEngine
from .model import CALLBACK_HOST, UNFINISHED, Job, Model
from .model_edits import edit
from .model_handed import REPORTS, TRIES, hand_off, is_handed_off, open_again, report, takes
from .model_limits import Limited, limit_of
from .model_repeats import RETENTION_MS

TOLD = Callback(f"http://{CALLBACK_HOST}/", CALLBACK_HOST, on=("completed", "cancelled"))
CALLBACKS = st.sampled_from([None, None, TOLD, structs.replace(TOLD, on=("error",))])
QUEUES = st.sampled_from(["default", "x"])
HOSTS = st.sampled_from(["a:1", "b:1"])
PRIORITIES = st.sampled_from([0, 0, 0, 1, -1])
DELAYS = st.sampled_from([0, 0, 0, -5, 1, 50, 200])
TTLS = st.sampled_from([None, None, 1, 60, 300])
KEYS = st.sampled_from([("k", True), ("k", True), ("k", False), ("m", True), (None, False)])
TEXTS = st.sampled_from([None, "t", "t"])
CONFLICTS = st.sampled_from(["keep", "replace", "after"])
ENDS = st.sampled_from([State.COMPLETED, State.ERROR, State.SCHEDULED, State.SCHEDULED, State.WAITING, State.WAITING])
EDITS = st.fixed_dictionaries(
    {},
    optional={
        "queue": QUEUES, "host": HOSTS, "priority": PRIORITIES, "body": st.sampled_from([None, b"x", b"y"]),
        "ttl_s": st.sampled_from([None, 0.001, 0.06, 0.3]),
    },
)  # fmt: skip
SNOOZE_S = 1.5
LIMITS = st.sampled_from([None, None, "a", "b", "r"])
ANY = st.integers(0, 1_000)


class StoreMachine(RuleBasedStateMachine):
    """Every rule does one thing to both, every invariant compares them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(RocksEngine(Path(self.folder.name)))
        self.model = Model(callback_of=self.callback_of)
        self.tokens: dict[str, Claimed] = {}
        self.closing: list[Claimed] = []  # their jobs were cancelled
        self.called: list[Claimed] = []  # ever
        self.specs: dict[str, Spec] = {}  # of all that was ever added
        self.looking: Verification | None = None
        self.fault: BaseException | None = None
        self.loop.set_exception_handler(self.on_fault)

    def do(self, work: Any) -> Any:
        """Run an operation to its end, or to a fault behind its back that would let it wait for ever."""
        self.task = self.loop.create_task(work)
        try:
            return self.loop.run_until_complete(self.task)
        except asyncio.CancelledError:
            assert self.fault is not None
            raise self.fault from None

    def on_fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised outside of any operation."""
        self.fault = context.get("exception") or RuntimeError(context["message"])
        self.task.cancel()

    @initialize()
    def open(self) -> None:
        self.do(self.bench.open(idempotency_retention_s=RETENTION_MS / 1_000))
        self.read_little_ahead()

    def read_little_ahead(self) -> None:
        """Let lanes come from disk already when they are short."""
        lanes = self.bench.store._book.lanes
        lanes._read_ahead, lanes._chunk = 3, 2

    def teardown(self) -> None:
        try:
            if self.fault is None:
                self.run_down()
        finally:
            self.do(close(self.bench) if self.fault is None else self.bench.engine.kill())
            self.do(self.loop.shutdown_default_executor())
            self.loop.close()
            self.folder.cleanup()

    @property
    def now_ms(self) -> int:
        """The clock of both."""
        return self.bench.now_ms

    # -- moves

    @rule(
        n=st.integers(1, 3), queue=QUEUES, host=HOSTS, priority=PRIORITIES, delay_ms=DELAYS, ttl_ms=TTLS,
        given=st.booleans(), limit=LIMITS, callback=CALLBACKS,
    )  # fmt: skip
    def put(
        self, *, n: int, queue: str, host: str, priority: int, delay_ms: int, ttl_ms: int | None, given: bool,
        limit: str | None, callback: Callback | None,
    ):  # fmt: skip
        ttl_s = None if ttl_ms is None else ttl_ms / 1_000
        fields = {"callback": callback} | ({} if limit is None else {"limit": limit_of(limit)})
        jobs = [
            self.bench.job(
                uid=self.bench.fresh_uid(),
                queue=queue,
                host=host,
                priority=priority,
                delay_ms=delay_ms,
                ttl_s=ttl_s,
                given=given,
                **fields,
                **TRIES,
            )
            for _ in range(n)
        ]
        assert self.do(self.bench.put(*jobs)) == [Put.CREATED] * n
        for job in jobs:
            self.specs[job.uid] = job.spec
            self.model.add(job.uid, self.now_ms, delay_ms, ttl_ms, (queue, host, priority))
            self.model.jobs[job.uid].on = callback.on if callback is not None else ()
            self.model.jobs[job.uid].limit = limit

    @rule(texts=st.lists(st.sampled_from("klm"), min_size=1, max_size=4), priority=st.sampled_from([0, 0, 0, 1]))
    def put_keyed(self, texts: list[str], priority: int):
        jobs = [
            self.bench.job(uid=self.bench.fresh_uid(), idempotency_key=text, host="a:1", priority=priority, **TRIES)
            for text in texts
        ]
        placed = self.do(self.bench.place(*jobs))
        assert placed == [
            self.model.repeats.add(text, job.uid, priority) for text, job in zip(texts, jobs, strict=True)
        ]
        for text, job, each in zip(texts, jobs, placed, strict=True):
            if each.put is Put.CREATED:
                self.specs[job.uid] = job.spec
                self.model.add(job.uid, self.now_ms, 0, None, ("default", "a:1", priority))
                self.model.jobs[job.uid].key = text

    @rule(
        keys=st.lists(KEYS, min_size=1, max_size=3), text=TEXTS, on_conflict=CONFLICTS, delay_ms=DELAYS, ttl_ms=TTLS,
        queue=QUEUES, host=HOSTS, callback=CALLBACKS,
    )  # fmt: skip
    def put_tied(self, *, keys: list, text: str | None, on_conflict: str, delay_ms: int, ttl_ms: int | None,
                 queue: str, host: str, callback: Callback | None):  # fmt: skip
        jobs = [
            self.bench.job(
                uid=self.bench.fresh_uid(),
                queue=queue,
                host=host,
                key=key,
                ordered=ordered,
                unique=text,
                on_conflict=on_conflict,
                **TRIES,
                delay_ms=0 if ordered else delay_ms,
                ttl_s=None if ttl_ms is None else ttl_ms / 1_000,
                callback=callback,
            )
            for key, ordered in keys
        ]
        placed = self.do(self.bench.place(*jobs))
        for job, each in zip(jobs, placed, strict=True):
            spec = job.spec
            line = spec.key if spec.ordered else None
            unique = (spec.key, text) if text is not None else None
            put, there = model_ties.meet(self.model, unique, on_conflict)
            assert each == (put, there.uid if there is not None else job.uid)
            if put is Put.DEDUPLICATED:
                continue
            self.model.add(job.uid, self.now_ms, job.due_ms - job.added_ms, ttl_ms, (queue, host, 0))
            new = self.model.jobs[job.uid]
            new.on = callback.on if callback is not None else ()
            if there is not None:
                new.line = self.model.jobs.pop(job.uid).line = line
                self.model.take_fields(there, new, self.now_ms)
            else:
                self.specs[job.uid] = spec
                self.model.tie(new, line, unique, self.now_ms)

    @precondition(lambda self: self.closing)
    @rule(which=ANY)
    def close_call(self, which: int):
        token = self.closing.pop(which % len(self.closing))
        assert self.do(self.bench.settle(token, State.COMPLETED)) is Settled.FENCED
        self.do(self.bench.durable())
        self.model.open.pop(f"{token.uid} {token.token.attempt}", None)
        self.model.gates.closing.pop(f"{token.uid} {token.token.attempt}", None)
        self.model.let_go(self.now_ms)

    @precondition(lambda self: self.model.repeats.deleted)
    @rule(which=ANY, same=st.booleans())
    def put_what_was_deleted(self, *, which: int, same: bool):
        deleted = sorted(self.model.repeats.deleted)
        uid = deleted[which % len(deleted)]
        spec = self.specs[uid] if same else structs.replace(self.specs[uid], method="PUT")
        again = NewJob(uid, spec, self.now_ms, self.now_ms, given=True)
        assert self.do(self.bench.put(again)) == [Put.SAME if same else Put.CONFLICT]

    def callback_of(self, uid: str) -> str:
        """Return the callback that was made when a job ended."""
        made = [self.bench.view(told) for told in self.do(self.bench.walk(State.WAITING, queue=CALLBACK_QUEUE))]
        [new] = [view for view in made if view.uid not in self.model.jobs and view.spec.callback_of == uid]
        self.specs[new.uid] = new.spec
        return new.uid

    @rule(n=st.integers(1, 6))
    def verify(self, n: int):
        """Whatever happens between its steps, a verification finds nothing wrong."""
        if self.looking is None or self.looking.done:
            self.looking = self.bench.store.verification()
        assert self.looking.step(n) == []

    @precondition(lambda self: self.model.jobs)
    @rule(which=ANY)
    def put_again(self, which: int):
        uid = sorted(self.model.jobs)[which % len(self.model.jobs)]
        job = self.bench.job(uid=uid, given=True)
        assert self.do(self.bench.put(job)) == [Put.SAME if job.spec == self.specs[uid] else Put.CONFLICT]

    @rule(host=HOSTS, calls=st.sampled_from([None, 0, 1, 2]))
    def limit_host(self, host: str, calls: int | None):
        self.bench.store.limit_host(host, calls)
        self.model.limits.pop(host, None)
        if calls is not None:
            self.model.limits[host] = calls

    @rule(queue=QUEUES, calls=st.sampled_from([None, 1, 2]))
    def number_queue(self, queue: str, calls: int | None):
        if any(view.name == queue for view in self.bench.store.queues()):
            self.do(self.bench.number_queue(calls, queue=queue))
            self.model.gates.queues.pop(queue, None)
            if calls is not None:
                self.model.gates.queues[queue] = calls

    @rule(n=st.integers(0, 4))
    def claim(self, n: int):
        self.take(n)

    def take(self, n: int) -> list[Claimed]:
        """Claim, and check that the best were taken."""
        self.do(self.bench.durable())  # only then is there what others have let go
        claimed = self.do(self.bench.claim(n))
        for job in claimed:
            self.check_choice(job.uid, self.model.may_be_claimed(self.now_ms))
            self.model.claim(job.uid, self.now_ms)
            assert job.token.attempt == self.model.jobs[job.uid].attempt
            self.tokens[job.uid] = job
            self.called.append(job)
        assert len(claimed) == n or not self.sure(self.model.may_be_claimed(self.now_ms))
        return claimed

    def sure(self, jobs: list[Job]) -> list[Job]:
        """Return the jobs that a claim does not pass over."""
        return [job for job in jobs if self.model.gates.must_be_open(job.limit, self.now_ms)]

    def check_choice(self, uid: str, candidates: list[Job]) -> None:
        """Of its queue the highest priority, of its lane the first."""
        assert uid in [job.uid for job in candidates]
        chosen = self.model.jobs[uid]
        rivals = [chosen, *(job for job in self.sure(candidates) if job.queue == chosen.queue)]
        assert chosen.priority == max(job.priority for job in rivals)
        assert chosen.place == min(job.place for job in rivals if job.lane == chosen.lane)

    @precondition(lambda self: self.tokens)
    @rule(which=ANY, to=ENDS, delay_ms=st.integers(0, 100), reached=st.booleans())
    def settle(self, *, which: int, to: State, delay_ms: int, reached: bool):
        uid = sorted(self.tokens)[which % len(self.tokens)]
        token, job = self.tokens.pop(uid), self.model.jobs[uid]
        added = (0, 0) if to is State.WAITING else (int(reached), int(not reached))
        due_ms = self.now_ms + delay_ms
        changes = {"due_ms": due_ms, "tries": added[0], "unreached": added[1], "body": b"line %d" % (delay_ms % 2)}
        changes["body"] += b"0 of it" if reached else b" of something else"
        assert self.do(self.bench.settle(token, to, **changes)) is Settled.APPLIED
        self.model.settle(job, to, self.now_ms, due_ms, added)
        assert self.do(self.bench.settle(token, to, **changes)) is Settled.FENCED
        self.do(self.bench.durable())  # whom it let go stands in line from now on, whenever a flush would have come

    @precondition(lambda self: self.tokens)
    @rule(which=ANY, delay_ms=st.integers(0, 100))
    def snooze(self, which: int, delay_ms: int):
        uid = sorted(self.tokens)[which % len(self.tokens)]
        token, job, due_ms = self.tokens.pop(uid), self.model.jobs[uid], self.now_ms + delay_ms
        snoozed = self.bench.settle(token, State.SCHEDULED, due_ms=due_ms, snoozed_s=SNOOZE_S)
        assert self.do(snoozed) is Settled.APPLIED
        job.snoozes += 1
        self.model.settle(job, State.SCHEDULED, self.now_ms, due_ms, (0, 0))

    @precondition(lambda self: self.tokens)
    @rule(which=ANY, lease_ms=st.sampled_from([10, 100, 5_000]))
    def accept(self, which: int, lease_ms: int):
        call = self.tokens.pop(sorted(self.tokens)[which % len(self.tokens)])
        assert self.do(self.bench.hand_off(call, lease_ms)) is Settled.APPLIED
        hand_off(self.model.jobs[call.uid], self.now_ms + lease_ms)

    @precondition(lambda self: self.called)
    @rule(which=ANY, what=st.sampled_from(sorted(REPORTS)))
    def say(self, which: int, what: str):
        """Say something of a call, mostly of a late one."""
        call = self.called[-1 - which % len(self.called)]
        job = self.model.jobs.get(call.uid)
        taken = takes(job, call.token.attempt, what)
        assert self.do(self.bench.report(call, REPORTS[what])) is (Settled.APPLIED if taken else Settled.FENCED)
        if job is not None and taken:
            report(self.model, job, what, self.now_ms)
            if job.state is not State.RUNNING:
                self.tokens.pop(call.uid, None)

    @rule(later_ms=st.sampled_from([0, 1, 30, 100, 1_000]))
    def promote(self, later_ms: int):
        next_ms = self.do(self.bench.promote(later_ms))
        self.model.promote(self.now_ms)
        self.model.gates.looked_ms = self.now_ms
        needed_ms = self.model.next_ms()
        assert needed_ms is None or (next_ms is not None and next_ms <= needed_ms)

    @rule(later_ms=st.sampled_from([1, 10, 100]))
    def let_time_pass(self, later_ms: int):
        self.bench.now_ms += later_ms

    @precondition(lambda self: self.model.jobs)
    @rule(which=ANY, verb=st.sampled_from(Verb))
    def change(self, which: int, verb: Verb):
        job = self.model.jobs[sorted(self.model.jobs)[which % len(self.model.jobs)]]
        done = self.do(self.bench.change(job.uid, verb)) is Changed.DONE
        assert done is self.allowed(job, verb)
        if done:
            self.apply(job, verb)

    def allowed(self, job: Job, verb: Verb) -> bool:
        """Tell whether a verb does anything."""
        if verb is Verb.RUN:
            return job.state is State.SCHEDULED
        if verb is Verb.RETRY and not model_ties.may_be_retried(self.model, job):
            return False
        return (job.state in FINISHED) is (verb is not Verb.CANCEL)

    def apply(self, job: Job, verb: Verb) -> None:
        """Do a verb to the model."""
        if verb is Verb.DELETE:
            self.model.delete(job)
        elif verb is Verb.RETRY:
            self.model.retry(job, self.now_ms)
        elif verb is Verb.RUN:
            self.model.wait(job, self.now_ms)
        else:
            if job.uid in self.tokens:
                self.closing.append(self.tokens.pop(job.uid))
                self.model.gates.closing[f"{job.uid} {job.attempt}"] = Limited(job.queue, job.limit)
            self.model.end(job, State.CANCELLED, self.now_ms)

    @precondition(lambda self: self.model.jobs)
    @rule(which=ANY, fields=EDITS, delay_ms=st.sampled_from([None, None, -5, 0, 50]))
    def edit(self, which: int, fields: dict[str, Any], delay_ms: int | None):
        job = self.model.jobs[sorted(self.model.jobs)[which % len(self.model.jobs)]]
        due_ms = None if delay_ms is None else self.now_ms + delay_ms
        done = self.do(self.bench.edit(job.uid, due_ms=due_ms, **fields)) is Changed.DONE
        assert done is (job.state in UNFINISHED)
        if done:
            edit(self.model, job, fields, due_ms, self.now_ms)
            spec = self.bench.view(job.uid).spec
            assert {name: getattr(spec, name) for name in fields} == fields

    @rule(queue=QUEUES)
    def delete_queue(self, queue: str):
        there = self.bench.store.queue(queue) is not None
        empty = not any(job.queue == queue for job in self.model.jobs.values())
        expected = Changed.MISSING if not there else Changed.DONE if empty and queue == "x" else Changed.WRONG_STATE
        assert self.do(self.bench.delete_queue(queue)) is expected
        if expected is Changed.DONE:
            self.model.pauses.pop(queue, None)
            self.model.gates.queues.pop(queue, None)

    @rule(
        state=st.sampled_from(State), verb=st.sampled_from(Verb), limit=st.integers(1, 4),
        queue=st.none() | QUEUES | st.just(CALLBACK_QUEUE), parts=st.integers(1, 2), dry_run=st.booleans(),
    )  # fmt: skip
    def change_many(self, *, state: State, verb: Verb, queue: str | None, limit: int, parts: int, dry_run: bool):
        verb = verb if state in VERB_STATES[verb] else Verb.CANCEL if state not in FINISHED else Verb.DELETE
        chosen = [self.model.jobs[uid] for uid in self.model.listing(state, queue)]
        done, position = 0, None
        for _ in range(parts):
            walked = self.do(
                self.bench.change_many(
                    state,
                    verb,
                    before_ms=self.now_ms + 1_000,
                    after=position,
                    limit=limit,
                    dry_run=dry_run,
                    queue=queue,
                )
            )
            done, position = done + walked.done, walked.scanned_to
            if position is None:
                break
        if dry_run:
            assert done == len(chosen[: limit * parts])
            return
        expected = 0
        for job in chosen:
            if expected < limit * parts and job.state is state and self.allowed(job, verb):
                self.apply(job, verb)
                expected += 1
        came = self.those_that_came(state, queue, chosen)
        for job in came[: done - expected]:  # let go by a job before it, and so met by the walk
            self.apply(job, verb)
            expected += 1
        assert done == expected

    def those_that_came(self, state: State, queue: str | None, listed: list[Job]) -> list[Job]:
        """Return who is in a state now and was not before."""
        jobs = [self.model.jobs[uid] for uid in self.model.listing(state, queue)]
        return [job for job in jobs if job not in listed]

    @rule(queue=QUEUES, for_ms=st.sampled_from([None, 10, 500]))
    def pause(self, queue: str, for_ms: int | None):
        until_ms = None if for_ms is None else self.now_ms + for_ms
        self.do(self.bench.pause(queue, until_ms))
        self.model.pauses[queue] = until_ms

    @rule(queue=QUEUES)
    def resume(self, queue: str):
        self.do(self.bench.resume(queue))
        self.model.pauses.pop(queue, None)

    @rule(state=st.sampled_from(State), limit=st.integers(1, 4))
    def walk(self, state: State, limit: int):
        assert self.do(self.bench.walk(state, limit)) == self.model.listing(state)

    @rule(n=st.integers(1, 3), age_ms=st.sampled_from([0, 1, 100]))
    def prune(self, n: int, age_ms: int):
        before_ms = self.now_ms - age_ms
        n_pruned, more = 0, True
        while more and n_pruned < n:  # on a busy machine a go ends early
            pruned = self.do(self.bench.store.prune(Why.AGE, dict.fromkeys(FINISHED, before_ms), n - n_pruned))
            n_pruned, more = n_pruned + pruned.n, pruned.more
        old = sorted((job.t_ms, job.uid) for job in self.model.those(*FINISHED) if job.t_ms < before_ms)
        assert n_pruned == min(n, len(old))
        for _, uid in old[:n_pruned]:
            self.model.delete(self.model.jobs[uid])

    @rule()
    def walk_groups(self):
        for view in self.bench.store.groups():
            uids = self.do(self.bench.walk(State.ERROR, group=view.group.id))
            assert len(uids) == view.count
            assert view.sample_uid in {None, *uids}

    @rule()
    def kill(self):
        self.do(self.bench.durable())
        self.do(self.bench.kill_and_reopen())
        self.looking = None
        self.tokens.clear()
        self.closing.clear()
        self.model.gates.closing.clear()
        self.model.limits.clear()
        self.model.crash(self.now_ms)
        open_again(self.model, self.now_ms)
        self.read_little_ahead()

    @rule()
    def restart(self):
        for uid in list(self.tokens):
            self.interrupt(uid)
        self.do(self.bench.reopen())
        self.closing.clear()
        self.model.gates.closing.clear()
        self.model.open.clear()
        self.model.let_go(self.now_ms)
        open_again(self.model, self.now_ms)
        self.looking = None
        self.model.limits.clear()
        self.read_little_ahead()

    def interrupt(self, uid: str) -> None:
        """End a call as a stop does."""
        self.do(self.bench.settle(self.tokens.pop(uid), State.WAITING))
        self.model.put_back(self.model.jobs[uid])

    # -- what always holds

    @invariant()
    def counts_agree(self):
        store = self.bench.store
        assert store.counts() == self.model.counts()
        for key in ("a", "b", "r"):
            limit = store.limit(key)
            those = [sum(job.limit == key for job in self.model.those(s)) for s in (State.RUNNING, State.WAITING)]
            those[0] += sum(call.limit == key for call in self.model.gates.closing.values())
            assert those == ([limit.running, limit.waiting] if limit is not None else [0, 0])
        for queue in store.queues():
            assert queue.counts == self.model.counts(queue.name)
            assert (queue.pause is not None) is (queue.name in self.model.pauses)

    @invariant()
    def listings_agree(self):
        for state in State:
            for queue in (None, CALLBACK_QUEUE):
                assert self.do(self.bench.walk(state, queue=queue)) == self.model.listing(state, queue)

    @invariant()
    def groups_agree_with_a_recount(self):
        errors = [self.bench.view(job.uid) for job in self.model.those(State.ERROR)]
        recount = Counter(group_of(view.spec, view.head) for view in errors)
        assert {view.group: view.count for view in self.bench.store.groups()} == recount

    @invariant()
    def jobs_agree(self):
        for job in self.model.jobs.values():
            head = self.bench.head(job.uid)
            assert head.state is job.state
            assert (head.attempt, head.tries, head.unreached, head.snoozes, head.crashes) == job.counters
            assert head.snoozed_s == job.snoozes * SNOOZE_S
            assert head.expires_ms == job.expires_ms
            assert head.held == job.held
            assert head.lease_ms == job.lease_ms
        assert self.bench.store.handed_off() == sum(map(is_handed_off, self.model.jobs.values()))

    @invariant()
    def the_oldest_agrees(self):
        oldest_ms = min((job.t_ms for job in self.model.those(State.WAITING)), default=None)
        assert self.bench.store.oldest_waiting_ms() == oldest_ms

    def run_down(self) -> None:
        """No job is lost: all that is not over runs in the end."""
        if not hasattr(self.bench, "store"):
            return
        for queue in list(self.model.pauses):
            self.resume(queue)
        for host in list(self.model.limits):
            self.limit_host(host, None)
        while self.closing:
            self.close_call(0)
        for queue in list(self.model.gates.queues):
            self.number_queue(queue, None)
        for job in [*filter(is_handed_off, self.model.jobs.values())]:  # their ends may make callbacks
            token = Token(job.uid, job.attempt)
            assert self.do(self.bench.store.report(token, REPORTS["complete"])) is Settled.APPLIED
            report(self.model, job, "complete", self.now_ms)
        self.promote(1_000)
        for _ in range(1_000):  # of tokens there are so many a second
            if not self.take(10) and not self.tokens and not self.model.those(State.WAITING):
                break
            for uid in list(self.tokens):
                self.do(self.bench.settle(self.tokens.pop(uid), State.COMPLETED, tries=1))
                self.model.settle(self.model.jobs[uid], State.COMPLETED, self.now_ms, 0, (1, 0))
            self.promote(1_000)  # who was let go may not have been due
        assert self.model.those(State.WAITING, State.RUNNING, State.SCHEDULED) == []
        self.listings_agree()
        assert self.bench.store.verification().step(10_000) == []


TestStoreAgainstItsModel = StoreMachine.TestCase
TestStoreAgainstItsModel.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.generate],  # to make a failure shorter takes minutes: for whoever looks into it
    suppress_health_check=[HealthCheck.too_slow],
)
