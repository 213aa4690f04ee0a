"""The wall clock, as everything that is stored or shown counts it."""

import time


def unix_ms() -> int:
    """Return the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000
