"""Which ready job is next: lanes of jobs in order of arrival, and a heap of them for each queue.

A lane holds the ready jobs of one queue, host, priority and limit key. Its head is in memory, so are some more behind
it (read-ahead); the rest stays on disk and is loaded in order, from where the last load ended, never from the front.
Since a new job is always the last of its lane, there is nothing to merge. Pure: the disk is a function it is given.

Lanes that differ by their limit key alone are one stand, so that a line is as long as it has hosts, however many limit
keys these have. A host that runs as many calls as it may is full: its stands are out of the heaps, so they cost a pick
nothing, and come back when a call of it ends or it may run more. So do lanes behind a gate that is shut.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count

from .gates import Gate, Gates
from .lane import CHUNK, READ_AHEAD, Entry, KeyedLane, Lane, Line, Load, Stand, Ticket, Where, where_of


class Lanes:
    """All ready jobs. `suspects` is the host that those of a crash stand under: of them one runs at a time."""

    def __init__(
        self,
        load: Load,
        *,
        suspects: bytes,
        gates: Gates,
        waits: Callable[[Entry], bool] = lambda _: True,
        read_ahead: int = READ_AHEAD,
        chunk: int = CHUNK,
    ) -> None:
        self._load = load
        self._waits = waits  # whether an entry's job still waits
        self.gates = gates
        gates.opened = self._opened
        self._read_ahead = read_ahead
        self._share = max(chunk, read_ahead // 4)  # of one lane: a long line leaves memory to the others
        self._chunk = chunk
        self.lines: dict[str, Line] = {}
        self._turn: deque[Line] = deque()
        self._paused: set[str] = set()
        self._open: dict[bytes, list[Stand]] = {}  # of hosts that may run one more call
        self._full: dict[bytes, list[Stand]] = {}  # of hosts that may not, also where they have no lanes
        self._aside: dict[bytes, list[tuple[Where, Entry]]] = {}  # suspects of full hosts
        self._limits: dict[bytes, int] = {suspects: 1}
        self._calls: dict[bytes, int] = {}
        self._ahead = 0
        self._seen_to = 0  # the highest seq ever in memory: of a forgotten lane, all up to it was taken
        self._tickets = count()

    def line(self, queue: str) -> Line:
        """Return a queue's line, made where it is new."""
        line = self.lines.get(queue)
        if line is None:
            line = self.lines[queue] = Line(queue)
        return line

    def open_lane(self, where: Where, head: Entry) -> None:
        """At start: a lane whose first entry is `head`, and of which nothing else is known."""
        lane = self._lane(where)
        lane.head, lane.loaded_to, lane.more = head, head.seq, True
        self._seen_to = max(self._seen_to, head.seq)
        self._rank(lane)

    def add(self, where: Where, entry: Entry) -> None:
        """A job became ready: it is the last of its lane, and is on disk already."""
        lane = self._lane(where)
        if entry.seq <= lane.loaded_to:
            return  # a load has brought it already
        self._seen_to = max(self._seen_to, entry.seq)
        if lane.head is None and not lane.more:
            lane.head, lane.loaded_to = entry, entry.seq
            self._rank(lane)
        elif lane.head is None:
            self._advance(lane)
            self._rank(lane)
        elif (
            lane.more
            or lane.gate is not None  # it is loaded as far as its gate lets pass
            or self._ahead >= self._read_ahead
            or lane.host in self._full
            or (lane.ahead is not None and len(lane.ahead) >= self._share)
        ):
            lane.more = True
        else:
            if lane.ahead is None:
                lane.ahead = deque()
            lane.ahead.append(entry)
            lane.loaded_to = entry.seq
            self._ahead += 1

    def put_back(self, where: Where, entry: Entry) -> None:
        """A job that was picked is ready again, at its old place in line."""
        lane = self._lane(where)
        self._seen_to = max(self._seen_to, entry.seq)  # of jobs that others held it may be the last
        if lane.head is None:
            lane.head = entry
        else:
            if lane.ahead is None:
                lane.ahead = deque()
            lane.head, second = sorted((entry, lane.head))
            insort(lane.ahead, second)
            self._ahead += 1
        if not lane.more:
            lane.loaded_to = max(lane.loaded_to, self._seen_to)
        lane.keep_to = lane.loaded_to
        self._rank(lane)

    def release(self, where: Where, entry: Entry) -> None:
        """A job that others held is ready, at the place that it has had since it came."""
        lane = self._there(where)
        if lane is not None and (lane.more or lane.head is not None) and entry.seq > lane.loaded_to:
            self.add(where, entry)
        else:
            self.put_back(where, entry)

    def drop(self, where: Where, seq: int) -> None:
        """A waiting job is none any more. Only a head is taken out; others are found stale when their turn comes."""
        lane = self._there(where)
        if lane is not None and lane.head is not None and lane.head.seq == seq:
            self._advance(lane)
            while lane.head is not None and not self._waits(lane.head):
                self._advance(lane)
            self._rank(lane)

    def pause(self, queue: str, *, on: bool) -> None:
        """Take a queue out of the turn, or back in."""
        line = self.line(queue)
        line.paused = on
        (self._paused.add if on else self._paused.discard)(queue)
        self._put_in_turn(line)

    def limit_queue(self, queue: str, concurrency: int | None, rate: float | None, per: float) -> None:
        """Let a queue run at most so many calls at once, and begin `rate` in `per` seconds; None is any number."""
        line = self.line(queue)
        line.gate = self.gates.number_queue(queue, (concurrency, rate, per), line.running)
        self._put_in_turn(line)

    def forget(self, queue: str) -> None:
        """A queue without jobs is gone. A line that still has lanes stays until they are found to be stale."""
        line = self.lines.get(queue)
        if line is None:
            return
        self.pause(queue, on=False)
        self.limit_queue(queue, None, None, 1.0)
        if not line.stands and not line.running:
            del self.lines[queue]

    def limit(self, host: bytes, calls: int | None) -> None:
        """Let a host run at most so many calls at once; None is any number."""
        if calls is None:
            self._limits.pop(host, None)
        else:
            self._limits[host] = calls
        if self._is_full(host):
            self._take_out(host)
            if calls == 0:
                self._unload(host)
        elif host in self._full:
            self._bring_back(host)

    def pick(self, *, idle_only: bool) -> tuple[Lane, Entry] | None:
        """Return the next job and take it out: of each queue in turn, by the order of its line.

        With `idle_only` a job of a host with no call running, unless all jobs that may run are of one host. A picked
        job counts as a call of its host until `ended`.
        """
        all_may = not (self.gates.shut or self._paused)
        if idle_only and all_may and len(self._open) <= len(self._calls) and self._calls.keys() >= self._open.keys():
            if len(self._open) > 1:
                return None
            idle_only = False
        busy: list[Lane] = []
        for _ in range(len(self._turn)):
            line = self._turn[0]
            shut = line.gate is not None and line.gate.shut
            if line.paused or shut or not line.heap:
                self._turn.popleft()
                line.in_turn = False
                if shut and line.gate is not None and line.heap:
                    self.gates.hold(line.gate)
                continue
            self._turn.rotate(-1)
            lane = self._best(line, idle_only=idle_only, busy=busy)
            if lane is not None:
                return lane, self._take(lane)
        if busy and len({lane.host for lane in busy}) == 1:
            while self._turn[-1] is not busy[0].line:  # its turn is over, the others' is not
                self._turn.rotate(-1)
            return busy[0], self._take(busy[0])
        return None

    def picked_suspect(self, lane: Lane, entry: Entry, host: bytes) -> bool:
        """Tell whether a suspect that was picked may run, and count it as a call of the host it really calls.

        Where that host is full the suspect steps aside, and takes its place again once the host is not.
        """
        if host in self._full:
            self._aside.setdefault(host, []).append((where_of(lane), entry))
            return False
        self._count(host)
        return True

    def unpick(self, lane: Lane) -> None:
        """What was picked begins no call: its places and tokens are given back."""
        self.free_gates(lane.line.name, lane.gate, undo=True)
        self.ended(lane.host)

    def enter_gates(self, queue: str, limit: Gate | None) -> None:
        """A call of a queue, and of a limit key, that ran when the store was opened still does."""
        line = self.line(queue)
        line.running += 1
        for gate in (limit, line.gate):
            if gate is not None:
                self.gates.enter(gate)

    def free_gates(self, queue: str, limit: Gate | None, *, undo: bool = False) -> None:
        """A call of a queue, and of a limit key where it has one, is over; with `undo` it never began."""
        line = self.line(queue)
        line.running -= 1
        if limit is not None:
            self.gates.free(limit, undo=undo)
        if line.gate is not None:
            self.gates.free(line.gate, undo=undo)

    def ended(self, host: bytes) -> None:
        """A call of the host has ended, so its stands move up in their lines."""
        calls = self._calls[host] - 1
        if calls:
            self._calls[host] = calls
        else:
            del self._calls[host]
        if host not in self._full:
            for stand in self._open.get(host, ()):
                if len(stand.line.heap) > 1:
                    self._rank_stand(stand)
        elif not self._is_full(host):
            self._bring_back(host)

    def calls(self, host: bytes) -> int:
        """Return how many calls of a host run."""
        return self._calls.get(host, 0)

    def oldest_waiting_ms(self, queue: str) -> int | None:
        """Return since when the oldest job of a queue waits: lanes are in order of arrival, so it is a head."""
        line = self.line(queue)
        heads = [head.waiting_ms for lane in line.lanes() if (head := lane.head) is not None]
        aside = [entry.waiting_ms for those in self._aside.values() for where, entry in those if where.queue == queue]
        return min(heads + aside, default=None)

    def _is_full(self, host: bytes) -> bool:
        limit = self._limits.get(host)
        return limit is not None and self._calls.get(host, 0) >= limit

    def _count(self, host: bytes) -> None:
        """A call of a host begins."""
        self._calls[host] = self._calls.get(host, 0) + 1
        if host in self._limits and self._is_full(host):
            self._take_out(host)

    def _take_out(self, host: bytes) -> None:
        """A host is full: what stands of it in the heaps is no ticket any more, and falls out when it comes up."""
        if host not in self._full:
            stands = self._full[host] = self._open.pop(host, [])
            for stand in stands:
                stand.ticket = None

    def _unload(self, host: bytes) -> None:
        """A host is held: leave its jobs on disk, for others need the memory."""
        for stand in self._full[host]:
            self._unload_lane(stand)
            for turn in stand.keyed or ():
                self._unload_lane(turn[-1])

    def _unload_lane(self, lane: Lane) -> None:
        while lane.ahead and lane.ahead[-1].seq > lane.keep_to:
            self._ahead -= 1
            lane.loaded_to, lane.more = lane.ahead.pop().seq - 1, True

    def _bring_back(self, host: bytes) -> None:
        """A host is not full any more."""
        stands = self._full.pop(host)
        if stands:
            self._open[host] = stands
        for stand in list(stands):
            self._rank_stand(stand)
        for where, entry in self._aside.pop(host, ()):
            self.put_back(where, entry)

    def _opened(self, gate: Gate) -> None:
        """A gate has opened: what stood behind it comes back."""
        if gate.queue is not None:
            self._put_in_turn(self.line(gate.queue))
        parked, gate.parked = gate.parked, None
        for lane in parked or ():
            self._rank(lane)

    def _park(self, lane: KeyedLane, gate: Gate) -> None:
        """The gate before a lane is shut: it is out of its stand's heap until that opens, its jobs stay on disk."""
        lane.turn = None
        if gate.parked is None:
            gate.parked = {}
        gate.parked[lane] = None
        self.gates.hold(gate)
        self._unload_lane(lane)

    def _there(self, where: Where) -> Lane | None:
        """Return a lane, None where there is none."""
        line = self.lines.get(where.queue)
        stand = line.stands.get(where.stand) if line is not None else None
        return stand if stand is None or where.limit is None else stand.lanes.get(where.limit)

    def _lane(self, where: Where) -> Lane:
        """Return a lane, made where there is none."""
        line = self.line(where.queue)
        stand = line.stands.get(where.stand) or self._new_stand(where, line)
        if where.limit is None:
            return stand
        lane = stand.lanes.get(where.limit)
        if lane is None:
            gate = self.gates.of(where.limit)
            gate.lanes += 1
            stand.keyed = stand.keyed or []
            lane = stand.lanes[gate.key] = KeyedLane(stand, gate)
        return lane

    def _new_stand(self, where: Where, line: Line) -> Stand:
        stand = line.stands[where.stand] = Stand(where.stand, line, host := where.host, where.priority)
        (self._full[host] if host in self._full else self._open.setdefault(host, [])).append(stand)
        return stand

    def _first(self, stand: Stand) -> Lane | None:
        """Return the lane of a stand that goes first of those whose gates are open."""
        heap = stand.keyed
        first: Lane | None = None
        while heap and first is None:
            turn = heap[0]
            lane = turn[-1]
            head = lane.head
            if lane.turn is not turn or head is None:
                heappop(heap)
            elif lane.gate.shut:
                heappop(heap)
                self._park(lane, lane.gate)
            elif head.seq != turn[0]:
                lane.turn = (head.seq, lane)
                heapreplace(heap, lane.turn)
            else:
                first = lane
        if stand.head is not None and (first is None or first.head is None or stand.head.seq < first.head.seq):
            return stand
        return first

    def _best(self, line: Line, *, idle_only: bool, busy: list[Lane]) -> Lane | None:
        """Return the first lane of a line that may run; lanes that only `idle_only` keeps back go into `busy`."""
        aside = []
        best = None
        heap = line.heap
        while heap and best is None:
            ticket = heap[0]
            stand = ticket[-1]
            if stand.ticket is not ticket:
                heappop(heap)
                continue
            lane = stand if stand.keyed is None else self._first(stand)
            if lane is None or lane.head is None:
                stand.ticket = None
                heappop(heap)
                continue
            rank = (-stand.priority, self._calls.get(stand.host, 0), lane.head.seq)
            if rank != ticket[:3]:
                stand.ticket = (*rank, next(self._tickets), stand)
                heapreplace(heap, stand.ticket)
                continue
            if idle_only and rank[1]:
                busy.append(lane)
                aside.append(heappop(heap))
            else:
                best = lane
        for ticket in aside:
            heappush(heap, ticket)
        return best

    def _take(self, lane: Lane) -> Entry:
        entry = lane.head
        assert entry is not None  # noqa: S101 - `_best` returns lanes that have one
        line = lane.line
        line.running += 1
        self._count(lane.host)
        if line.gate is not None:
            self.gates.take(line.gate)
        if lane.gate is not None:
            self.gates.take(lane.gate)
        self._advance(lane)
        if lane.head is None and not lane.more:
            self._forget(lane)
        return entry

    def _advance(self, lane: Lane) -> None:
        """Let the next entry be the head, from memory or from disk."""
        lane.head = None
        if lane.ahead:
            lane.head = lane.ahead.popleft()
            self._ahead -= 1
        elif lane.more:
            room = max(1, min(self._chunk, self._read_ahead - self._ahead))
            if lane.gate is not None:
                room = min(room, lane.gate.room)
            entries, lane.more = self._load(lane.key, lane.loaded_to, room)
            if entries:
                lane.head, lane.loaded_to = entries[0], entries[-1].seq
                lane.ahead = deque(entries[1:])
                self._ahead += len(entries) - 1
                self._seen_to = max(self._seen_to, lane.loaded_to)

    def _rank(self, lane: Lane) -> None:
        """Give the lane's head its place in the heap of its line, or of its stand."""
        if lane.head is None:
            if not lane.more:
                self._forget(lane)
        elif isinstance(lane, Stand):
            self._rank_stand(lane)
        else:
            self._rank_in_stand(lane, lane.stand)

    def _rank_in_stand(self, lane: KeyedLane, stand: Stand) -> None:
        head, heap = lane.head, stand.keyed
        if head is None or heap is None:
            return
        if lane.gate.shut:
            if lane.gate.parked is None or lane not in lane.gate.parked:
                self._park(lane, lane.gate)
            return
        lane.turn = (head.seq, lane)
        heappush(heap, lane.turn)
        if len(heap) > 2 * len(stand.lanes) + 64:
            stand.keyed = [turn for turn in heap if turn[-1].turn is turn]
            heapify(stand.keyed)
        ticket = stand.ticket
        if ticket is None or ticket[2] > head.seq:  # else what stands there goes before it
            self._rank_stand(stand)

    def _rank_stand(self, stand: Stand) -> None:
        """Give what goes first in a stand its place in the heap of its line."""
        if stand.host in self._full:
            return
        lane = stand if stand.keyed is None else self._first(stand)
        if lane is None or lane.head is None:
            return
        line = stand.line
        if len(line.heap) == 1:
            self._renew(line.heap)
        calls = self._calls.get(stand.host, 0)
        stand.ticket = (-stand.priority, calls, lane.head.seq, next(self._tickets), stand)
        heappush(line.heap, stand.ticket)
        if len(line.heap) > 2 * len(line.stands) + 64:
            line.heap = [ticket for ticket in line.heap if ticket[-1].ticket is ticket]
            heapify(line.heap)
        self._put_in_turn(line)

    def _renew(self, heap: list[Ticket]) -> None:
        """Bring the only ticket of a line up to date: as long as it was alone, its host's calls did not matter."""
        stand = heap[0][-1]
        lane = stand if stand.keyed is None else self._first(stand)
        if stand.ticket is heap[0] and lane is not None and lane.head is not None:
            calls = self._calls.get(stand.host, 0)
            stand.ticket = heap[0] = (-stand.priority, calls, lane.head.seq, next(self._tickets), stand)

    def _put_in_turn(self, line: Line) -> None:
        if not line.in_turn and not line.paused and not (line.gate is not None and line.gate.shut):
            line.in_turn = True
            self._turn.append(line)

    def _forget(self, lane: Lane) -> None:
        """A lane is empty. A stand stays as long as others stand in it."""
        if isinstance(lane, KeyedLane):
            stand, lane.turn = lane.stand, None
            if stand.lanes.get(lane.gate.key) is not lane:
                return
            del stand.lanes[lane.gate.key]
            self.gates.leave_lane(lane.gate, lane)
            if not stand.lanes:
                stand.keyed = None
                if stand.head is None and not stand.more:
                    self._forget_stand(stand)
        elif lane.keyed is None:
            self._forget_stand(lane)

    def _forget_stand(self, stand: Stand) -> None:
        stand.ticket = None
        line = stand.line
        del line.stands[stand.key]
        full = stand.host in self._full
        stands = self._full[stand.host] if full else self._open[stand.host]
        stands.remove(stand)
        if not stands and not full:
            del self._open[stand.host]
