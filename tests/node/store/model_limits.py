"""Limit keys and the numbers of queues as plain Python."""

from collections.abc import Iterable
from dataclasses import dataclass, field

PLACES = {"a": 1, "b": 2}  # of limit keys
RATE = 2.0  # of the limit key r, a second: its bucket holds two tokens
SURE = 1.02  # tokens with which a bucket must be open once it was looked at: it is not so every millisecond


def limit_of(key: str) -> tuple[str, int | None, float | None]:
    """Return the limit that jobs of a key name."""
    return key, PLACES.get(key), RATE if key == "r" else None


@dataclass
class Limits:
    """What may pass now. `tokens` are of the key r, at a time."""

    queues: dict[str, int] = field(default_factory=dict)
    tokens: float = 2.0
    at_ms: int = 0
    looked_ms: int = 0
    closing: dict[str, "Limited"] = field(default_factory=dict)  # cancelled, and their calls are not closed

    def fill(self, now_ms: int) -> None:
        """Let the bucket be as it is now."""
        self.tokens = min(2.0, self.tokens + max(0, now_ms - self.at_ms) * RATE / 1_000)
        self.at_ms = now_ms

    def take(self, key: str | None, now_ms: int) -> None:
        """A call begins."""
        if key == "r":
            self.fill(now_ms)
            self.tokens -= 1

    def lets_pass(self, job: "Limited", running: Iterable["Limited"], now_ms: int) -> bool:
        """Tell whether a job may run beside those that do."""
        running = [*running, *self.closing.values()]
        if job.limit == "r":
            self.fill(now_ms)
            if self.tokens < 1:
                return False
        places = PLACES.get(job.limit or "", 1_000)
        of_queue = self.queues.get(job.queue, 1_000)
        return (
            sum(other.limit == job.limit for other in running) < places
            and sum(other.queue == job.queue for other in running) < of_queue
        )

    def must_be_open(self, key: str | None, now_ms: int) -> bool:
        """Tell whether what may pass will: a bucket opens when it is looked at."""
        return key != "r" or (self.looked_ms == now_ms and self.tokens >= SURE)


@dataclass
class Limited:
    """What the limits look at of a job."""

    queue: str
    limit: str | None
