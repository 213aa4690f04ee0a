"""What is known of each target host, and whether it is held back as a whole. Pure: clock and timers are given to it.

                     3 unreached calls in a row                    its time is over
      +---------+ ------------------------------> +--------+ ------------------------> +---------+
      |  open   |                                 |  held  |                           | probing |
      | no limit|     +-------------------------> | limit 0| <------------------------ | limit 1 |
      +---------+     |  3 unreached in a row     +--------+   the probe is unreached  +---------+
           ^          |                                        (twice as long, 60 s)       |
           |      +-----------------------+                                                |
           +------| ramping               | <----------------------------------------------+
        as many   | limit 4, doubled      |              the probe reached it
        as slots  | every 10 s            |
                  +-----------------------+

A probe is the next job's real call. What runs when a host is held goes on, and tells nothing of the time after: only
calls that began in a phase move it on. A call that neither reached its target nor missed it (aborted; the node had no
file left for it) moves nothing. A hold by hand lies over all this: the limit is 0 until it is over, then what the phase
says, and a host that was held back anyway is probed at once.
"""

import random
from collections.abc import Callable, Sequence
from enum import Enum
from time import monotonic
from typing import Protocol

import structlog
from msgspec import Struct

from taskpusher.histogram import Histogram
from taskpusher.job import Backoff, backoff_delay_s

from .retry import NOT_REACHED, SAYS_NOTHING
from .store.base import Pause

UNREACHED_MAX = 3  # in a row
PROBE_BACKOFF = Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.5)
RETRY_AFTER_S = (1.0, 600.0)  # what a target may ask for as a whole: one answer must not silence it for a day
RAMP_START = 4
RAMP_STEP_S = 10.0
WINDOW_S = 120.0  # rate, durations and share of errors are those of the last one or two of these
HOSTS_MAX = 10_000
BY_ITSELF = "unreached"  # who holds a host that nobody holds by hand

log = structlog.get_logger()


class Phase(Enum):
    """See the drawing above."""

    OPEN = "open"
    HELD = "held"
    PROBING = "probing"
    RAMPING = "ramping"


class Timer(Protocol):
    """What can be called off."""

    def cancel(self) -> None:
        """Call it off."""


class Held(Struct, frozen=True):
    """By whom a host is held, since when, until when where that was said, and when it is probed next."""

    by: str | None
    since_ms: int
    until_ms: int | None = None
    next_probe_ms: int | None = None


class TargetView(Struct, frozen=True):
    """A host as it is now. Numbers are of the last minutes; `limit` is how many calls it may run, None any number."""

    host: str
    in_flight: int
    limit: int | None
    rate: float
    error_share: float | None
    durations: Sequence[int]
    held: Held | None


class _Recent:
    """Counts of the running window and of the one before."""

    __slots__ = ("before", "began_s", "durations", "errors", "n", "window_s")

    def __init__(self, now_s: float) -> None:
        self.began_s = now_s  # of the window before, where there is one
        self.window_s = now_s
        self.n = 0
        self.errors = 0
        self.durations = Histogram()
        self.before: tuple[int, int, Sequence[int]] = (0, 0, ())

    def roll(self, now_s: float) -> None:
        """Let a new window begin where the running one is over."""
        if now_s - self.window_s < WINDOW_S:
            return
        lately = now_s - self.window_s < 2 * WINDOW_S
        self.before = (self.n, self.errors, self.durations.counts) if lately else (0, 0, ())
        self.began_s, self.window_s = self.window_s if lately else now_s - WINDOW_S, now_s
        self.n = self.errors = 0
        self.durations = Histogram()


class _Target:
    __slots__ = (
        "hand",
        "held_s",
        "holds",
        "host",
        "in_a_row",
        "in_flight",
        "last_s",
        "limit",
        "phase",
        "probe_s",
        "recent",
        "since_s",
        "timer",
    )

    def __init__(self, host: str, now_s: float) -> None:
        self.host = host
        self.in_flight = 0
        self.phase = Phase.OPEN
        self.since_s = now_s  # of the last turn of phase that makes older calls say nothing
        self.limit: int | None = None  # by its phase
        self.in_a_row = 0  # unreached calls
        self.holds = 0  # in a row, without a whole ramp between them
        self.held_s = 0.0  # when it was held, and when it is probed
        self.probe_s = 0.0
        self.timer: Timer | None = None
        self.hand: Pause | None = None
        self.last_s = now_s
        self.recent = _Recent(now_s)

    @property
    def effective_limit(self) -> int | None:
        """How many calls it may run."""
        return 0 if self.hand is not None else self.limit


class Targets:
    """All hosts that were called lately or are held. Hears of every call's begin and end, and sets limits of hosts."""

    def __init__(
        self,
        limit_host: Callable[[str, int | None], None],
        *,
        slots: int,
        later: Callable[[float, Callable[[str], None], str], Timer],
        now_s: Callable[[], float] = monotonic,
        random_share: Callable[[], float] = random.random,
    ) -> None:
        self._limit_host = limit_host
        self._slots = slots
        self._later = later
        self._now_s = now_s
        self._random_share = random_share
        self._targets: dict[str, _Target] = {}
        self._held: set[str] = set()
        self.held_total = 0  # how often a host was held, by hand or by itself

    @property
    def held(self) -> int:
        """How many hosts are held or probed."""
        return len(self._held)

    def close(self) -> None:
        """Call off what was to happen later."""
        for target in self._targets.values():
            if target.timer is not None:
                target.timer.cancel()

    # -- what the dispatcher tells

    def began(self, host: str) -> None:
        """A call begins."""
        target = self._targets.get(host)
        if target is None:
            target = self._add(host)
        target.in_flight += 1

    def ended(self, host: str, outcome: str, duration_s: float, *, good: bool, retry_after_s: float | None) -> None:
        """A call has ended; `good` tells whether it did not fail, `retry_after_s` what an unreached target asks for."""
        target = self._targets[host]
        target.in_flight -= 1
        if outcome in SAYS_NOTHING:
            return
        now_s = target.last_s = self._now_s()
        recent = target.recent
        if now_s - recent.window_s >= WINDOW_S:
            recent.roll(now_s)
        recent.n += 1
        missed = outcome in NOT_REACHED
        if not good:
            recent.errors += 1
        if not missed:
            recent.durations.observe(duration_s)
        if now_s - duration_s < target.since_s:
            return
        if missed:
            self._missed(target, outcome, now_s, retry_after_s)
        elif target.phase is Phase.PROBING:
            self._ramp(target, now_s)
        else:
            target.in_a_row = 0

    def hold(self, host: str, pause: Pause | None) -> None:
        """A host is held by hand, or released: what was held back by itself is then probed at once."""
        target = self._targets.get(host)
        if target is None:
            if pause is None:
                return
            target = self._add(host)
        if pause is not None and target.hand is None:
            self.held_total += 1
        target.hand = pause
        if pause is None and target.phase is Phase.HELD:
            self._probe(target)
        self._apply(target)

    # -- what others read

    def view(self, host: str, now_ms: int) -> TargetView:
        """Return a host as it is; one that was not called lately is open."""
        return self._view(self._targets.get(host) or _Target(host, self._now_s()), now_ms)

    def views(self, now_ms: int, limit: int) -> list[TargetView]:
        """Return at most `limit` hosts: those that are held, and then those that were called last."""
        targets = sorted(self._targets.values(), key=lambda t: (t.host not in self._held, -t.in_flight, -t.last_s))
        return [self._view(target, now_ms) for target in targets[:limit]]

    def __len__(self) -> int:
        return len(self._targets)

    def calls(self) -> dict[str, int]:
        """Return how many calls run, of every host that has some."""
        return {target.host: target.in_flight for target in self._targets.values() if target.in_flight}

    def _view(self, target: _Target, now_ms: int) -> TargetView:
        now_s = self._now_s()
        recent = target.recent
        recent.roll(now_s)
        n_before, errors_before, counts_before = recent.before
        n = recent.n + n_before
        counts = recent.durations.counts
        if counts_before:
            counts = [a + b for a, b in zip(counts, counts_before, strict=True)]
        return TargetView(
            host=target.host,
            in_flight=target.in_flight,
            limit=target.effective_limit,
            rate=n / max(now_s - recent.began_s, 1.0),
            error_share=(recent.errors + errors_before) / n if n else None,
            durations=list(counts),
            held=_held(target, now_ms, now_s),
        )

    # -- phases

    def _missed(self, target: _Target, outcome: str, now_s: float, retry_after_s: float | None) -> None:
        target.in_a_row += 1
        if target.phase is not Phase.PROBING:
            if target.in_a_row < UNREACHED_MAX:
                return
            self.held_total += 1
            target.held_s = now_s
            log.warning("target held", host=target.host, outcome=outcome, calls=UNREACHED_MAX)
        target.holds += 1
        target.in_a_row = 0
        least_s, most_s = RETRY_AFTER_S
        if retry_after_s is not None:
            delay_s = min(max(retry_after_s, least_s), most_s)
        else:
            delay_s = backoff_delay_s(PROBE_BACKOFF, target.holds, self._random_share())
        target.probe_s = now_s + delay_s
        self._enter(target, Phase.HELD, 0, now_s, delay_s)

    def _probe(self, target: _Target) -> None:
        target.probe_s = self._now_s()
        self._enter(target, Phase.PROBING, 1, target.probe_s, None)

    def _ramp(self, target: _Target, now_s: float) -> None:
        target.in_a_row = 0
        log.warning("target back", host=target.host, seconds=round(now_s - target.held_s, 3))
        self._enter(target, Phase.RAMPING, RAMP_START, now_s, RAMP_STEP_S)

    def _turn(self, host: str) -> None:
        """The time of a phase is over."""
        target = self._targets[host]
        if target.phase is Phase.HELD:
            self._probe(target)
            return
        wider = 2 * (target.limit or RAMP_START)
        if wider < self._slots:
            self._enter(target, Phase.RAMPING, wider, target.since_s, RAMP_STEP_S)
        else:
            target.holds = 0
            self._enter(target, Phase.OPEN, None, target.since_s, None)

    def _enter(self, target: _Target, phase: Phase, limit: int | None, since_s: float, for_s: float | None) -> None:
        if target.timer is not None:
            target.timer.cancel()
        target.phase, target.limit, target.since_s = phase, limit, since_s
        target.timer = self._later(for_s, self._turn, target.host) if for_s is not None else None
        self._apply(target)

    def _apply(self, target: _Target) -> None:
        if target.hand is not None or target.phase in (Phase.HELD, Phase.PROBING):
            self._held.add(target.host)
        else:
            self._held.discard(target.host)
        self._limit_host(target.host, target.effective_limit)

    # -- memory

    def _add(self, host: str) -> _Target:
        if len(self._targets) >= HOSTS_MAX:
            self._forget()
        target = self._targets[host] = _Target(host, self._now_s())
        return target

    def _forget(self) -> None:
        """Make room for a tenth more: of what does not run and nobody holds, first what is open, then the oldest."""
        idle = [target for target in self._targets.values() if not target.in_flight and target.hand is None]
        idle.sort(key=lambda target: (target.limit is not None, target.last_s))
        for target in idle[: HOSTS_MAX // 10]:
            if target.limit is not None:
                self._enter(target, Phase.OPEN, None, target.since_s, None)
            del self._targets[target.host]


def _held(target: _Target, now_ms: int, now_s: float) -> Held | None:
    if target.hand is not None:
        return Held(target.hand.by, target.hand.since_ms, until_ms=target.hand.until_ms)
    if target.phase not in (Phase.HELD, Phase.PROBING):
        return None
    since_ms, probe_ms = (now_ms + round((at_s - now_s) * 1000) for at_s in (target.held_s, target.probe_s))
    return Held(BY_ITSELF, since_ms, next_probe_ms=probe_ms)
