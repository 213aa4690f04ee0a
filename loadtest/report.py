"""What comes out of a bench: medians with their ranges, ratios to the references, and which floors they reach."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import NamedTuple

from backlog import Backlog
from listing import Pages
from load import find_nginx, find_wrk
from scenarios import BARE, BEFORE, PRODUCT, Sample, Scenario
from together import Waiting

MORE_CPU = 1.03  # than the version before: what a change may cost
QUIET = 0.05  # where others take more of the two cores, the figures are theirs as well
BUSY = 0.9  # a server that is less busy waits for its load: its rate is the load generator's


class Figure(NamedTuple):
    """A number that has a floor, or a ceiling."""

    name: str
    values: list[float]  # one a round
    bound: float
    unit: str = ""
    at_most: bool = False
    quiet: bool = True  # no measurement of it was disturbed by other processes

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def passed(self) -> bool:
        """Whether it keeps its bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def line(self) -> str:
        """Return it as a line of a table."""
        bound = f"{'at most' if self.at_most else 'at least'} {self.bound:g}"
        verdict = ("PASS" if self.passed else "FAIL") + ("" if self.quiet else ", but disturbed: measure again")
        return f"{self.name:50}{spread(self.values, 2):>24}{self.unit:4}{bound:>14}  {verdict}"

    def as_json(self) -> dict[str, object]:
        """Return it for a file."""
        return {**self._asdict(), "value": self.value, "passed": self.passed}


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return a median and its range."""
    text = f"{median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def table(name: str, samples: dict[str, list[Sample]]) -> str:
    """Return the figures of the variants of one scenario."""
    lines = [f"{name:26}{'jobs/s':>26}{'CPU us/job':>22}{'busy':>7}{'others':>8}"]
    for variant, found in samples.items():
        busy = median(sample.busy for sample in found)
        rates, cpus = [sample.rate for sample in found], [sample.cpu_us for sample in found]
        others = max(sample.others for sample in found)
        note = "" if busy >= BUSY else "  its load is the limit: compare CPU"
        lines.append(f"  {variant:24}{spread(rates):>26}{spread(cpus, 1):>22}{busy:7.2f}{others:8.2f}{note}")
    return "\n".join(lines)


def ratios(samples: dict[str, list[Sample]]) -> str:
    """Return how TaskPusher compares to the references, by rate and by CPU."""
    product, lines = samples[PRODUCT], []
    for reference, found in samples.items():
        if reference == PRODUCT:
            continue
        pairs = list(zip(product, found, strict=True))
        by_rate = spread([a.rate / b.rate for a, b in pairs], 2)
        by_cpu = spread([b.cpu_us / a.cpu_us for a, b in pairs], 2)
        lines.append(f"  {PRODUCT} / {reference}: {by_rate} of the rate; by CPU {by_cpu}")
    return "\n".join(lines)


def scenario_figures(scenario: Scenario, samples: dict[str, list[Sample]]) -> list[Figure]:
    """Return what of a scenario has a floor."""
    shares = [_share(product, bare) for product, bare in zip(samples[PRODUCT], samples[BARE], strict=True)]
    quiet = _quiet(samples[PRODUCT] + samples[BARE])
    figures = [Figure(f"{scenario.title} / bare aiohttp", shares, scenario.floor, quiet=quiet)]
    if BEFORE in samples:
        figures.append(_by_cpu(f"{scenario.title}, CPU / before", samples[PRODUCT], samples[BEFORE], MORE_CPU))
    return figures


def _quiet(samples: list[Sample]) -> bool:
    return all(sample.others <= QUIET for sample in samples)


def _share(product: Sample, bare: Sample) -> float:
    """Return the ratio of rates. A reference that waited for its load would flatter it, so then CPU has a say, too."""
    by_rate, by_cpu = product.rate / bare.rate, bare.cpu_us / product.cpu_us
    return by_rate if bare.busy >= BUSY else min(by_rate, by_cpu)


def backlog_figures(jobs: int, few: list[Sample], many: list[Backlog]) -> list[Figure]:
    """Return what of a large backlog has a floor or a ceiling."""
    name = f"{jobs:,} waiting"
    quiet = _quiet(few + [run.drain for run in many])
    drains = [run.drain.rate / sample.rate for run, sample in zip(many, few, strict=True)]
    return [
        Figure(f"drain with {name} / with few", drains, 0.85, quiet=quiet),
        Figure(
            f"memory with {name}, over empty", [run.memory_mb for run in many], 150, " MB", at_most=True, quiet=quiet
        ),
        Figure(f"start after SIGKILL with {name}", [run.start_s for run in many], 10, " s", at_most=True, quiet=quiet),
    ]


def backlog_table(jobs: int, few: list[Sample], many: list[Backlog]) -> str:
    """Return the figures of runs with a large backlog."""
    name = f"{jobs:,} waiting"
    empty, full, drained = (
        spread([getattr(run, f"{when}_mb") for run in many]) for when in ("empty", "full", "drained")
    )
    waiting = f"{min(run.waiting_at_kill for run in many):,}"
    return "\n".join(
        [
            table("backlog: drain, 64 in flight", {"few waiting": few, name: [run.drain for run in many]}),
            f"  memory: empty {empty} MB, {name} {full} MB, after a drain {drained} MB",
            f"  added in arrays of 1,000: {spread([run.bulk_rate for run in many])} jobs/s",
            f"  start after SIGKILL, at least {waiting} waiting: {spread([run.start_s for run in many], 2)} s",
        ]
    )


def together_figures(jobs: int, runs: dict[str, list[Waiting]]) -> list[Figure]:
    """Return what of jobs that know of each other has a floor or a ceiling."""
    quiet = _quiet([run.drain for found in runs.values() for run in found])
    plain, line, limited = runs.values()
    rates = [one.drain.rate / other.drain.rate for one, other in zip(line, plain, strict=True)]
    memory = [run.memory_mb for run in limited]
    return [
        Figure(f"drain of one ordered line of {jobs:,} / plain", rates, 0.5, quiet=quiet),
        Figure(f"memory with {jobs:,} limit keys, over empty", memory, 100, " MB", at_most=True, quiet=quiet),
    ]


def together_table(jobs: int, runs: dict[str, list[Waiting]]) -> str:
    """Return the figures of runs with jobs that know of each other."""
    name = f"together: {jobs:,}, 1 in flight"
    memory = "; ".join(f"{kind} {spread([run.memory_mb for run in found])} MB" for kind, found in runs.items())
    drains = {kind: [run.drain for run in found] for kind, found in runs.items()}
    return table(name, drains) + f"\n  memory over empty: {memory}"


def run_figures(lone: list[Sample], over_1: list[Sample], over_2: list[Sample]) -> list[Figure]:
    """Return what a router, and a second node behind it, may cost."""
    return [
        _by_cpu("add and run: router and node / lone node, CPU", over_1, lone, 1.5),
        _by_cpu("add and run: over two nodes / over one, CPU", over_2, over_1, 1.15),
    ]


def coalescing_figures(coalesced: list[Sample], one_to_one: list[Sample]) -> list[Figure]:
    """Return what coalescing has to save, of router and node together and of the router alone."""
    quiet = _quiet(coalesced + one_to_one)
    pairs = list(zip(one_to_one, coalesced, strict=True))
    return [
        Figure("adds: one-to-one / coalesced, CPU", [a.cpu_us / b.cpu_us for a, b in pairs], 2.5, quiet=quiet),
        Figure("the same, CPU of the router alone", [a.front_us / b.front_us for a, b in pairs], 2.5, quiet=quiet),
    ]


def routed_table(name: str, samples: dict[str, list[Sample]]) -> str:
    """Return the figures of variants, some of which are several processes."""
    fronts = "; ".join(f"{variant} {spread([s.front_us for s in found], 1)}" for variant, found in samples.items())
    return table(name, samples) + f"\n  CPU us/job of the process that clients talk to: {fronts}"


def listing_figures(nodes: int, one: list[Pages], merged: list[Pages]) -> list[Figure]:
    """Return what a page of many nodes may take."""
    quiet = all(pages.others <= QUIET for pages in one + merged)
    pairs = list(zip(merged, one, strict=True))
    times, cpus = [a.ms / b.ms for a, b in pairs], [a.cpu_us / b.cpu_us for a, b in pairs]
    return [
        Figure(f"a page of {nodes} nodes / of one, time", times, 6, at_most=True, quiet=quiet),
        Figure(f"a page of {nodes} nodes / of one, CPU", cpus, 10, at_most=True, quiet=quiet),
    ]


def listing_table(name: str, walks: dict[str, list[Pages]]) -> str:
    """Return the figures of walks."""
    lines = [f"{name:26}{'ms/page':>26}{'CPU us/page':>22}"]
    for variant, found in walks.items():
        ms, cpu_us = spread([pages.ms for pages in found], 2), spread([pages.cpu_us for pages in found])
        lines.append(f"  {variant:24}{ms:>26}{cpu_us:>22}")
    return "\n".join(lines)


def _by_cpu(name: str, samples: list[Sample], others: list[Sample], bound: float) -> Figure:
    ratios = [a.cpu_us / b.cpu_us for a, b in zip(samples, others, strict=True)]
    return Figure(name, ratios, bound, at_most=True, quiet=_quiet(samples + others))


def machine() -> dict[str, str]:
    """Return what the figures were measured on, and with."""
    return {
        "system": platform.platform(),
        "cpu": f"{os.cpu_count()} x {_cpu_model()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        **{name: _version(name) for name in ("taskpusher", "aiohttp", "uvloop", "rocksdict")},
        "wrk": _first_line([find_wrk(), "-v"]),
        "nginx": _first_line([nginx, "-v"])
        if (nginx := find_nginx()) is not None
        else "missing: lean.py is the target",
    }


def _cpu_model() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found is not None else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).split("\n")[0].removeprefix("nginx version: ").partition(" Copyright")[0]
