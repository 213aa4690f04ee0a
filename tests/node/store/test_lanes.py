"""Lanes against a naive list of jobs; tiny read-ahead and chunks, so that most of them come from "disk"."""

import itertools
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskpusher_node.store.rocksdb import keys
from taskpusher_node.store.rocksdb.gates import Gates
from taskpusher_node.store.rocksdb.lane import Entry, Where, where, where_of
from taskpusher_node.store.rocksdb.lanes import Lanes

SUSPECTS = keys.SUSPECTS


class Rig:
    """Lanes over a disk that is a sorted list for each lane."""

    def __init__(self, *, read_ahead: int = 3, chunk: int = 2) -> None:
        self.disk: dict[bytes, list[Entry]] = {}
        self.loads = 0
        self.loaded = 0
        self.durable = 0
        self.now_ms = 0
        self.gates = Gates(lambda: self.now_ms, lambda: self.now_ms)
        self.lanes = Lanes(self._load, suspects=SUSPECTS, gates=self.gates, read_ahead=read_ahead, chunk=chunk)
        self._seq = itertools.count(1)

    def _load(self, lane: bytes, after_seq: int, n: int) -> tuple[list[Entry], bool]:
        self.loads += 1
        found = [entry for entry in self.disk.get(lane, ()) if entry.seq > after_seq][:n]
        durable = [entry for entry in found if entry.seq <= self.durable]
        self.loaded += len(durable)
        return durable, len(durable) < len(found) or len(found) == n

    def write(
        self, queue: str = "q", host: bytes = b"a", priority: int = 0, limit: str | None = None
    ) -> tuple[Where, Entry]:
        """A job is on disk, and not yet announced."""
        seq = next(self._seq)
        lane = where(queue, host, priority, limit)
        entry = Entry(seq, seq.to_bytes(16), seq)
        self.disk.setdefault(lane.key, []).append(entry)
        return lane, entry

    def announce(self, job: tuple[Where, Entry]) -> None:
        self.durable = job[-1].seq
        self.lanes.add(*job)

    def add(self, queue: str = "q", host: bytes = b"a", priority: int = 0, limit: str | None = None) -> int:
        job = self.write(queue, host, priority, limit)
        self.announce(job)
        return job[-1].seq

    def pick(self, *, idle_only: bool = False) -> int | None:
        picked = self.lanes.pick(idle_only=idle_only)
        return None if picked is None else picked[1].seq

    def pick_all(self) -> list[int]:
        return list(iter(self.pick, None))


LANES = st.tuples(st.sampled_from(["p", "q"]), st.sampled_from([b"a", b"b", b"c", SUSPECTS]), st.integers(-1, 1))
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), LANES),
        st.tuples(st.just("pick"), st.booleans()),
        st.tuples(st.just("limit"), st.tuples(st.sampled_from([b"a", b"b"]), st.sampled_from([None, 0, 1, 2]))),
        st.tuples(st.just("end"), st.tuples(st.integers(0, 50), st.booleans())),
        st.tuples(st.just("drop"), st.integers(0, 50)),
        st.tuples(st.just("pause"), st.tuples(st.sampled_from(["p", "q"]), st.booleans())),
    ),
    max_size=60,
)
Job = tuple[str, bytes, int]


class Naive:
    """The same as a plain list of ready jobs, searched in full each time."""

    def __init__(self) -> None:
        self.ready: dict[int, Job] = {}
        self.running: dict[int, Job] = {}
        self.paused: set[str] = set()
        self.limits: dict[bytes, int] = {SUSPECTS: 1}

    def calls(self, host: bytes) -> int:
        return sum(job[1] == host for job in self.running.values())

    def may(self) -> dict[int, Job]:
        """What may run but for a reserve."""
        return {
            seq: job
            for seq, job in self.ready.items()
            if job[0] not in self.paused and self.calls(job[1]) < self.limits.get(job[1], 100)
        }

    def best(self, jobs: dict[int, Job]) -> set[int]:
        """The best job of every queue: it depends on the turn which of them it is."""
        queues = {job[0] for job in jobs.values()}
        return {
            min((-job[2], self.calls(job[1]), seq) for seq, job in jobs.items() if job[0] == queue)[2]
            for queue in queues
        }

    def picks(self, *, idle_only: bool) -> set[int | None]:
        """Return what the next pick may be."""
        may = self.may()
        idle = {seq: job for seq, job in may.items() if not idle_only or not self.calls(job[1])}
        if idle:
            return set(self.best(idle))
        if may and len({job[1] for job in may.values()}) == 1:
            return set(self.best(may))
        return {None}


class Pair:
    """Lanes and the list, moved in step."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.naive = Naive()

    def add(self, job: Job) -> None:
        self.naive.ready[self.rig.add(*job)] = job

    def limit(self, what: tuple[bytes, int | None]) -> None:
        host, calls = what
        self.naive.limits.pop(host, None)
        if calls is not None:
            self.naive.limits[host] = calls
        self.rig.lanes.limit(host, calls)

    def pick(self, idle_only: bool) -> None:  # noqa: FBT001
        expected = self.naive.picks(idle_only=idle_only)
        picked = self.rig.pick(idle_only=idle_only)
        while picked in self.naive.running:  # loaded anew after a hold: the engine finds it stale
            self.rig.lanes.ended(self.naive.running[picked][1])
            picked = self.rig.pick(idle_only=idle_only)
        assert picked in expected
        if picked is not None:
            self.naive.running[picked] = self.naive.ready.pop(picked)

    def end(self, what: tuple[int, bool]) -> None:
        index, interrupted = what
        if not self.naive.running:
            return
        seq = sorted(self.naive.running)[index % len(self.naive.running)]
        job = self.naive.running.pop(seq)
        self.rig.lanes.ended(job[1])
        entry = Entry(seq, seq.to_bytes(16), seq)
        if interrupted:
            self.naive.ready[seq] = job
            self.rig.lanes.put_back(where(*job), entry)
        else:
            self.rig.disk[where(*job).key].remove(entry)

    def drop(self, index: int) -> None:
        """Only heads: what stands behind is found stale by the engine."""
        heads = self.naive.best(self.naive.ready) if self.naive.ready else set()
        if not heads:
            return
        seq = sorted(heads)[index % len(heads)]
        job = self.naive.ready.pop(seq)
        self.rig.disk[where(*job).key].remove(Entry(seq, seq.to_bytes(16), seq))
        self.rig.lanes.drop(where(*job), seq)

    def pause(self, how: tuple[str, bool]) -> None:
        queue, on = how
        (self.naive.paused.add if on else self.naive.paused.discard)(queue)
        self.rig.lanes.pause(queue, on=on)

    def drain(self) -> None:
        for queue in ("p", "q"):
            self.pause((queue, False))
        for host in (b"a", b"b"):
            self.limit((host, None))
        while self.naive.ready or self.naive.running:
            before = len(self.naive.ready)
            self.pick(idle_only=False)
            assert len(self.naive.ready) < before or self.naive.running
            self.end((0, False))


JOB_AFTER_CALL = [
    ("add", ("p", b"c", 0)),
    ("pick", False),
    ("pick", False),
    ("add", ("p", b"c", 0)),
    ("end", (0, False)),
]


@example([*JOB_AFTER_CALL, ("add", ("p", b"a", 0))], 0, 1)  # the first job came first, and its host is idle again
@settings(max_examples=300, deadline=None, database=None)
@given(MOVES, st.integers(0, 4), st.integers(1, 3))
def test_lanes_pick_what_a_search_of_all_jobs_would_pick(moves, read_ahead, chunk):
    pair = Pair(Rig(read_ahead=read_ahead, chunk=chunk))
    for name, argument in moves:
        getattr(pair, name)(argument)
    pair.drain()


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(LANES, max_size=40), st.integers(0, 4), st.integers(1, 3))
def test_lanes_opened_by_their_heads_alone_give_every_job_in_order(jobs, read_ahead, chunk):
    rig = Rig(read_ahead=read_ahead, chunk=chunk)
    written = [rig.write(*job) for job in jobs]
    rig.durable = len(jobs)
    heads = dict(reversed(written))
    for lane, entry in heads.items():
        rig.lanes.open_lane(lane, entry)
    order = []
    while (picked := rig.lanes.pick(idle_only=False)) is not None:
        order.append((picked[0].key, picked[1].seq))
        rig.lanes.ended(picked[0].host)
    assert sorted(seq for _, seq in order) == [job[-1].seq for job in written]
    for lane in heads:
        seqs = [seq for key, seq in order if key == lane.key]
        assert seqs == sorted(seqs)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.sampled_from(["write", "announce", "pick", "end"]), max_size=60), st.integers(0, 3))
def test_what_is_not_durable_is_not_picked_and_what_is_is_not_lost(moves, read_ahead):
    rig = Rig(read_ahead=read_ahead, chunk=2)
    pending, picked = [], []
    for move in moves:
        if move == "write":
            pending.append(rig.write())
        elif move == "announce" and pending:
            rig.announce(pending.pop(0))
        elif move == "pick":
            seq = rig.pick()
            assert (seq is None) == (len(picked) == rig.durable)
            picked += [] if seq is None else [seq]
    for job in pending:
        rig.announce(job)
    picked += rig.pick_all()
    assert picked == sorted(picked)
    assert len(picked) == rig.durable


def test_two_tickets_of_the_same_place_do_not_meet_in_a_comparison():
    rig = Rig()
    lane, entry = rig.write()
    rig.announce((lane, entry))
    for _ in range(3):
        assert rig.pick() == entry.seq
        rig.lanes.ended(lane.host)
        rig.lanes.put_back(lane, entry)
    assert rig.pick_all() == [entry.seq]


def test_a_line_longer_than_the_read_ahead_is_loaded_once_and_in_order():
    rig = Rig(read_ahead=10, chunk=4)
    seqs = [rig.add() for _ in range(1_000)]
    assert rig.pick_all() == seqs
    assert rig.loaded <= 1_000
    assert rig.loads <= 1_000 / 4 + 10


def test_memory_stays_within_the_read_ahead():
    rig = Rig(read_ahead=50, chunk=20)
    for i in range(5_000):
        rig.add(host=b"abcde"[i % 5 : i % 5 + 1])
        if i % 3 == 0:
            rig.pick()
        in_memory = sum(len(lane.ahead or ()) for line in rig.lanes.lines.values() for lane in line.lanes())
        assert in_memory <= 50


@pytest.mark.parametrize("reserve", [1, 2])
def test_the_reserve_is_for_idle_hosts_unless_one_host_is_alone(reserve):
    rig = Rig()
    for host in (b"a", b"a", b"a", b"a", b"b", b"b"):
        rig.add(host=host)
    picked = [rig.lanes.pick(idle_only=left <= reserve) for left in (4, 3, 2, 1)]
    hosts = [pick[0].host for pick in picked if pick is not None]
    assert hosts == [b"a", b"b", b"a"][: 4 - reserve]
    alone = Rig()
    for _ in range(4):
        alone.add()
    assert None not in [alone.pick(idle_only=left <= reserve) for left in (4, 3, 2, 1)]


def test_queues_of_the_one_busy_host_take_turns_under_the_reserve():
    rig = Rig()
    for queue in ("x", "y", "z"):
        for _ in range(10):
            rig.add(queue=queue)
    served: Counter[str] = Counter()
    rig.pick()
    for _ in range(9):
        lane, _ = rig.lanes.pick(idle_only=True)
        served[lane.line.name] += 1
        rig.lanes.ended(lane.host)
    assert served == {"x": 3, "y": 3, "z": 3}


def test_the_oldest_waiting_of_a_queue_is_the_oldest_head_of_its_lanes():
    rig = Rig()
    assert rig.lanes.oldest_waiting_ms("q") is None
    for host in (b"a", b"b", b"a"):
        rig.add(host=host)
    assert rig.lanes.oldest_waiting_ms("q") == 1
    rig.pick()
    assert rig.lanes.oldest_waiting_ms("q") == 2


def test_emptied_lanes_are_forgotten():
    rig = Rig()
    for i in range(500):
        rig.add(host=str(i).encode())
    for seq in rig.pick_all():
        rig.lanes.ended(str(seq - 1).encode())
    assert all(not line.stands for line in rig.lanes.lines.values())
    assert rig.lanes._open == rig.lanes._full == {}
    assert rig.lanes._calls == {}


def test_a_hundred_thousand_lanes_cost_a_pick_no_more_than_one():
    rig = Rig(read_ahead=0)
    hosts = [str(i).encode() for i in range(100_000)]
    for host in hosts:
        rig.add(host=host)
    heap = rig.lanes.line("q").heap
    assert rig.loads == 0
    assert len(heap) == 100_000
    for n in range(1_000):
        assert rig.pick() == n + 1
        rig.lanes.ended(hosts[n])
    assert rig.loads == 0
    assert len(heap) == 99_001  # each pick takes out the last one's ticket and looks at no other


def test_a_heap_does_not_grow_by_moves_that_pick_nothing():
    rig = Rig()
    job = rig.write()
    rig.announce(job)
    other = rig.write(host=b"b")
    rig.announce(other)
    for _ in range(2_000):
        rig.pick()
        rig.lanes.ended(b"a")
        rig.lanes.put_back(*job)
    assert len(rig.lanes.line("q").heap) <= 2 * 2 + 64


def test_a_long_line_of_a_saturated_host_costs_the_others_nothing():
    rig = Rig(read_ahead=100, chunk=10)
    for _ in range(20_000):
        rig.add(host=b"slow")
    rig.lanes.limit(b"slow", 0)
    for _ in range(100):
        rig.add(host=b"slow")
    healthy = [rig.add(host=b"fast") for _ in range(20)]
    assert rig.pick_all() == healthy
    assert (rig.loads, rig.lanes.line("q").heap) == (0, [])


def test_a_long_line_leaves_memory_for_the_jobs_of_others():
    rig = Rig(read_ahead=100, chunk=10)
    for _ in range(20_000):
        rig.add(host=b"slow")
    healthy = [rig.add(host=b"fast", priority=1) for _ in range(50)]
    loads = rig.loads
    assert [rig.pick() for _ in range(20)] == healthy[:20]
    assert rig.loads == loads


def test_ten_thousand_held_hosts_are_looked_at_once_and_not_by_every_pick():
    rig = Rig(read_ahead=100)
    for n in range(10_000):
        rig.add(host=b"%d" % n)
        rig.lanes.limit(b"%d" % n, 0)
    healthy = [rig.add(host=b"healthy") for _ in range(50)]
    heap = rig.lanes.line("q").heap
    sizes = []
    for seq in healthy:
        assert rig.pick() == seq
        sizes.append(len(heap))
    assert max(sizes) == 1
    for n in range(10_000):
        rig.lanes.limit(b"%d" % n, None)
    assert rig.pick_all() == list(range(1, 10_001))


def test_a_lane_that_was_emptied_and_gets_a_job_back_does_not_load_what_runs():
    rig = Rig(read_ahead=0)
    first, second = rig.add(), rig.add()
    lane, entry = rig.lanes.pick(idle_only=False)
    assert (entry.seq, rig.pick()) == (first, second)
    rig.lanes.ended(lane.host)
    rig.lanes.put_back(where_of(lane), entry)
    third = rig.add()  # the read-ahead is full, so it has to be loaded; the second still runs, and is still on disk
    assert rig.pick_all() == [first, third]


def test_jobs_that_come_back_in_any_order_stand_in_their_old_one():
    rig = Rig(read_ahead=100)
    seqs = [rig.add() for _ in range(6)]
    picked = [rig.lanes.pick(idle_only=False) for _ in range(4)]
    for lane, entry in (picked[2], picked[0], picked[3], picked[1]):
        rig.lanes.ended(lane.host)
        rig.lanes.put_back(where_of(lane), entry)
    assert rig.pick_all() == seqs


def test_a_host_that_is_held_after_jobs_came_back_loads_neither_what_runs_nor_loses_a_job():
    rig = Rig(read_ahead=10, chunk=10)
    jobs = {job[-1].seq: job for job in (rig.write() for _ in range(9))}
    for job in jobs.values():
        rig.announce(job)
    assert [rig.pick() for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    for seq in (2, 3):
        rig.lanes.ended(b"a")
        rig.lanes.put_back(*jobs[seq])
    rig.lanes.limit(b"a", 0)
    rig.lanes.ended(b"a")
    rig.lanes.put_back(*jobs[6])
    rig.lanes.limit(b"a", 0)
    rig.lanes.limit(b"a", None)
    assert rig.pick_all() == [2, 3, 6, 7, 8, 9]


@pytest.mark.parametrize("read_ahead", [1, 3, 100])
@pytest.mark.parametrize("held", [(2,), (5,), (9,), (2, 3, 9), (1, 2, 3, 4, 5, 6, 7, 8, 9)])
@pytest.mark.parametrize("taken", [0, 1, 4, 10])
def test_jobs_that_others_held_are_picked_from_the_place_of_their_arrival(
    read_ahead: int, held: tuple[int, ...], taken: int
):
    rig = Rig(read_ahead=read_ahead)
    jobs = [rig.write() for _ in range(9)]
    [disk] = rig.disk.values()
    disk[:] = [entry for entry in disk if entry.seq not in held]
    for job in jobs:
        if job[-1].seq not in held:
            rig.announce(job)
    rig.durable = 9
    before = [seq for seq in (rig.pick() for _ in range(taken)) if seq is not None]
    for seq in reversed(held):  # in whatever order they are let go
        disk[:] = sorted([*disk, jobs[seq - 1][-1]])
        rig.lanes.release(*jobs[seq - 1])
    after = rig.pick_all()
    assert sorted({*before, *after}) == list(range(1, 10))
    fresh = [seq for seq in dict.fromkeys(after) if seq not in before]
    assert fresh == sorted(fresh)
