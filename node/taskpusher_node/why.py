"""Why a job does not run now: one sentence for people and the facts for programs. Pure, from views of store and node.

The first reason that holds is told, from what stops everything to what only lets others go first.
"""

from typing import Any

from msgspec import Struct

from taskpusher import codec
from taskpusher.phase import Phase

from .lifecycle import FINISHED, HELD_BY_ORDER, HELD_BY_UNIQUE, State, is_handed_off
from .retry import NOT_REACHED, Kind
from .store.base import Held, JobView, Pause, Place
from .store.limits import ShutGate
from .targets import BY_ITSELF, TargetView

AHEAD_MAX = 1_000  # jobs that are counted


class Slots(Struct, frozen=True):
    """How many calls run and may run, of which hosts, how many free slots are for idle hosts, whether calls begin."""

    busy: int
    limit: int
    reserve: int
    hosts: dict[str, int]
    claiming: bool


class Around(Struct, frozen=True):
    """What stands around a job that waits."""

    phase: Phase
    reason: str | None
    pause: Pause | None
    place: Place
    target: TargetView
    slots: Slots
    others: Held = Held()


class Why(Struct, frozen=True):
    """A sentence, and facts of which `reason` is the name of the case."""

    sentence: str
    facts: dict[str, Any]


def why(job: JobView, around: Around) -> Why:
    """Return why a job does not run now, or what it does instead."""
    if job.head.state is not State.WAITING:
        return _not_waiting(job)
    for look in (
        _node, _in_order, _unique, _paused, _held, _suspect, _host_full, _queue_limit, _key_limit, _in_line, _slots,
    ):  # fmt: skip
        found = look(job, around)
        if found is not None:
            return found
    return _because("next", "it is next: its call is about to begin")


def _because(reason: str, sentence: str, **facts: Any) -> Why:
    return Why(sentence, {"reason": reason, **facts})


def _not_waiting(job: JobView) -> Why:
    head = job.head
    state = head.state.value
    if head.state in FINISHED:
        ended = codec.to_time(head.ended_ms)
        error = head.error
        if error is not None:
            sentence = f"it ended in error at {ended}: {error.message}"
            return _because(state, sentence, ended_at=ended, kind=error.kind)
        return _because(state, f"it was {state} at {ended}", ended_at=ended)
    if head.state is State.RUNNING:
        return _handed_off(job) if is_handed_off(head) else _under_way(job)
    return _scheduled(job)


def _scheduled(job: JobView) -> Why:
    head, state = job.head, job.head.state.value
    due = codec.to_time(head.due_ms)
    facts: dict[str, Any] = {"due_at": due, "tries": head.tries, "unreached": head.unreached}
    if head.last is None:
        return _because(state, f"it is due at {due}", **facts)
    if head.last.outcome in NOT_REACHED:
        calls = f"{head.unreached} of at most {job.spec.unreached_attempts} calls that do not count as tries"
        return _because(state, f"its target was not reached ({calls}); the next call is due at {due}", **facts)
    if head.last.outcome == Kind.SNOOZED:
        facts |= {"snoozes": head.snoozes, "snoozed": head.snoozed_s}
        return _because(state, f"its application asked to be called again at {due}", **facts)
    tries = f"{head.tries} of {job.spec.max_attempts} tries are used up"
    return _because(state, f"it is retried: {tries}, the next call is due at {due}", **facts)


def _under_way(job: JobView) -> Why:
    head = job.head
    started = codec.to_time(head.started_ms)
    sentence = f"it runs: call {head.attempt} began at {started}"
    return _because(head.state.value, sentence, started_at=started, call=head.attempt)


def _handed_off(job: JobView) -> Why:
    head, progress = job.head, job.progress
    started, lease = codec.to_time(head.started_ms), codec.to_time(head.lease_ms)
    facts: dict[str, Any] = {"started_at": started, "call": head.attempt, "lease_until": lease}
    sentence = f"its application has accepted it: call {head.attempt} began at {started}, its lease ends at {lease}"
    if progress is not None:
        facts["progress"] = {"percent": progress.percent, "note": progress.note, "at": codec.to_time(progress.at_ms)}
        percent = f"{progress.percent:g} %" if progress.percent is not None else None
        sentence += f"; it has come so far: {': '.join(filter(None, (percent, progress.note)))}"
    return _because("handed-off", sentence, **facts)


def call_is_over(job: JobView, call: int) -> str:
    """Return what has become of a job, for an application that speaks of a call which has ended."""
    last = job.head.last
    ended = ""
    if last is not None and last.n == call:
        ended = f" as {last.outcome}" + (f" ({last.error})" if last.error is not None else "")
    waits = job.head.state is State.WAITING
    return f"call {call} has ended{ended}; {'the job waits' if waits else _not_waiting(job).sentence}"


def _node(_: JobView, around: Around) -> Why | None:
    parked = around.phase is Phase.STOPPING and around.place.parked
    if not parked and around.slots.claiming and around.phase not in (Phase.STALLED, Phase.FAILED):
        return None
    return _because(around.phase.value, f"the node begins no call of it: {around.reason or 'it is stopping'}")


def _in_order(job: JobView, around: Around) -> Why | None:
    if not job.head.held & HELD_BY_ORDER:
        return None
    others = around.others
    more = others.ahead > AHEAD_MAX
    ahead = min(others.ahead, AHEAD_MAX)
    jobs = f"more than {ahead:,} jobs go" if more else "1 job goes" if ahead == 1 else f"{ahead} jobs go"
    sentence = f"jobs of its key run one at a time, in order: {jobs} before it, first {others.first}{_open(others)}"
    return _because("order", sentence, first=others.first, ahead=ahead, more=more, closing=others.closing)


def _unique(job: JobView, around: Around) -> Why | None:
    if not job.head.held & HELD_BY_UNIQUE:
        return None
    others = around.others
    sentence = f"it follows {others.unique}, which has its unique text{_open(others) or ' and has not ended'}"
    return _because("unique", sentence, uid=others.unique, closing=others.closing)


def _open(others: Held) -> str:
    return ", which was cancelled and whose call is not closed yet" if others.closing else ""


def _paused(job: JobView, around: Around) -> Why | None:
    pause = around.pause
    if pause is None:
        return None
    facts = {"queue": job.spec.queue, "by": pause.by, **_times(pause.since_ms, pause.until_ms)}
    return _because("paused", f"its queue {job.spec.queue} is paused{_by(pause.by)}{_span(facts)}", **facts)


def _held(_: JobView, around: Around) -> Why | None:
    target = around.target
    held = target.held
    # a host that is probed runs one call, and this job's may be the one
    if held is None or target.limit != 0:
        return None
    facts = {"host": target.host, "by": held.by, **_times(held.since_ms, held.until_ms)}
    facts["next_probe"] = codec.to_time(held.next_probe_ms)
    if held.by == BY_ITSELF and held.next_probe_ms is not None:
        told = "calls in a row did not reach it"
        sentence = f"its host {target.host} is held back, for {told}; one call probes it at {facts['next_probe']}"
    else:
        sentence = f"its host {target.host} is held{_by(held.by)}{_span(facts)}"
    return _because("held", sentence, **facts)


def _suspect(job: JobView, around: Around) -> Why | None:
    crashes = job.head.crashes
    if not crashes or not around.place.suspect_runs:
        return None
    times = "once" if crashes == 1 else f"{crashes} times"
    sentence = f"it was running when the node crashed, {times}: such jobs run one at a time, and another one runs"
    return _because("suspect", sentence, crashes=crashes)


def _host_full(_: JobView, around: Around) -> Why | None:
    target = around.target
    if target.limit is None or target.in_flight < target.limit:
        return None
    calls = "1 call" if target.limit == 1 else f"{target.limit} calls"
    sentence = f"its host {target.host}, which was held back, may run {calls} at once for now, and does"
    return _because("host-limit", sentence, host=target.host, limit=target.limit, in_flight=target.in_flight)


def _queue_limit(job: JobView, around: Around) -> Why | None:
    return _limit(around.place.queue, f"its queue {job.spec.queue}", queue=job.spec.queue)


def _key_limit(_: JobView, around: Around) -> Why | None:
    gate = around.place.limit
    return _limit(gate, f"its limit {gate.key}", limit=gate.key) if gate is not None else None


def _limit(gate: ShutGate | None, name: str, **of: str | None) -> Why | None:
    """Tell of which a gate that is shut is short: of places, or of tokens."""
    if gate is None:
        return None
    facts: dict[str, Any] = {**of, "running": gate.running, "concurrency": gate.concurrency, "held_by": gate.held_by}
    facts |= {"rate": gate.rate, "per": gate.per, "next_at": codec.to_time(gate.next_token_ms)}
    if gate.concurrency is not None and gate.running >= gate.concurrency:
        holders = f", the first {', '.join(gate.held_by)}" if gate.held_by else ""
        sentence = f"{name} runs {gate.running} of {gate.concurrency} calls{holders}"
        return _because("limit", sentence, **facts)
    sentence = f"{name} begins {gate.rate:g} calls in {gate.per:g} s, and the next at {facts['next_at']}"
    return _because("rate", sentence, **facts)


def _in_line(job: JobView, around: Around) -> Why | None:
    ahead, target = around.place.ahead, around.target
    if not ahead:
        return None
    more = ahead > AHEAD_MAX
    jobs = f"more than {AHEAD_MAX:,} jobs are" if more else "1 job is" if ahead == 1 else f"{ahead} jobs are"
    rate = f"; its calls end at {target.rate:.3g} a second" if target.rate else ""
    sentence = f"{jobs} ahead of it in queue {job.spec.queue} for host {target.host}{rate}"
    counted = min(ahead, AHEAD_MAX)
    return _because("line", sentence, ahead=counted, more=more, host=target.host, rate=round(target.rate, 3))


def _slots(_: JobView, around: Around) -> Why | None:
    slots, target = around.slots, around.target
    free = slots.limit - slots.busy
    facts = {"busy": slots.busy, "limit": slots.limit, "hosts": slots.hosts}
    if free <= 0:
        hosts = ", ".join(f"{host} ({n})" for host, n in list(slots.hosts.items())[:3])
        return _because("slots", f"all {slots.limit} slots are busy, most with calls of {hosts}", **facts)
    if free <= slots.reserve and target.in_flight:
        kept = "slot is" if slots.reserve == 1 else f"{slots.reserve} slots are"
        sentence = f"the last {kept} kept for hosts with no call running, and {target.host} has {target.in_flight}"
        return _because("reserve", sentence, **facts, reserve=slots.reserve, host=target.host)
    return None


def _times(since_ms: int, until_ms: int | None) -> dict[str, str | None]:
    return {"since": codec.to_time(since_ms), "until": codec.to_time(until_ms)}


def _by(who: str | None) -> str:
    return f" by {who}" if who is not None else ""


def _span(facts: dict[str, Any]) -> str:
    end = f"until {facts['until']}" if facts["until"] is not None else "until somebody lets it go on"
    return f" since {facts['since']}, {end}"
