"""Counts of measured values by bucket: what /metrics, /stats and /targets tell of durations."""

from bisect import bisect_left
from collections.abc import Sequence

DURATIONS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

FAST_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Histogram:
    """How many values fell into each bucket. `bounds` are the buckets' upper ends; one more bucket takes the rest."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = DURATIONS_S, counts: Sequence[int] = ()) -> None:
        self.bounds = bounds
        self.counts = list(counts) or [0] * (len(bounds) + 1)
        self.total = 0.0  # sum of all values

    def observe(self, value: float) -> None:
        """Count a value; one that is exactly a bound is within it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def quantile(share: float, counts: Sequence[int], bounds: Sequence[float] = DURATIONS_S) -> float | None:
    """Return the value below which `share` (0..1) of the counted ones lie, None where none was counted.

    Linear within a bucket, as Prometheus' histogram_quantile does; in the last bucket its lower end.
    """
    wanted = share * sum(counts)
    if not any(counts):
        return None
    below = 0
    for index, n in enumerate(counts):
        if n and below + n >= wanted:
            if index == len(bounds):
                break
            low = bounds[index - 1] if index else 0.0
            return low + (bounds[index] - low) * (wanted - below) / n
        below += n
    return bounds[-1]
