"""What the commands of the bench have in common: how they are told what to do, where they run, what they print."""

import argparse
import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path

import report
from load import find_wrk, target
from processes import SetupError, run_folder, two_cores
from scenarios import Sample, Setting


class Bench(ABC):
    """Runs what was asked for, and keeps what came out."""

    def __init__(self, rounds: int, setting: Setting) -> None:
        self.rounds = rounds
        self.setting = setting
        self.samples: dict[str, object] = {}
        self.figures: list[report.Figure] = []
        self.faults: list[str] = []
        self.disturbed = 0

    @abstractmethod
    def run_one(self, name: str) -> str:
        """Run a scenario and return what to print of it."""

    def run(self, names: Sequence[str]) -> None:
        """Run scenarios one after the other, and print each when it is done."""
        for name in names:
            try:
                text = self.run_one(name)
            except (RuntimeError, OSError, HTTPException) as error:
                self.faults.append(f"{name} was given up: {error}")
            else:
                print("\n" + text, flush=True)

    def note(self, place: str, sample: Sample) -> None:
        """Tell of a sample, and keep what is amiss with it."""
        alone = f", {sample.front_us:.1f} us of it in front" if sample.front_us != sample.cpu_us else ""
        self.tell(place, f"{sample.rate:,.0f}/s, {sample.cpu_us:.1f} us{alone}", sample.others, sample.faults)

    def tell(self, place: str, said: str, others: float, faults: Sequence[str]) -> None:
        """Tell of a measurement, and keep what is amiss with it."""
        print(f"{place}: {said}", file=sys.stderr)
        self.disturbed += others > report.QUIET
        self.faults += [f"{place}: {fault}" for fault in faults]


def turned(variants: Sequence[str], number: int) -> Sequence[str]:
    """Turn the order each round, so that a machine that gets slower or faster favours nobody."""
    return variants if number % 2 == 0 else variants[::-1]


def run_bench(options: argparse.Namespace, bench_on: Callable[[Setting], Bench]) -> int:
    """Run the bench and print its result; 1 where a floor or a check failed, 2 where it cannot run."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    try:
        server_core, load_core = two_cores()
        find_wrk()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {load_core})
    machine = report.machine()
    print("\n".join(f"{name:12} {value}" for name, value in machine.items()))
    print(f"{options.rounds} rounds of {options.seconds:g} s; medians (lowest-highest); server on core {server_core}")
    with run_folder() as folder, target(folder, load_core) as called:
        bench = bench_on(Setting(folder, called, options.seconds, server_core, load_core))
        bench.run(options.scenarios)
    print("\n" + "\n".join(figure.line() for figure in bench.figures))
    print("\n".join(f"CHECK FAILED {fault}" for fault in bench.faults) or "all checks hold")
    if bench.disturbed:
        print(
            f"DISTURBED {bench.disturbed} measurements: other processes took over {report.QUIET:.0%} of the two cores"
        )
    if options.json is not None:
        figures = [figure.as_json() for figure in bench.figures]
        result = {"machine": machine, "rounds": options.rounds, "seconds": options.seconds, "figures": figures}
        options.json.write_text(
            json.dumps(
                {**result, "faults": bench.faults, "disturbed": bench.disturbed, "samples": bench.samples}, indent=1
            )
        )
    return 1 if bench.faults or not all(figure.passed for figure in bench.figures) else 0


def parser_of(prog: str, text: str, names: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser of what all of them take."""
    parser = argparse.ArgumentParser(prog=prog, description=text.split("\n", maxsplit=1)[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--rounds", type=int, help="how often each is measured (3)")
    parser.add_argument("--seconds", type=float, help="how long each measurement is (2.5)")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s, few jobs: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample and figure there")
    return parser


def parse(parser: argparse.ArgumentParser, names: Sequence[str], jobs: int, quick_jobs: int) -> argparse.Namespace:
    """Return what was asked for, with what holds if nothing was; ends with a message where it cannot be."""
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(names)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    options.scenarios = options.scenarios or names
    full = {"rounds": 3, "seconds": 2.5, "jobs": jobs}
    defaults = {"rounds": 1, "seconds": 1.0, "jobs": quick_jobs} if options.quick else full
    for name, default in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    if not (1 <= options.rounds <= 100 and 0.2 <= options.seconds <= 60 and 1_000 <= options.jobs <= 10_000_000):
        parser.error("1 to 100 rounds of 0.2 to 60 seconds, with 1,000 to 10,000,000 jobs")
    return options
