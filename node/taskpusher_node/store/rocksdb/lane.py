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
    """The lane that a job stands in."""

    key: bytes
    queue: str
    host: bytes
    priority: int
    limit: str | None = None


@lru_cache(maxsize=4096)
def where(queue: str, host: bytes, priority: int, limit: str | None = None) -> Where:
    """Return the lane of jobs."""
    return Where(keys.lane_of(queue, host, priority, limit), queue, host, priority, limit)


class Lane:
    """The ready jobs of one queue, host, priority and limit key, in order of arrival."""

    __slots__ = (
        "ahead", "gate", "head", "host", "keep_to", "key", "line", "loaded_to", "more", "priority", "stand", "turn",
    )  # fmt: skip

    def __init__(self, key: bytes, line: "Line", host: bytes, priority: int, gate: KeyGate | None = None) -> None:
        self.key = key
        self.line = line
        self.host = host
        self.priority = priority
        self.gate = gate
        self.stand: Stand | None = None  # where it stands with others; a stand stands for itself
        self.head: Entry | None = None
        self.ahead: deque[Entry] | None = None  # made when there is more than a head: most lanes are short
        self.more = False  # on disk behind what is loaded
        self.loaded_to = 0  # seq of the last entry that is or was in memory
        self.keep_to = 0  # up to this seq nothing may be loaded again: among it is what runs
        self.turn: Turn | None = None  # its one valid entry in the heap of its stand

    def __lt__(self, other: "Lane") -> bool:
        # in the heap of a stand that of a job which came back stands beside the stale turn of a lane that is forgotten
        return self.key < other.key

    @property
    def where(self) -> Where:
        """What it holds the jobs of."""
        limit = self.gate.key if self.gate is not None else None
        return Where(self.key, self.line.name, self.host, self.priority, limit)


class Stand(Lane):
    """All lanes of one queue, host and priority, of which the line sees one: that of the jobs without a limit key.

    The lanes of limit keys stand in a heap behind it, by the seq of their heads; where there are none there is no heap.
    """

    __slots__ = ("keyed", "n_keyed", "ticket")

    def __init__(self, key: bytes, line: "Line", host: bytes, priority: int) -> None:
        super().__init__(key, line, host, priority)
        self.keyed: list[Turn] | None = None
        self.n_keyed = 0  # lanes, also those that are not in the heap
        self.ticket: Ticket | None = None  # its one valid entry in the heap of its line


class Line:
    """One queue: the heap of its stands, by (-priority, calls of the host, seq of what goes first in them)."""

    __slots__ = ("gate", "heap", "in_turn", "lanes", "n_stands", "name", "paused", "running")

    def __init__(self, name: str) -> None:
        self.name = name
        self.paused = False
        self.gate: Gate | None = None
        self.running = 0
        self.heap: list[Ticket] = []
        self.lanes: dict[bytes, Lane] = {}
        self.n_stands = 0
        self.in_turn = False

    def ahead(self, where: Where, seq: int) -> Iterator[tuple[bytes, int]]:
        """Yield (key, seq of the head) of the lanes of a host that go before a place, and of its own."""
        for lane in self.lanes.values():
            if lane.host != where.host or lane.priority < where.priority:
                continue
            first = lane.head.seq if lane.head is not None else lane.loaded_to + 1
            shut = lane.gate is not None and lane.gate.shut
            if lane.key == where.key or (not shut and (lane.priority > where.priority or first < seq)):
                yield lane.key, first


Ticket = tuple[int, int, int, int, Stand]
"""(-priority, calls of the host, seq of what goes first, number of the ticket, stand)."""

Turn = tuple[int, Lane]
"""(seq of the head, lane): no two valid ones are of the same seq."""

Load = Callable[[bytes, int, int], tuple[list[Entry], bool]]
"""(lane, after seq, n) -> at most n entries behind seq that may run, and whether there may be more."""
