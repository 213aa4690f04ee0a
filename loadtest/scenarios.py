"""The scenarios of the bench: how each is run once, for TaskPusher or for a reference, and what is checked of it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from load import Adding, Target, prefill
from processes import Server, free_port, script, start_node, user_s_of_others

WARM_UP_S = 0.7
_END_WITHIN_S = 60.0
_JOBS_PER_S = 20_000  # how much backlog a drain gets for each second; more than it can run

PRODUCT, BEFORE, BARE, LEAN = "taskpusher", "before", "bare", "lean"
_NODES = frozenset({PRODUCT, BEFORE})


class Scenario(NamedTuple):
    """What is asked of the server, and the least share of the bare rate that TaskPusher has to reach."""

    title: str
    mode: str  # as the references take it
    in_flight: int
    floor: float


SCENARIOS = {
    "adds": Scenario("durable adds", "adds", 0, 0.5),
    "drain64": Scenario("drain, 64 in flight", "drain", 64, 0.5),
    "drain4": Scenario("drain, 4 in flight", "drain", 4, 0.3),
    "both": Scenario("adds and runs at once", "both", 64, 0.5),
}


class Setting(NamedTuple):
    """What all runs of one bench share."""

    folder: Path
    target: Target
    seconds: float
    server_core: int
    load_core: int
    backlog: int | None = None
    before: str | None = None  # the `taskpusher` command of another version

    @property
    def drain_jobs(self) -> int:
        """How many jobs wait when a drain begins."""
        return self.backlog or int(_JOBS_PER_S * (WARM_UP_S + self.seconds))


@dataclass(frozen=True)
class Sample:
    """What one run gave."""

    rate: float  # jobs a second
    cpu_us: float  # of the server, a job; of all its processes
    busy: float  # share of its core that the server used
    others: float  # share of the two cores that went to processes that are none of ours
    front_us: float  # as cpu_us, of the one process that clients talk to
    faults: tuple[str, ...] = ()

    def with_faults(self, faults: list[str]) -> "Sample":
        """Return it with more faults."""
        return replace(self, faults=(*self.faults, *faults))


def run_once(scenario: Scenario, variant: str, setting: Setting) -> Sample:
    """Run a scenario against a fresh server and check that what was counted is what happened."""
    with TemporaryDirectory(dir=setting.folder) as folder, _server(scenario, variant, setting, Path(folder)) as server:
        server.wait_ready()
        return run_on(server, scenario, setting, endless=variant not in _NODES)


def run_on(server: Server, scenario: Scenario, setting: Setting, *, endless: bool = False) -> Sample:
    """Run a scenario against a server that is ready; an `endless` one needs no backlog for its drain."""
    before = setting.target.calls()
    if scenario.mode == "drain":
        server.pause()
        if not endless:
            prefill(server, setting.drain_jobs, setting.target.url)
        sample = drain(server, setting, endless=endless)
    else:
        sample = _add(server, scenario, setting)
    return sample.with_faults(called_as_counted(server, setting.target, before))


def drain(server: Server, setting: Setting, *, endless: bool) -> Sample:
    """Let a paused queue run and look at a window inside its drain; it is paused again at the end."""
    server.resume()
    time.sleep(WARM_UP_S)
    sample = window(server, setting, completed)
    dry = not endless and server.states()["waiting"] == 0
    server.pause()
    return sample.with_faults(["the backlog ran out inside the window: raise --backlog"] if dry else [])


def _add(server: Server, scenario: Scenario, setting: Setting) -> Sample:
    """Let wrk add as fast as it can. Where jobs run at once, those that have run are counted."""
    runs = scenario.mode == "both"
    if not runs:
        server.pause()
    seconds = math.ceil(WARM_UP_S + setting.seconds) + 1
    with Adding(server.port, setting.target.url, seconds, setting.load_core, server.connections) as adding:
        time.sleep(WARM_UP_S)
        sample = window(server, setting, completed if runs else added)
        wrk = adding.result()
    server.pause()
    stored = added(server.states())
    faults = [f"wrk: {wrk.errors}"] if wrk.errors is not None else []
    # what was in flight when wrk ended may be stored without an answer that wrk has counted
    if not wrk.requests <= stored <= wrk.requests + server.connections:
        faults.append(f"wrk has {wrk.requests} answers, and {stored} jobs are stored")
    return sample.with_faults(faults)


def window(server: Server, setting: Setting, count: Callable[[dict[str, int]], int]) -> Sample:
    """Count jobs and CPU time between two looks at a server at work."""
    cores = setting.server_core, setting.load_core
    others_s = user_s_of_others(cores)
    jobs, front_s, behind_s, at = count(server.states()), server.cpu_s(), server.behind_cpu_s(), time.perf_counter()
    time.sleep(setting.seconds)
    jobs = count(server.states()) - jobs
    took_s = time.perf_counter() - at
    front_s = server.cpu_s() - front_s
    cpu_s = front_s + server.behind_cpu_s() - behind_s
    if jobs <= 0 or cpu_s <= 0:
        raise RuntimeError(
            "nothing happened inside the window: a backlog ran out (raise --backlog), or it is too short"
        )
    others = max(user_s_of_others(cores) - others_s, 0.0) / took_s / len(cores)
    return Sample(jobs / took_s, cpu_s / jobs * 1e6, cpu_s / took_s, others, front_s / jobs * 1e6)


def completed(states: dict[str, int]) -> int:
    """Return how many jobs have run."""
    return states["completed"]


def added(states: dict[str, int]) -> int:
    """Return how many jobs there are."""
    return sum(states.values())


def called_as_counted(server: Server, target: Target, before: int) -> list[str]:
    """Return what does not fit, of a paused server, between its own count of jobs done and the target's of calls."""
    server.wait_states("running", within_s=_END_WITHIN_S)
    states, calls = server.states(), target.calls() - before
    faults = []
    if states["completed"] != calls:
        faults.append(f"{states['completed']} jobs completed, and the target has answered {calls} calls")
    if states["error"]:
        faults.append(f"{states['error']} jobs ended in error")
    return faults


def _server(scenario: Scenario, variant: str, setting: Setting, folder: Path) -> Server:
    if variant in _NODES:
        command = setting.before if variant == BEFORE else None
        return start_node(folder, concurrency=scenario.in_flight or 64, core=setting.server_core, command=command)
    port = free_port()
    name = "bare.py" if variant == BARE else "lean.py"
    command = script(name, port, setting.target.url, scenario.in_flight, scenario.mode)
    return Server(command, folder / "server.log", port, setting.server_core)
