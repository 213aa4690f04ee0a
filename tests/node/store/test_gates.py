"""Gates before lanes and queues, against the same plain list of jobs, searched in full each time."""

from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskpusher.job import Limit
from taskpusher_node.lifecycle import State
from taskpusher_node.store.rocksdb import keys, records
from taskpusher_node.store.rocksdb.db import Batch
from taskpusher_node.store.rocksdb.gates import LOOKS_AT_ONCE, Gates
from taskpusher_node.store.rocksdb.lane import where

from .bench import Bench
from .test_lanes import Naive, Pair, Rig

QUEUES = ["p", "q"]
KEYS = ["x", "y"]
NAMES = st.sampled_from([*((True, key) for key in KEYS), *((False, queue) for queue in QUEUES)])
NUMBERS = st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, None, 1.0, 2.0]))
JOBS = st.tuples(
    st.sampled_from(QUEUES),
    st.sampled_from([b"a", b"b", b"c"]),
    st.integers(-1, 1),
    st.sampled_from([None, None, *KEYS]),
)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), JOBS),
        st.tuples(st.just("add"), JOBS),
        st.tuples(st.just("pick"), st.booleans()),
        st.tuples(st.just("pick"), st.just(False)),
        st.tuples(st.just("pick_stale"), st.none()),
        st.tuples(st.just("limit"), st.tuples(st.sampled_from([b"a", b"b"]), st.sampled_from([None, 0, 1, 2]))),
        st.tuples(st.just("number"), st.tuples(NAMES, NUMBERS)),
        st.tuples(st.just("let_pass"), st.sampled_from([250, 500, 3_000])),
        st.tuples(st.just("end"), st.tuples(st.integers(0, 50), st.booleans())),
        st.tuples(st.just("drop"), st.integers(0, 50)),
        st.tuples(st.just("pause"), st.tuples(st.sampled_from(QUEUES), st.booleans())),
    ),
    max_size=60,
)


class NaiveGate:
    """A gate as its definition says."""

    def __init__(self) -> None:
        self.concurrency: int | None = None
        self.rate: float | None = None
        self.level = inf
        self.at_ms = 0

    def fill(self, now_ms: int) -> None:
        if self.rate is not None:
            self.level = min(max(1, self.rate), self.level + (now_ms - self.at_ms) * self.rate / 1000)
        self.at_ms = now_ms


class GatedNaive(Naive):
    """The plain list with gates."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = {(True, key): NaiveGate() for key in KEYS} | {(False, queue): NaiveGate() for queue in QUEUES}

    def before(self, job: Any) -> list[tuple[bool, str]]:
        return [name for name in ((True, job[3]), (False, job[0])) if name in self.gates]

    def is_open(self, name: tuple[bool, str]) -> bool:
        gate = self.gates[name]
        running = sum(name in self.before(job) for job in self.running.values())
        return (gate.concurrency is None or running < gate.concurrency) and (gate.rate is None or gate.level >= 1)

    def may(self) -> dict[int, Any]:
        return {seq: job for seq, job in super().may().items() if all(map(self.is_open, self.before(job)))}


class GatedPair(Pair):
    """Lanes with gates and the list, moved in step."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self.naive = GatedNaive()
        for key in KEYS:
            rig.gates.key(Limit(key))

    def number(self, what: tuple[tuple[bool, str], tuple[int | None, float | None]]) -> None:
        name, (concurrency, rate) = what
        of_key, text = name
        gate = self.naive.gates[name]
        if not of_key and concurrency is None and rate is None:
            self.naive.gates[name] = NaiveGate()  # a queue without numbers has no bucket
        else:
            gate.fill(self.rig.now_ms)
            gate.concurrency, gate.rate = concurrency, rate
            gate.level = gate.level if rate is None else min(gate.level, max(1, rate))
        if of_key:
            self.rig.gates.renumber(Limit(text, concurrency, rate))
        else:
            self.rig.lanes.limit_queue(text, concurrency, rate, 1.0)

    def let_pass(self, ms: int) -> None:
        self.rig.now_ms += ms
        for gate in self.naive.gates.values():
            gate.fill(self.rig.now_ms)
        self.rig.gates.look()

    def pick(self, idle_only: bool) -> None:  # noqa: FBT001
        expected = self.naive.picks(idle_only=idle_only)
        picked = self.rig.lanes.pick(idle_only=idle_only)
        while picked is not None and picked[1].seq in self.naive.running:  # loaded anew: the engine finds it stale
            self.rig.lanes.unpick(picked[0])
            picked = self.rig.lanes.pick(idle_only=idle_only)
        seq = None if picked is None else picked[1].seq
        assert seq in expected
        if seq is not None:
            job = self.naive.running[seq] = self.naive.ready.pop(seq)
            for name in self.naive.before(job):
                self.naive.gates[name].level -= 1

    def pick_stale(self, _: None) -> None:
        """What is picked turns out to be no job any more: nothing but itself is used up."""
        expected = self.naive.picks(idle_only=False)
        picked = self.rig.lanes.pick(idle_only=False)
        if picked is None:
            assert expected == {None}
            return
        lane, entry = picked
        self.rig.lanes.unpick(lane)
        if self.naive.ready.pop(entry.seq, None) is not None:
            self.rig.disk[lane.key].remove(entry)

    def end(self, what: tuple[int, bool]) -> None:
        index, _ = what
        if self.naive.running:
            job = self.naive.running[sorted(self.naive.running)[index % len(self.naive.running)]]
            self.rig.lanes.free_gates(job[0], self.rig.gates.of(job[3]) if job[3] is not None else None)
        super().end(what)

    def drain(self) -> None:
        for name in self.naive.gates:
            self.number((name, (None, None)))
        super().drain()


@settings(max_examples=400, deadline=None, database=None)
@given(MOVES, st.integers(0, 4), st.integers(1, 3))
def test_lanes_behind_gates_pick_what_a_search_of_all_jobs_would_pick(moves, read_ahead, chunk):
    pair = GatedPair(Rig(read_ahead=read_ahead, chunk=chunk))
    for name, argument in moves:
        getattr(pair, name)(argument)
    pair.drain()
    assert pair.rig.gates.shut == 0
    assert all(not line.stands for line in pair.rig.lanes.lines.values())
    assert [pair.rig.gates.keys[key].lanes for key in KEYS] == [0, 0]


def limited(rig: Rig, key: str, concurrency: int | None = None, rate: float | None = None) -> None:
    """Put a gate before a key."""
    rig.gates.renumber(Limit(key, concurrency, rate))


def test_a_hundred_thousand_limit_keys_of_one_host_are_one_ticket_of_its_line():
    rig = Rig(read_ahead=0)
    for n in range(100_000):
        limited(rig, str(n), concurrency=1)
        rig.add(limit=str(n))
    line = rig.lanes.line("q")
    [stand] = rig.lanes._open[b"a"]
    assert (len(line.heap), len(stand.keyed), rig.loads) == (1, 100_000, 0)
    for n in range(1_000):
        lane, entry = rig.lanes.pick(idle_only=False)
        assert entry.seq == n + 1
        rig.lanes.free_gates("q", lane.gate)
        rig.lanes.ended(b"a")
    assert (len(stand.keyed), rig.loads) == (99_001, 0)  # the last one falls out when the next is looked for
    assert len(line.heap) <= 2 + 64


def test_a_plain_lane_has_no_second_heap():
    rig = Rig()
    rig.add()
    [stand] = rig.lanes._open[b"a"]
    assert stand.keyed is None
    limited(rig, "x")
    rig.add(limit="x")
    assert rig.pick_all() == [1, 2]
    assert rig.lanes._open == {}


def test_a_long_line_behind_a_shut_gate_is_looked_at_once_and_costs_the_others_nothing():
    rig = Rig(read_ahead=1_000, chunk=10)
    limited(rig, "slow", concurrency=1)
    for _ in range(10_000):
        rig.add(limit="slow")
    healthy = [rig.add() for _ in range(50)]
    assert rig.pick() == 1
    assert rig.pick_all() == healthy
    assert (rig.loads, rig.gates.held) == (1, {"rate": 0, "limit": 1})


def test_lanes_behind_gates_read_no_further_ahead_than_may_pass():
    rig = Rig(read_ahead=100, chunk=50)
    limited(rig, "x", concurrency=4)
    for _ in range(200):
        rig.add(limit="x")
    for _ in range(4):
        rig.pick()
        lane = next(lane for lane in rig.lanes.line("q").lanes() if lane.gate is not None)
        assert len(lane.ahead or ()) <= 3
    assert rig.pick() is None


def test_a_bucket_opens_by_time_alone_and_never_holds_more_than_its_size():
    rig = Rig()
    told = []
    rig.gates.due = told.append
    limited(rig, "x", rate=2.0)
    for _ in range(9):
        rig.add(limit="x")
    assert rig.pick_all() == [1, 2]
    assert told == [500]
    rig.now_ms = 499
    assert (rig.gates.look(), rig.pick()) == ((False, 500), None)
    rig.now_ms = 500
    assert (rig.gates.look()[0], rig.pick_all()) == (True, [3])
    rig.now_ms = 1_000_000
    rig.gates.look()
    assert rig.pick_all() == [4, 5]


def test_a_clock_that_steps_back_gives_no_tokens_and_takes_none():
    now = {"wall": 1_000, "steady": 1_000}
    gates = Gates(lambda: now["wall"], lambda: now["steady"])
    gate = gates.key(Limit("x", None, 1.0))
    gates.take(gate)
    now["wall"] -= 500_000
    gates.look()
    assert gate.shut
    now["wall"] += 9_000_000
    gates.look()
    assert gate.shut
    now["steady"] += 1_000
    assert gates.look() == (True, None)


@pytest.mark.parametrize(
    ("later_ms", "level"), [(-5_000, 0.5), (0, 0.5), (1_000, 1.5), (100_000, 2.0)], ids=["back", "none", "some", "full"]
)
def test_a_bucket_fills_by_the_wall_clock_over_a_restart(later_ms, level):
    gates = Gates(lambda: 1_000_000 + later_ms, lambda: 7)
    gates.take_over("x", records.KeyGateRecord(None, 2.0, 2.0, False, 0.5, 1_000_000, 1, 0), counters=True)
    assert gates.keys["x"].level == level


def test_a_key_with_no_job_and_a_full_bucket_is_forgotten_unless_it_is_pinned():
    rig = Rig()
    gates = rig.gates
    for key in ("done", "slow", "pinned", "lined"):
        gates.count(Limit(key, 1, 1.0), State.WAITING, 1)
    rig.add(limit="lined")
    gates.pin(gates.keys["pinned"], on=True)
    gates.take(gates.keys["slow"])
    gates.free(gates.keys["slow"])
    for key in ("done", "slow", "pinned", "lined"):
        gates.count(Limit(key, 1, 1.0), State.WAITING, -1)
    gates.write(Batch())
    assert sorted(gates.keys) == ["lined", "pinned", "slow"]
    assert gates.look() == (False, 1_000)
    rig.now_ms = 1_000
    gates.look()
    gates.write(Batch())
    assert sorted(gates.keys) == ["lined", "pinned"]
    assert gates.shut == 0


@given(st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()) | st.none(), st.integers(-100, 100))
def test_a_lane_tells_its_limit_key_and_lies_outside_of_every_other_lane(limit, priority):
    lane = where("q", b"a:80", priority, limit)
    assert keys.parse_lane(lane.key) == ("q", b"a:80", priority, limit)
    for other in (where("q", b"a:80", n, text) for n in range(-100, 101, 25) for text in (None, "d", "x")):
        if other.key != lane.key:
            inside = keys.ready_key(lane.key, 1, bytes(16))
            assert not other.key <= inside < keys.after(other.key)


async def test_buckets_that_are_full_at_the_same_time_are_looked_at_and_forgotten_in_parts(bench: Bench):
    n = 2 * LOOKS_AT_ONCE + 10
    await bench.put(*(bench.job(limit=(str(i), None, 1.0, 10.0)) for i in range(n)))
    while claimed := await bench.claim(500):
        for job in claimed:
            await bench.settle(job, State.COMPLETED)
    await bench.durable()
    bench.now_ms += 10_000
    left = []
    while (again_ms := await bench.promote()) is not None and again_ms <= bench.now_ms:
        left.append(bench.store.limits_known())
    assert left == [n - LOOKS_AT_ONCE, n - 2 * LOOKS_AT_ONCE]
    bench.store.remember("what", b"opens a batch")
    await bench.durable()
    assert bench.store.limits_known() == 0
    await bench.kill_and_reopen()
    assert bench.store.limits_known() == 0
