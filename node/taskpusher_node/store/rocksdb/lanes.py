"""Which ready job is next: lanes of jobs in order of arrival, and a heap of their heads for each queue.

A lane holds the ready jobs of one queue, host and priority. Its head is in memory, so are some more behind it
(read-ahead); the rest stays on disk and is loaded in order, from where the last load ended, never from the front.
Since a new job is always the last of its lane, there is nothing to merge. Pure: the disk is a function it is given.

A host that runs as many calls as it may is full: its lanes are out of the heaps, so they cost a pick nothing, and come
back when a call of it ends or it may run more.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import NamedTuple

READ_AHEAD = 20_000  # jobs kept in memory behind the heads, of all lanes together
CHUNK = 512  # jobs loaded at once


class Entry(NamedTuple):
    """A ready job: its place in line, its id, and since when it waits."""

    seq: int
    id: bytes
    waiting_ms: int


class Lane:
    """The ready jobs of one queue, host and priority, in order of arrival."""

    __slots__ = ("ahead", "head", "host", "keep_to", "key", "line", "loaded_to", "more", "priority", "ticket")

    def __init__(self, key: bytes, line: "Line", host: bytes, priority: int) -> None:
        self.key = key
        self.line = line
        self.host = host
        self.priority = priority
        self.head: Entry | None = None
        self.ahead: deque[Entry] | None = None  # made when there is more than a head: most lanes are short
        self.more = False  # on disk behind what is loaded
        self.loaded_to = 0  # seq of the last entry that is or was in memory
        self.keep_to = 0  # up to this seq nothing may be loaded again: among it is what runs
        self.ticket: Ticket | None = None  # its one valid entry in the heap of its line


class Line:
    """One queue: the heap of the heads of its lanes, by (-priority, calls of the host, seq)."""

    __slots__ = ("heap", "in_turn", "lanes", "name", "paused")

    def __init__(self, name: str) -> None:
        self.name = name
        self.paused = False
        self.heap: list[Ticket] = []
        self.lanes: dict[bytes, Lane] = {}
        self.in_turn = False


Ticket = tuple[int, int, int, int, Lane]
"""(-priority, calls of the host, seq of the head, number of the ticket, lane)."""

Load = Callable[[bytes, int, int], tuple[list[Entry], bool]]
"""(lane, after seq, n) -> at most n entries behind seq that may run, and whether there may be more."""


class Lanes:
    """All ready jobs. `suspects` is the host that those of a crash stand under: of them one runs at a time."""

    def __init__(
        self,
        load: Load,
        *,
        suspects: bytes,
        waits: Callable[[Entry], bool] = lambda _: True,
        read_ahead: int = READ_AHEAD,
        chunk: int = CHUNK,
    ) -> None:
        self._load = load
        self._waits = waits  # whether an entry's job still waits
        self._read_ahead = read_ahead
        self._share = max(chunk, read_ahead // 4)  # of one lane: a long line leaves memory to the others
        self._chunk = chunk
        self.lines: dict[str, Line] = {}
        self._turn: deque[Line] = deque()
        self._open: dict[bytes, list[Lane]] = {}  # of hosts that may run one more call
        self._full: dict[bytes, list[Lane]] = {}  # of hosts that may not, also where they have no lanes
        self._aside: dict[bytes, list[tuple[Lane, Entry]]] = {}  # suspects of full hosts
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

    def open_lane(self, key: bytes, queue: str, host: bytes, priority: int, head: Entry) -> None:
        """At start: a lane whose first entry is `head`, and of which nothing else is known."""
        lane = self._lane(key, queue, host, priority)
        lane.head, lane.loaded_to, lane.more = head, head.seq, True
        self._seen_to = max(self._seen_to, head.seq)
        self._rank(lane)

    def add(self, key: bytes, queue: str, host: bytes, priority: int, entry: Entry) -> None:
        """A job became ready: it is the last of its lane, and is on disk already."""
        lane = self._lane(key, queue, host, priority)
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
            or self._ahead >= self._read_ahead
            or host in self._full
            or (lane.ahead is not None and len(lane.ahead) >= self._share)
        ):
            lane.more = True
        else:
            if lane.ahead is None:
                lane.ahead = deque()
            lane.ahead.append(entry)
            lane.loaded_to = entry.seq
            self._ahead += 1

    def put_back(self, key: bytes, queue: str, host: bytes, priority: int, entry: Entry) -> None:
        """A job that was picked is ready again, at its old place in line."""
        lane = self._lane(key, queue, host, priority)
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

    def release(self, key: bytes, queue: str, host: bytes, priority: int, entry: Entry) -> None:
        """A job that others held is ready, at the place that it has had since it came."""
        lane = self.line(queue).lanes.get(key)
        if lane is not None and entry.seq > lane.loaded_to:
            self.add(key, queue, host, priority, entry)
        else:
            self.put_back(key, queue, host, priority, entry)

    def drop(self, key: bytes, seq: int) -> None:
        """A waiting job is none any more. Only a head is taken out; others are found stale when their turn comes."""
        queue = key[1:].split(b"\0", 1)[0].decode()
        lane = self.lines[queue].lanes.get(key) if queue in self.lines else None
        if lane is not None and lane.head is not None and lane.head.seq == seq:
            self._advance(lane)
            while lane.head is not None and not self._waits(lane.head):
                self._advance(lane)
            self._rank(lane)

    def pause(self, queue: str, *, on: bool) -> None:
        """Take a queue out of the turn, or back in."""
        line = self.line(queue)
        line.paused = on
        self._put_in_turn(line)

    def forget(self, queue: str) -> None:
        """A queue without jobs is gone. A line that still has lanes stays until they are found to be stale."""
        line = self.lines.get(queue)
        if line is None:
            return
        self.pause(queue, on=False)
        if not line.lanes:
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
        if idle_only and len(self._open) <= len(self._calls) and all(host in self._calls for host in self._open):
            if len(self._open) > 1:
                return None
            idle_only = False
        busy: list[Lane] = []
        for _ in range(len(self._turn)):
            line = self._turn[0]
            if line.paused or not line.heap:
                self._turn.popleft()
                line.in_turn = False
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
            self._aside.setdefault(host, []).append((lane, entry))
            return False
        self._count(host)
        return True

    def ended(self, host: bytes) -> None:
        """A call of the host has ended, so its lanes move up in their lines."""
        calls = self._calls[host] - 1
        if calls:
            self._calls[host] = calls
        else:
            del self._calls[host]
        if host not in self._full:
            for lane in self._open.get(host, ()):
                if len(lane.line.heap) > 1:
                    self._rank(lane)
        elif not self._is_full(host):
            self._bring_back(host)

    def calls(self, host: bytes) -> int:
        """Return how many calls of a host run."""
        return self._calls.get(host, 0)

    def oldest_waiting_ms(self, queue: str) -> int | None:
        """Return since when the oldest job of a queue waits: lanes are in order of arrival, so it is a head."""
        line = self.line(queue)
        heads = [lane.head.waiting_ms for lane in line.lanes.values() if lane.head is not None]
        aside = [entry.waiting_ms for those in self._aside.values() for lane, entry in those if lane.line is line]
        return min(heads + aside, default=None)

    def ahead(self, queue: str, host: bytes, priority: int) -> list[tuple[bytes, int]]:
        """Return (key, seq of the head) of the lanes of a queue and host that go before a priority, and of its own."""
        lanes = self._full[host] if host in self._full else self._open.get(host, [])
        return [
            (lane.key, lane.head.seq if lane.head is not None else lane.loaded_to + 1)
            for lane in lanes
            if lane.line.name == queue and lane.priority >= priority
        ]

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
            lanes = self._full[host] = self._open.pop(host, [])
            for lane in lanes:
                lane.ticket = None

    def _unload(self, host: bytes) -> None:
        """A host is held: leave its jobs on disk, for others need the memory."""
        for lane in self._full[host]:
            while lane.ahead and lane.ahead[-1].seq > lane.keep_to:
                self._ahead -= 1
                lane.loaded_to, lane.more = lane.ahead.pop().seq - 1, True

    def _bring_back(self, host: bytes) -> None:
        """A host is not full any more."""
        lanes = self._full.pop(host)
        if lanes:
            self._open[host] = lanes
        for lane in list(lanes):
            self._rank(lane)
        for lane, entry in self._aside.pop(host, ()):
            self.put_back(lane.key, lane.line.name, lane.host, lane.priority, entry)

    def _lane(self, key: bytes, queue: str, host: bytes, priority: int) -> Lane:
        line = self.line(queue)
        lane = line.lanes.get(key)
        if lane is None:
            lane = line.lanes[key] = Lane(key, line, host, priority)
            (self._full[host] if host in self._full else self._open.setdefault(host, [])).append(lane)
        return lane

    def _best(self, line: Line, *, idle_only: bool, busy: list[Lane]) -> Lane | None:
        """Return the first lane of a line that may run; lanes that only `idle_only` keeps back go into `busy`."""
        aside = []
        best = None
        heap = line.heap
        while heap and best is None:
            ticket = heap[0]
            lane = ticket[-1]
            if lane.ticket is not ticket or lane.head is None:
                heappop(heap)
                continue
            rank = (-lane.priority, self._calls.get(lane.host, 0), lane.head.seq)
            if rank != ticket[:3]:
                lane.ticket = (*rank, next(self._tickets), lane)
                heapreplace(heap, lane.ticket)
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
        self._count(lane.host)
        self._advance(lane)
        if lane.head is None and not lane.more:
            self._forget(lane)
        elif lane.head is None:
            lane.ticket = None
        return entry

    def _advance(self, lane: Lane) -> None:
        """Let the next entry be the head, from memory or from disk."""
        lane.head = None
        if lane.ahead:
            lane.head = lane.ahead.popleft()
            self._ahead -= 1
        elif lane.more:
            room = max(1, min(self._chunk, self._read_ahead - self._ahead))
            entries, lane.more = self._load(lane.key, lane.loaded_to, room)
            if entries:
                lane.head, lane.loaded_to = entries[0], entries[-1].seq
                lane.ahead = deque(entries[1:])
                self._ahead += len(entries) - 1
                self._seen_to = max(self._seen_to, lane.loaded_to)

    def _rank(self, lane: Lane) -> None:
        """Give the lane's head its place in the heap of its line."""
        if lane.head is None:
            if not lane.more:
                self._forget(lane)
            return
        if lane.host in self._full:
            return
        line = lane.line
        if len(line.heap) == 1:
            self._renew(line.heap)
        lane.ticket = (-lane.priority, self._calls.get(lane.host, 0), lane.head.seq, next(self._tickets), lane)
        heappush(line.heap, lane.ticket)
        if len(line.heap) > 2 * len(line.lanes) + 64:
            line.heap = [ticket for ticket in line.heap if ticket[-1].ticket is ticket]
            heapify(line.heap)
        self._put_in_turn(line)

    def _renew(self, heap: list[Ticket]) -> None:
        """Bring the only ticket of a line up to date: as long as it was alone, its host's calls did not matter."""
        lane = heap[0][-1]
        if lane.ticket is heap[0] and lane.head is not None:
            calls = self._calls.get(lane.host, 0)
            lane.ticket = heap[0] = (-lane.priority, calls, lane.head.seq, next(self._tickets), lane)

    def _put_in_turn(self, line: Line) -> None:
        if not line.in_turn and not line.paused:
            line.in_turn = True
            self._turn.append(line)

    def _forget(self, lane: Lane) -> None:
        lane.ticket = None
        del lane.line.lanes[lane.key]
        full = lane.host in self._full
        lanes = self._full[lane.host] if full else self._open[lane.host]
        lanes.remove(lane)
        if not lanes and not full:
            del self._open[lane.host]
