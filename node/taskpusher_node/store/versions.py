"""Which of two stores of a cluster has the newer settings of a queue, and whether all of theirs are the same. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from ..digests import short_sum
from .base import QueueState


def digest_of(state: QueueState, now_ms: int) -> bytes:
    """Return the digest of all that is said of a queue but its version; a pause that is over is none."""
    pause = state.pause
    if pause is not None and pause.until_ms is not None and pause.until_ms <= now_ms:
        pause = None
    stands = None if pause is None else (pause.by, pause.since_ms, pause.until_ms)
    defaults = None if state.defaults is None else msgspec.json.decode(state.defaults)
    return short_sum((state.declared, state.concurrency, state.rate, state.per, state.scope, defaults, stands))


def is_newer(state: QueueState, than: QueueState, now_ms: int) -> bool:
    """Tell whether a record goes before another one: by its version, of the same version by its digest.

    So all stores end up with the same one, in whatever order they hear of them.
    """
    if state.version != than.version:
        return state.version > than.version
    return digest_of(state, now_ms) > digest_of(than, now_ms)


def digest_of_all(states: Mapping[str, QueueState], now_ms: int) -> str:
    """Return one digest of all queues of which something was said."""
    said = {name: (state.version, digest_of(state, now_ms)) for name, state in states.items() if state.version}
    return short_sum(said).hex()


def same_until(states: Iterable[QueueState], now_ms: int) -> int | None:
    """Return when time alone changes a digest: at the end of a pause. None: never."""
    ends = (state.pause.until_ms for state in states if state.pause is not None)
    return min((end for end in ends if end is not None and end > now_ms), default=None)
