"""Gates that calls pass on their way: so many at once, and so many in a time out of a bucket of tokens.

One stands before the jobs of each limit key, one before each queue that has numbers. A gate is shut while as many calls
run as may, or its bucket holds no whole token. What stands behind a shut gate is out of the heaps, and comes back by an
event: the end of a call, the time when the bucket has a token again, or other numbers.

Time is a steady clock's: a step of the wall clock neither fills a bucket nor stops it. On disk a bucket is a level at a
time of the wall clock, so that it fills over a restart; it never holds more than `max(1, rate)`.
"""

from collections.abc import Callable
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count
from math import ceil, inf
from typing import Any, NamedTuple

from taskpusher.job import Limit

from ...lifecycle import FINISHED, State
from . import keys, records
from .db import Batch, Database

GRAIN_MS = 5  # fast buckets are looked at no more often
LOOKS_AT_ONCE = 1_000  # a hundred thousand that are due together would hold up the loop
_EPSILON = 1e-9  # what arithmetic may lose of a token


class Numbers(NamedTuple):
    """What may pass a gate, shared by all gates that are alike: a key has to be small."""

    concurrency: int | None
    rate: float | None
    per: float
    size: float  # of the bucket


@lru_cache(maxsize=1024)
def numbers_of(concurrency: int | None, rate: float | None, per: float) -> Numbers:
    """Return the numbers of a gate."""
    return Numbers(concurrency, rate, per, inf if rate is None else max(1.0, rate))


NO_NUMBERS = numbers_of(None, None, 1.0)


class Gate:
    """What may pass, what has, and who waits before it."""

    __slots__ = ("at_ms", "level", "look_ms", "numbers", "parked", "running", "shut")

    queue: str | None = None  # a limit key has none

    def __init__(self, running: int = 0) -> None:
        self.numbers = NO_NUMBERS
        self.running = running
        self.level = inf  # tokens at `at_ms`; endless until there is a rate
        self.at_ms = 0
        self.shut = False
        self.look_ms: int | None = None  # when time alone may change something
        self.parked: dict[Any, None] | None = None  # lanes that have ready jobs, while it is shut

    @property
    def is_full(self) -> bool:
        """Whether the bucket holds as much as it can."""
        return self.level >= self.numbers.size

    @property
    def has_place(self) -> bool:
        """Whether fewer calls run than may at once."""
        return self.numbers.concurrency is None or self.running < self.numbers.concurrency

    @property
    def room(self) -> int:
        """How many calls may pass now, at least 1."""
        numbers = self.numbers
        places = self.level if numbers.rate is not None else inf
        if numbers.concurrency is not None:
            places = min(places, numbers.concurrency - self.running)
        return max(1, int(min(places, keys.T_MAX)))

    def wait_ms(self, tokens: float) -> int:
        """Return how long its bucket takes until it holds so many tokens."""
        numbers = self.numbers
        if numbers.rate is None:
            return 0
        return max(0, ceil((tokens - self.level - _EPSILON) * numbers.per * 1000 / numbers.rate))


class QueueGate(Gate):
    """The gate of a queue."""

    __slots__ = ("queue",)

    def __init__(self, queue: str, running: int) -> None:
        super().__init__(running)
        self.queue: str = queue


class KeyGate(Gate):
    """The gate of a limit key, and how many of its jobs wait and have not ended otherwise."""

    __slots__ = ("key", "lanes", "later", "pinned", "waiting")

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.pinned = False
        self.waiting = 0
        self.later = 0  # scheduled, running, handed off
        self.lanes = 0  # that stand before it, though it be with jobs that wait no more

    @property
    def idle(self) -> bool:
        """Whether only its bucket is left to remember."""
        return not (self.pinned or self.waiting or self.later or self.running or self.lanes)


class Gates:
    """All gates. What changes is written with the open batch."""

    def __init__(self, now_ms: Callable[[], int], steady_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self._steady_ms = steady_ms
        self.keys: dict[str, KeyGate] = {}
        self.queues: dict[str, Gate] = {}
        self.pinned = 0
        self.shut = 0  # how many are
        self.held = {"rate": 0, "limit": 0}  # how often a lane or a queue with ready jobs was held back
        self.opened: Callable[[Gate], None] = _nothing
        self.due: Callable[[int], None] = _nothing  # told a time of the wall clock
        self._looks: list[tuple[int, int, Gate]] = []
        self._numbers = count()
        self._dirty: dict[Gate, None] = {}

    # -- numbers

    def key(self, limit: Limit) -> KeyGate:
        """Return the gate of a limit key, made where it is new."""
        gate = self.keys.get(limit.key)
        if gate is None:
            gate = self.keys[limit.key] = KeyGate(limit.key)
            self.number(gate, limit.concurrency, limit.rate, limit.per)
        return gate

    def of(self, key: str) -> KeyGate:
        """Return the gate of a limit key; one without numbers where no job of it is left."""
        gate = self.keys.get(key)
        return self.key(Limit(key)) if gate is None else gate

    def renumber(self, limit: Limit) -> bool:
        """Let the newest job of a key say what holds, unless that is pinned; tells whether it opens the gate."""
        gate = self.key(limit)
        was_shut = gate.shut
        if not gate.pinned:
            self.number(gate, limit.concurrency, limit.rate, limit.per)
        return was_shut and not gate.shut

    def number(self, gate: Gate, concurrency: int | None, rate: float | None, per: float) -> None:
        """Give a gate its numbers; its bucket keeps what it holds, as far as that fits."""
        numbers = numbers_of(concurrency, rate, per)
        if gate.numbers == numbers:
            return
        if gate.level != inf:
            self._fill(gate)
        gate.numbers = numbers
        gate.level = min(numbers.size, gate.level)
        self._dirty[gate] = None
        self._look(gate)

    def number_queue(self, queue: str, numbers: tuple[int | None, float | None, float], running: int) -> Gate | None:
        """Put a gate before a queue, of which some calls run, or change its numbers; None where it has none."""
        gate = self.queues.get(queue)
        if numbers[:2] == (None, None):
            if gate is not None:
                self.number(gate, *numbers)  # opens it
                del self.queues[queue]
            return None
        if gate is None:
            gate = self.queues[queue] = QueueGate(queue, running)
        self.number(gate, *numbers)
        return gate

    def pin(self, gate: KeyGate, *, on: bool) -> None:
        """Fix the numbers of a key, or let the next job change them."""
        self.pinned += on - gate.pinned
        gate.pinned = on
        self._dirty[gate] = None

    def count(self, limit: Limit, state: State, by: int) -> None:
        """Jobs of a key came into a state or left it."""
        if state in FINISHED:
            return
        gate = self.key(limit)
        if state is State.WAITING:
            gate.waiting += by
        else:
            gate.later += by
        self._dirty[gate] = None

    # -- calls

    def take(self, gate: Gate) -> None:
        """A call passes."""
        gate.running += 1
        if gate.numbers.rate is not None:
            self._fill(gate)
            gate.level -= 1
            self._dirty[gate] = None
        self._look(gate)

    def enter(self, gate: Gate) -> None:
        """A call that runs already takes its place, and no token."""
        gate.running += 1
        self._look(gate)

    def free(self, gate: Gate, *, undo: bool = False) -> None:
        """A call has ended; with `undo` it never began, and its token is given back."""
        gate.running -= 1
        if undo and gate.numbers.rate is not None:
            self._fill(gate)
            gate.level = min(gate.numbers.size, gate.level + 1)
        self._dirty[gate] = None
        self._look(gate)

    def leave_lane(self, gate: KeyGate, lane: object) -> None:
        """A lane before a gate is gone."""
        gate.lanes -= 1
        if gate.parked is not None:
            gate.parked.pop(lane, None)
        self._dirty[gate] = None

    def reason(self, gate: Gate) -> str:
        """Return what a gate that is shut waits for: `limit` is the end of a call."""
        return "rate" if gate.has_place else "limit"

    def hold(self, gate: Gate) -> None:
        """Something ready is held back by a gate that is shut."""
        self.held[self.reason(gate)] += 1

    def next_token_ms(self, gate: Gate) -> int | None:
        """Return when, by the wall clock, a bucket holds a token, None where it does."""
        self._fill(gate)
        wait_ms = gate.wait_ms(1)
        return self.now_ms() + wait_ms if wait_ms else None

    # -- time

    def look(self) -> tuple[bool, int | None]:
        """Open what time has opened, a bounded number at once.

        Returns whether there was any, and when, by the wall clock, to look again.
        """
        steady_ms = self._steady_ms()
        any_opened = False
        for _ in range(LOOKS_AT_ONCE):
            if not self._looks or self._looks[0][0] > steady_ms:
                break
            at_ms, _, gate = heappop(self._looks)
            if gate.look_ms != at_ms:
                continue
            gate.look_ms = None
            was_shut = gate.shut
            self._look(gate)
            any_opened = any_opened or (was_shut and not gate.shut)
            self._dirty[gate] = None
        next_ms = self.now_ms() + self._looks[0][0] - steady_ms if self._looks else None
        return any_opened, next_ms

    def _fill(self, gate: Gate) -> None:
        """Let a bucket hold what it does now; without a rate it stays as it is."""
        steady_ms = self._steady_ms()
        _, rate, per, size = gate.numbers
        if rate is not None and steady_ms > gate.at_ms:
            gate.level = min(size, gate.level + (steady_ms - gate.at_ms) * rate / (per * 1000))
        gate.at_ms = steady_ms

    def _look(self, gate: Gate) -> None:
        """Shut a gate or open it."""
        shut = not gate.has_place
        if not gate.is_full:
            self._fill(gate)
            wait_ms = gate.wait_ms(1)
            if wait_ms:
                shut = True
                self._look_at(gate, max(GRAIN_MS, wait_ms))
        if shut is gate.shut:
            return
        gate.shut = shut
        self.shut += 1 if shut else -1
        if not shut:
            self.opened(gate)

    def _look_at(self, gate: Gate, wait_ms: int) -> None:
        at_ms = gate.at_ms + wait_ms
        if gate.look_ms is None or at_ms < gate.look_ms:
            gate.look_ms = at_ms
            heappush(self._looks, (at_ms, next(self._numbers), gate))
            self.due(self.now_ms() + wait_ms)

    # -- on disk

    def write(self, batch: Batch) -> None:
        """Put what has changed since the last write; what nothing is to be remembered of is forgotten."""
        dirty, self._dirty = self._dirty, {}
        for gate in dirty:
            if not gate.is_full:
                self._fill(gate)
            if isinstance(gate, KeyGate):
                self._write_key(batch, gate)
            elif gate.queue is not None and self.queues.get(gate.queue) is gate:
                bucket = records.Bucket(gate.level, self.now_ms())
                batch.put(keys.queue_gate_key(gate.queue), records.encode(bucket))
            elif gate.queue is not None and gate.queue not in self.queues:
                batch.delete(keys.queue_gate_key(gate.queue))

    def _write_key(self, batch: Batch, gate: KeyGate) -> None:
        key = keys.key_gate_key(gate.key)
        fills_ms = gate.wait_ms(gate.numbers.size)
        if gate.idle and fills_ms == 0:
            self._look(gate)  # what is forgotten counts as open
            self.keys.pop(gate.key, None)
            gate.look_ms = None
            batch.delete(key)
            return
        if gate.idle:
            self._look_at(gate, max(GRAIN_MS, fills_ms))
        concurrency, rate, per, _ = gate.numbers
        record = records.KeyGateRecord(
            concurrency, rate, per, gate.pinned, gate.level, self.now_ms(), gate.waiting, gate.later
        )
        batch.put(key, records.encode(record))

    def read(self, db: Database) -> None:
        """Fill in the limit keys of a store."""
        for key, value in db.all(keys.KEY_GATES):
            self.take_over(keys.gate_name(key), records.decode_key_gate(value), counters=True)

    def read_buckets(self, db: Database) -> None:
        """Fill the buckets of the queues as they were."""
        for key, value in db.all(keys.QUEUE_GATES):
            gate = self.queues.get(keys.gate_name(key))
            if gate is not None:
                bucket = records.decode_bucket(value)
                self.set_level(gate, bucket.level, bucket.at_ms)

    def forget_all(self) -> None:
        """Forget what was counted."""
        self.keys.clear()
        self._dirty.clear()

    def take_over(self, key: str, record: records.KeyGateRecord, *, counters: bool = False) -> None:
        """Let a gate be what a record says; its counters too where that is asked for."""
        gate = self.keys.get(key)
        if gate is None:
            gate = self.keys[key] = KeyGate(key)
        self.number(gate, record.concurrency, record.rate, record.per)
        self.pin(gate, on=record.pinned)
        if counters:
            gate.waiting, gate.later = record.waiting, record.later
        self.set_level(gate, record.level, record.at_ms)
        if counters and not gate.idle:
            self._dirty.pop(gate, None)

    def set_level(self, gate: Gate, level: float, at_ms: int) -> None:
        """Let a bucket be as it was at a time of the wall clock; it has filled since then, if that is past."""
        _, rate, per, size = gate.numbers
        since_ms = max(0, self.now_ms() - at_ms)
        gate.level = min(size, level if rate is None else level + since_ms * rate / (per * 1000))
        if not gate.is_full:
            gate.at_ms = self._steady_ms()
        self._look(gate)

    def empty_all(self) -> None:
        """Let all buckets be empty: nobody knows what was taken."""
        for gate in (*self.keys.values(), *self.queues.values()):
            if gate.numbers.rate is not None:
                gate.level, gate.at_ms = 0.0, self._steady_ms()
                self._dirty[gate] = None
                self._look(gate)


def _nothing(_: object) -> None:
    pass
