"""What lanes are made of: ready jobs in order of arrival, of a queue, host, priority and limit key."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from . import keys
from .gates import Gate, KeyGate

READ_AHEAD = 20_000  # jobs kept in memory behind the heads, of all lanes together
CHUNK = 512  # jobs loaded at once


class Entry(NamedTuple):
    """A ready job: its place in line, its id, and since when it waits."""

    seq: int
    id: bytes
    waiting_ms: int


class Where(NamedTuple):
    """The lane that a job stands in, and the key of the stand that this is part of."""

    key: bytes
    queue: str
    host: bytes
    priority: int
    limit: str | None
    stand: bytes


@lru_cache(maxsize=4096)
def where(queue: str, host: bytes, priority: int, limit: str | None = None) -> Where:
    """Return the lane of jobs."""
    stand = keys.lane_of(queue, host, priority)
    key = stand if limit is None else keys.lane_of(queue, host, priority, limit)
    return Where(key, queue, host, priority, limit, stand)


class _Ahead:
    """How far a lane is in memory, behind its head."""

    __slots__ = ("ahead", "keep_to", "loaded_to", "more")

    def __init__(self) -> None:
        self.ahead: deque[Entry] | None = None  # made when there is more than a head: most lanes are short
        self.more = False  # on disk behind what is loaded
        self.loaded_to = 0  # seq of the last entry that is or was in memory
        self.keep_to = 0  # up to this seq nothing may be loaded again: among it is what runs


class Stand(_Ahead):
    """All lanes of one queue, host and priority, of which the line sees one; itself that of jobs without a limit key.

    The lanes of limit keys stand in a heap behind it, by the seq of their heads; where there are none there is no heap.
    """

    __slots__ = ("head", "host", "key", "keyed", "lanes", "line", "priority", "ticket")

    gate: KeyGate | None = None

    def __init__(self, key: bytes, line: "Line", host: bytes, priority: int) -> None:
        super().__init__()
        self.key = key
        self.line = line
        self.host = host
        self.priority = priority
        self.head: Entry | None = None
        self.lanes: dict[str, KeyedLane] = {}  # by limit key, also those that are not in the heap
        self.keyed: list[Turn] | None = None
        self.ticket: Ticket | None = None  # its one valid entry in the heap of its line


class KeyedLane(_Ahead):
    """The jobs of one limit key in a stand. There may be a hundred thousand: what can be made again is not kept."""

    __slots__ = ("_id", "_seq", "_waiting_ms", "gate", "stand", "turn")

    _seq: int
    _id: bytes | None
    _waiting_ms: int
    gate: KeyGate

    def __init__(self, stand: Stand, gate: KeyGate) -> None:
        super().__init__()
        self.stand = stand
        self.gate = gate
        self.turn: Turn | None = None  # its one valid entry in the heap of its stand
        self.head = None

    def __lt__(self, other: "KeyedLane") -> bool:
        # in the heap of a stand that of a job which came back stands beside the stale turn of a lane that is forgotten
        return self.gate.key < other.gate.key

    @property
    def key(self) -> bytes:
        """What its ready keys begin with."""
        return keys.lane_of(self.line.name, self.host, self.priority, self.gate.key)

    @property
    def line(self) -> "Line":
        """Its queue."""
        return self.stand.line

    @property
    def host(self) -> bytes:
        """Whom its jobs call."""
        return self.stand.host

    @property
    def priority(self) -> int:
        """The priority of its jobs."""
        return self.stand.priority

    @property
    def head(self) -> Entry | None:
        """What goes first in it."""
        return None if self._id is None else Entry(self._seq, self._id, self._waiting_ms)

    @head.setter
    def head(self, entry: Entry | None) -> None:
        self._seq, self._id, self._waiting_ms = (0, None, 0) if entry is None else entry


Lane = Stand | KeyedLane
"""The ready jobs of one queue, host, priority and limit key, or of none, in order of arrival."""


def where_of(lane: Lane) -> Where:
    """Return what a lane holds the jobs of."""
    return where(lane.line.name, lane.host, lane.priority, lane.gate.key if lane.gate is not None else None)


class Line:
    """One queue: the heap of its stands, by (-priority, calls of the host, seq of what goes first in them)."""

    __slots__ = ("gate", "heap", "in_turn", "name", "paused", "running", "stands")

    def __init__(self, name: str) -> None:
        self.name = name
        self.paused = False
        self.gate: Gate | None = None
        self.running = 0
        self.heap: list[Ticket] = []
        self.stands: dict[bytes, Stand] = {}
        self.in_turn = False

    def lanes(self) -> Iterator[Lane]:
        """Yield all lanes of all its stands."""
        for stand in self.stands.values():
            yield stand
            yield from stand.lanes.values()

    def ahead(self, where: Where, seq: int) -> Iterator[tuple[bytes, int]]:
        """Yield (key, seq of the head) of the lanes of a host that go before a place, and of its own."""
        for lane in self.lanes():
            if lane.host != where.host or lane.priority < where.priority:
                continue
            head, key = lane.head, lane.key
            first = head.seq if head is not None else lane.loaded_to + 1
            shut = lane.gate is not None and lane.gate.shut
            if key == where.key or (not shut and (lane.priority > where.priority or first < seq)):
                yield key, first


Ticket = tuple[int, int, int, int, Stand]
"""(-priority, calls of the host, seq of what goes first, number of the ticket, stand)."""

Turn = tuple[int, KeyedLane]
"""(seq of the head, lane): no two valid ones are of the same seq."""

Load = Callable[[bytes, int, int], tuple[list[Entry], bool]]
"""(lane, after seq, n) -> at most n entries behind seq that may run, and whether there may be more."""
