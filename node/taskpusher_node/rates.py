"""How much happens, from counters that only grow: a second over the last minute, and in the rings of /stats."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Literal

import msgspec
from msgspec import structs

from taskpusher.background import Background

from .lifecycle import State
from .rings import Bucket, Ring
from .store.base import Store, StoreError
from .store.tallies import Totals

WINDOW_S = 60
Range = Literal["1h", "24h"]
RANGES: dict[Range, tuple[int, int]] = {
    "1h": (10, 360),
    "24h": (300, 288),
}  # how long a bucket is, and how many there are

_decode = msgspec.msgpack.Decoder(Bucket).decode
_BEHIND_S = 0.002  # timers may be early by a millisecond
_COUNTED = ("added", "completed", "errors")


class Rates(Background):
    """Looks at the store's counters once a second and remembers what it saw.

    The rings are kept in the store, each bucket under a name of its own: as it ends, and with it the open bucket of
    the longer ring. So a crash loses ten seconds at most, and the store writes some hundred bytes every ten seconds.
    """

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._seen: deque[tuple[float, Totals]] = deque([(monotonic(), structs.replace(store.totals))], WINDOW_S + 1)
        self._rings = {name: Ring(*shape) for name, shape in RANGES.items()}
        self._looked_s = now_ms() / 1000
        self._before = structs.replace(store.totals)
        self._durations_before = store.durations()

    def start(self) -> asyncio.Task[None]:
        """Take up the rings of before, and begin to look."""
        for name, ring in self._rings.items():
            for slot in range(ring.length):
                kept = self._store.memo(_memo(name, slot))
                if kept is not None:
                    ring.restore(_decode(kept))
        return super().start()

    async def stop(self) -> None:
        """End it, and keep the rings."""
        await super().stop()
        at_s = self._looked_s
        self._look()
        self._keep(at_s)

    def per_second(self) -> dict[str, float]:
        """Return added, completed and errors a second over the last minute, or since the start."""
        then, before = self._seen[0]
        seconds = max(monotonic() - then, 1.0)
        return {
            name: round((getattr(self._store.totals, name) - getattr(before, name)) / seconds, 3) for name in _COUNTED
        }

    def finished_per_second(self) -> float:
        """Return how many jobs ended a second, by their calls."""
        rates = self.per_second()
        return rates["completed"] + rates["errors"]

    def series(self, name: Range) -> tuple[int, list[Bucket]]:
        """Return how long the buckets of a range are, and all of them up to now."""
        self._look()
        ring = self._rings[name]
        return ring.step_s, list(ring.newest(self._looked_s))

    async def _run(self) -> None:
        while True:
            # just behind a full second, so that buckets begin and end with a look
            await asyncio.sleep(1 + _BEHIND_S - self._now_ms() % 1000 / 1000)
            self._seen.append((monotonic(), structs.replace(self._store.totals)))
            self._tick()

    def _tick(self) -> None:
        at_s = self._looked_s
        self._look()
        shortest = next(iter(self._rings.values()))
        if shortest.begin(at_s) != shortest.begin(self._looked_s):
            self._keep(at_s)

    def _look(self) -> None:
        """Count what happened since the last look into the buckets of that moment."""
        totals, counts = self._store.totals, self._store.durations()
        waiting = self._store.counts()[State.WAITING]
        now_s = self._now_ms() / 1000
        for ring in self._rings.values():
            bucket = ring.bucket(self._looked_s)
            for name in _COUNTED:
                more = getattr(totals, name) - getattr(self._before, name)
                setattr(bucket, name, getattr(bucket, name) + more)
            for index, (n, before) in enumerate(zip(counts, self._durations_before, strict=True)):
                bucket.durations[index] += n - before
            bucket.waiting = ring.bucket(now_s).waiting = waiting
        self._before, self._durations_before = structs.replace(totals), counts
        self._looked_s = now_s

    def _keep(self, at_s: float) -> None:
        for name, ring in self._rings.items():
            bucket = ring.bucket(at_s)
            try:
                self._store.remember(_memo(name, ring.slot(bucket.t)), msgspec.msgpack.encode(bucket))
            except StoreError:
                return  # it stalls or has failed, which is told elsewhere: these seconds are lost


def _memo(ring: str, slot: int) -> str:
    return f"ring.{ring}.{slot}"
