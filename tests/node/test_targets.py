"""The state machine of a target host: a drawn path step by step, and against a model through any mix of calls."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from structlog.testing import capture_logs

from taskpusher_node import targets
from taskpusher_node.retry import NOT_REACHED, SAYS_NOTHING, Kind
from taskpusher_node.store.base import Pause
from taskpusher_node.targets import Held, Phase, Targets

HOST = "a:1"
NOW_MS = 1_800_000_000_000


class Timer:
    """What the clock calls once, unless it is called off."""

    def __init__(self, at_s: float, n: int, call: Callable[[str], None], host: str) -> None:
        self.at_s, self.n, self.call, self.host, self.done = at_s, n, call, host, False

    def cancel(self) -> None:
        self.done = True


class Clock:
    """A clock that stands still unless it is moved, and calls what is due on its way."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._timers: list[Any] = []
        self._n = itertools.count()

    def later(self, delay_s: float, call: Callable[[str], None], host: str) -> Timer:
        timer = Timer(self.now_s + delay_s, next(self._n), call, host)
        self._timers.append(timer)
        return timer

    def move(self, by_s: float) -> None:
        end_s = self.now_s + by_s
        while due := [timer for timer in self._timers if timer.at_s <= end_s and not timer.done]:
            first = min(due, key=lambda timer: (timer.at_s, timer.n))
            self.now_s, first.done = first.at_s, True
            first.call(first.host)
        self._timers = [timer for timer in self._timers if not timer.done]
        self.now_s = end_s

    @property
    def waiting(self) -> int:
        return sum(not timer.done for timer in self._timers)


class Rig:
    """Targets with the limits they set, no jitter, and 32 slots."""

    def __init__(self, slots: int = 32) -> None:
        self.clock = Clock()
        self.limits: dict[str, int | None] = {}
        self.targets = Targets(
            self.limits.__setitem__,
            slots=slots,
            later=self.clock.later,
            now_s=lambda: self.clock.now_s,
            random_share=lambda: 0.0,
        )

    def call(self, outcome: str = "answered", host: str = HOST, took_s: float = 0.0, **how: Any) -> None:
        self.targets.began(host)
        self.clock.move(took_s)
        self.end(outcome, host, took_s, **how)

    def end(
        self, outcome: str, host: str = HOST, took_s: float = 0.0, *, good: bool = True, after_s: float | None = None
    ) -> None:
        self.targets.ended(host, outcome, took_s, good=good and outcome == "answered", retry_after_s=after_s)

    def hold_back(self, host: str = HOST, **how: Any) -> None:
        for _ in range(3):
            self.call("connect", host, **how)

    @property
    def limit(self) -> int | None:
        return self.limits.get(HOST)

    @property
    def view(self) -> targets.TargetView:
        return self.targets.view(HOST, NOW_MS)


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize("outcome", sorted(NOT_REACHED))
def test_three_unreached_calls_in_a_row_hold_a_host_back(rig, outcome):
    rig.call(outcome)
    rig.call(outcome)
    assert rig.limit is None
    rig.call(outcome)
    assert (rig.limit, rig.targets.held, rig.targets.held_total) == (0, 1, 1)


def test_the_log_says_when_a_host_is_held_and_when_it_is_back(rig):
    with capture_logs() as lines:
        rig.hold_back()
        rig.clock.move(1.0)
        rig.call("connect")  # a probe that is unreached too says nothing new
        rig.clock.move(60.0)
        rig.call()
    assert [(line["event"], line["host"]) for line in lines] == [("target held", HOST), ("target back", HOST)]


@pytest.mark.parametrize("outcome", sorted(set(Kind) - NOT_REACHED - SAYS_NOTHING))
def test_a_call_that_reached_its_target_begins_the_row_anew(rig, outcome):
    for _ in range(5):
        rig.call("connect")
        rig.call("connect")
        rig.call(outcome)
    assert rig.limit is None


@pytest.mark.parametrize("outcome", sorted(SAYS_NOTHING))
def test_what_says_nothing_of_the_target_neither_holds_nor_releases_it(rig, outcome):
    for _ in range(5):
        rig.call(outcome)
    assert rig.limit is None
    rig.call("connect")
    rig.call("connect")
    rig.call(outcome)
    rig.call("connect")
    assert rig.limit == 0
    rig.clock.move(1)
    rig.call(outcome)
    assert rig.limit == 1


def test_a_held_host_is_probed_by_one_call_and_held_twice_as_long_up_to_a_minute(rig):
    rig.hold_back()
    for delay_s in (1, 2, 4, 8, 16, 32, 60, 60):
        assert rig.view.held == Held("unreached", rig.view.held.since_ms, next_probe_ms=NOW_MS + delay_s * 1_000)
        rig.clock.move(delay_s - 0.01)
        assert rig.limit == 0
        rig.clock.move(0.01)
        assert rig.limit == 1
        rig.call("connect")
    assert rig.targets.held_total == 1


def test_the_first_call_that_arrives_begins_a_ramp(rig):
    rig.hold_back()
    rig.clock.move(1)
    rig.call("answered", good=False)
    limits = [rig.limit]
    for _ in range(3):
        rig.clock.move(10)
        limits.append(rig.limit)
    assert limits == [4, 8, 16, None]
    assert (rig.view.held, rig.targets.held, rig.clock.waiting) == (None, 0, 0)


def test_a_host_that_goes_down_again_in_its_ramp_is_held_longer_and_after_a_whole_ramp_as_at_first(rig):
    rig.hold_back()
    rig.clock.move(1)
    rig.call()
    rig.hold_back()
    rig.clock.move(1.9)
    assert rig.limit == 0
    rig.clock.move(0.1)
    rig.call()
    rig.clock.move(30)
    assert rig.limit is None
    rig.hold_back()
    rig.clock.move(1)
    assert rig.limit == 1


def test_calls_that_began_before_a_hold_say_nothing_of_the_time_after(rig):
    for _ in range(5):
        rig.targets.began(HOST)
    rig.clock.move(5)
    rig.hold_back()
    rig.clock.move(0.5)
    rig.end("answered", took_s=5.5)
    assert rig.limit == 0
    rig.clock.move(0.5)
    assert rig.limit == 1
    rig.end("answered", took_s=6)
    rig.end("connect", took_s=6)
    assert rig.limit == 1
    rig.call("connect")
    assert rig.limit == 0
    assert rig.view.held.next_probe_ms == NOW_MS + 2_000


@pytest.mark.parametrize(("asked_s", "waits_s"), [(0, 1), (7, 7), (86_400, 600)])
def test_retry_after_wins_within_bounds(rig, asked_s, waits_s):
    rig.hold_back(after_s=asked_s)
    rig.clock.move(waits_s - 0.01)
    assert rig.limit == 0
    rig.clock.move(0.01)
    assert rig.limit == 1


def test_a_probe_is_sooner_by_a_random_share(rig):
    rig.targets._random_share = lambda: 0.999
    rig.hold_back()
    rig.clock.move(0.51)
    assert rig.limit == 1


def test_a_hold_by_hand_lies_over_all_and_leaves_what_was_below(rig):
    rig.targets.hold(HOST, Pause("ada", NOW_MS, NOW_MS + 5))
    assert (rig.limit, rig.view.held) == (0, Held("ada", NOW_MS, until_ms=NOW_MS + 5))
    rig.clock.move(100)
    assert rig.limit == 0
    rig.targets.hold(HOST, None)
    assert (rig.limit, rig.view.held, rig.targets.held_total) == (None, None, 1)


def test_a_release_by_hand_probes_at_once_what_was_held_by_itself(rig):
    rig.hold_back()
    rig.targets.hold(HOST, None)
    assert rig.limit == 1
    rig.call()
    assert rig.limit == 4


def test_a_hold_by_hand_outlasts_the_time_of_a_probe(rig):
    rig.hold_back()
    rig.targets.hold(HOST, Pause(None, NOW_MS))
    rig.clock.move(10)
    assert rig.limit == 0
    rig.targets.hold(HOST, None)
    assert rig.limit == 1


def test_a_release_of_what_is_not_known_is_nothing(rig):
    rig.targets.hold("never:1", None)
    assert (len(rig.targets), rig.limits) == (0, {})


def test_numbers_are_of_the_last_minutes(rig):
    for _ in range(30):
        rig.call(took_s=1)
    rig.call(took_s=1, good=False)
    rig.call("connect", took_s=0)
    view = rig.view
    assert (view.in_flight, sum(view.durations), view.error_share) == (0, 31, 2 / 32)
    assert view.rate == pytest.approx(32 / 31)
    rig.clock.move(targets.WINDOW_S)
    assert rig.view.error_share == 2 / 32
    rig.call()
    assert rig.view.error_share == 2 / 33
    rig.clock.move(2 * targets.WINDOW_S)
    view = rig.view
    assert (view.rate, view.error_share, sum(view.durations)) == (0, None, 0)


def test_idle_hosts_are_forgotten_oldest_first_and_what_is_held_by_hand_stays(rig, monkeypatch):
    monkeypatch.setattr(targets, "HOSTS_MAX", 100)
    rig.targets.hold("by-hand:1", Pause(None, NOW_MS))
    rig.targets.began("runs:1")
    rig.hold_back("down:1")
    for n in range(1_000):
        rig.clock.move(0.0001)
        rig.call(host=f"{n}:1")
        assert len(rig.targets) <= 100
    known = {view.host for view in rig.targets.views(NOW_MS, 1_000)}
    assert known >= {"by-hand:1", "runs:1", "down:1", "999:1", "950:1"}


def test_what_is_forgotten_while_it_is_held_is_held_no_more(rig, monkeypatch):
    monkeypatch.setattr(targets, "HOSTS_MAX", 10)
    for n in range(100):
        rig.hold_back(f"{n}:1")
    assert len(rig.targets) == rig.targets.held <= 10
    held = {host for host, limit in rig.limits.items() if limit == 0}
    assert held == {view.host for view in rig.targets.views(NOW_MS, 100)}
    assert rig.clock.waiting == len(held)
    rig.targets.close()
    assert rig.clock.waiting == 0


def test_the_held_come_first_then_the_busy_then_the_latest(rig):
    for n in range(5):
        rig.call(host=f"{n}:1")
        rig.clock.move(1)
    rig.targets.began("1:1")
    rig.hold_back("2:1")
    assert [view.host for view in rig.targets.views(NOW_MS, 4)] == ["2:1", "1:1", "4:1", "3:1"]
    assert rig.targets.calls() == {"1:1": 1}


HOSTS = st.sampled_from(["a:1", "b:1"])


class TargetsMachine(RuleBasedStateMachine):
    """Calls begin where the limit lets them, and end in any way at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(slots=16)
        self.running: dict[str, list[float]] = {"a:1": [], "b:1": []}
        self.by_hand: set[str] = set()

    @rule(host=HOSTS)
    def begin(self, host: str):
        limit = self.rig.limits.get(host)
        if limit is None or len(self.running[host]) < limit:
            self.rig.targets.began(host)
            self.running[host].append(self.rig.clock.now_s)

    @rule(host=HOSTS, which=st.integers(0, 100), kind=st.sampled_from([*Kind, Kind.CONNECT, Kind.CONNECT]))
    def end(self, host: str, which: int, kind: Kind):
        if not self.running[host]:
            return
        began_s = self.running[host].pop(which % len(self.running[host]))
        before = self.phase(host)
        self.rig.end(kind, host, self.rig.clock.now_s - began_s)
        if kind in SAYS_NOTHING or before is Phase.HELD:
            assert self.phase(host) is before
        elif before is Phase.PROBING:
            assert self.phase(host) in (Phase.HELD if kind in NOT_REACHED else Phase.RAMPING, before)
        else:
            assert self.phase(host) in ((Phase.HELD, before) if kind in NOT_REACHED else (before,))

    @rule(by_s=st.sampled_from([0.1, 1, 5, 30, 100, 300]))
    def move(self, by_s: float):
        self.rig.clock.move(by_s)

    @rule(host=HOSTS, on=st.booleans())
    def hold(self, host: str, on: bool):  # noqa: FBT001
        self.rig.targets.hold(host, Pause(None, NOW_MS) if on else None)
        (self.by_hand.add if on else self.by_hand.discard)(host)

    def phase(self, host: str) -> Phase:
        target = self.rig.targets._targets.get(host)
        return target.phase if target is not None else Phase.OPEN

    @invariant()
    def the_limit_is_that_of_the_phase(self):
        allowed = {Phase.OPEN: {None}, Phase.HELD: {0}, Phase.PROBING: {1}, Phase.RAMPING: {4, 8}}
        for host in self.running:
            limit = self.rig.limits.get(host)
            assert limit in ({0} if host in self.by_hand else allowed[self.phase(host)])
            assert limit == self.rig.targets.view(host, NOW_MS).limit

    @invariant()
    def what_waits_for_time_has_a_timer_and_nothing_else(self):
        timed = sum(self.phase(host) in (Phase.HELD, Phase.RAMPING) for host in self.running)
        assert self.rig.clock.waiting == timed

    @invariant()
    def counts_agree(self):
        calls = {host: len(running) for host, running in self.running.items() if running}
        assert self.rig.targets.calls() == calls
        held = {host for host in self.running if self.phase(host) in (Phase.HELD, Phase.PROBING)}
        assert self.rig.targets.held == len(held | self.by_hand)

    def teardown(self) -> None:
        """Whatever happened, a host that is there and not held by hand opens in the end."""
        for host in self.running:
            self.hold(host, on=False)
            while self.running[host]:
                self.end(host, 0, Kind.ANSWERED)
            for _ in range(3):
                self.move(300)
                self.begin(host)
                if self.running[host]:
                    self.end(host, 0, Kind.ANSWERED)
            assert self.rig.limits.get(host) is None


TestTargetsAgainstTheirDrawing = TargetsMachine.TestCase
TestTargetsAgainstTheirDrawing.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, database=None
)
