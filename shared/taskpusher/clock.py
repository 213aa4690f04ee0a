"""The wall clock, as everything that is stored or shown counts it, and one that never steps."""

import time


def unix_ms() -> int:
    """Return the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Return milliseconds that no step of the wall clock touches."""
    return time.monotonic_ns() // 1_000_000
