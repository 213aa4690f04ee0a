"""One command that tells how fast TaskPusher is on this machine: rates, CPU a job, and ratios to bare aiohttp.

python loadtest/bench.py [SCENARIO ...] [--rounds N] [--seconds S] [--before COMMAND] [--quick] [--json FILE]
"""

import argparse
import json
import os
import shutil
import signal
import sys
from dataclasses import asdict
from http.client import HTTPException
from pathlib import Path

import report
from backlog import Backlog, run_backlog
from load import find_wrk, target
from processes import SetupError, run_folder, two_cores
from scenarios import BARE, BEFORE, LEAN, PRODUCT, SCENARIOS, Sample, Setting, run_once
from together import KINDS, Waiting, run_together

BACKLOG, TOGETHER = "backlog", "together"
_TOGETHER_SHARE = 10  # of as many jobs as wait in `backlog`, one in so many
FULL = {"rounds": 3, "seconds": 2.5, "jobs": 1_000_000}


class Bench:
    """Runs what was asked for, and keeps what came out."""

    def __init__(self, rounds: int, jobs: int, setting: Setting) -> None:
        self._rounds = rounds
        self._jobs = jobs
        self._setting = setting
        self._variants = (BARE, PRODUCT, *([BEFORE] if setting.before is not None else []), LEAN)
        self.samples: dict[str, object] = {}
        self.figures: list[report.Figure] = []
        self.faults: list[str] = []
        self.disturbed = 0

    def run(self, names: list[str]) -> None:
        """Run scenarios one after the other, and print each when it is done."""
        for name in names:
            try:
                text = self._run_one(name)
            except (RuntimeError, OSError, HTTPException) as error:
                self.faults.append(f"{name} was given up: {error}")
            else:
                print("\n" + text, flush=True)

    def _run_one(self, name: str) -> str:
        if name == BACKLOG:
            return self._run_backlog()
        return self._run_together() if name == TOGETHER else self._run_scenario(name)

    def _run_scenario(self, name: str) -> str:
        scenario = SCENARIOS[name]
        samples: dict[str, list[Sample]] = {variant: [] for variant in self._variants}
        for number in range(self._rounds):
            for variant in self._order(number):
                sample = run_once(scenario, variant, self._setting)
                samples[variant].append(sample)
                self._note(f"{name}, round {number + 1}, {variant}", sample)
        self.samples[name] = {variant: [asdict(sample) for sample in found] for variant, found in samples.items()}
        self.figures += report.scenario_figures(scenario, samples)
        return report.table(f"{name}: {scenario.title}", samples) + "\n" + report.ratios(samples)

    def _run_backlog(self) -> str:
        few: list[Sample] = []
        many: list[Backlog] = []
        for number in range(self._rounds):
            for jobs in (0, self._jobs) if number % 2 == 0 else (self._jobs, 0):
                place = f"{BACKLOG}, round {number + 1}"
                if jobs:
                    many.append(run_backlog(jobs, self._setting))
                    self._note(f"{place}, {jobs:,} waiting", many[-1].drain)
                else:
                    few.append(run_once(SCENARIOS["drain64"], PRODUCT, self._setting))
                    self._note(f"{place}, few waiting", few[-1])
        self.samples[BACKLOG] = {"few": [asdict(sample) for sample in few], "many": [asdict(run) for run in many]}
        self.figures += report.backlog_figures(self._jobs, few, many)
        return report.backlog_table(self._jobs, few, many)

    def _run_together(self) -> str:
        jobs = self._jobs // _TOGETHER_SHARE
        runs: dict[str, list[Waiting]] = {kind: [] for kind in KINDS}
        for number in range(self._rounds):
            for kind in KINDS if number % 2 == 0 else reversed(KINDS):
                runs[kind].append(run_together(kind, jobs, self._setting))
                self._note(f"{TOGETHER}, round {number + 1}, {kind}", runs[kind][-1].drain)
        self.samples[TOGETHER] = {kind: [asdict(run) for run in found] for kind, found in runs.items()}
        self.figures += report.together_figures(jobs, runs)
        return report.together_table(jobs, runs)

    def _order(self, number: int) -> tuple[str, ...]:
        """Turn the order each round, so that a machine that gets slower or faster favours nobody."""
        return self._variants if number % 2 == 0 else self._variants[::-1]

    def _note(self, place: str, sample: Sample) -> None:
        print(f"{place}: {sample.rate:,.0f}/s, {sample.cpu_us:.1f} us", file=sys.stderr)
        self.disturbed += sample.others > report.QUIET
        self.faults += [f"{place}: {fault}" for fault in sample.faults]


def main() -> int:
    """Run the bench and print its result; 1 where a floor or a check failed, 2 where it cannot run."""
    options = _options()
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
        setting = Setting(folder, called, options.seconds, server_core, load_core, options.backlog, options.before)
        bench = Bench(options.rounds, options.jobs, setting)
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


def _options() -> argparse.Namespace:
    names = [*SCENARIOS, BACKLOG, TOGETHER]
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--rounds", type=int, help="how often each is measured (3)")
    parser.add_argument("--seconds", type=float, help="how long each measurement is (2.5)")
    waiting = "how many wait in the scenario `backlog` (1,000,000), and a tenth of it in `together`"
    parser.add_argument("--jobs", type=int, help=waiting)
    parser.add_argument("--backlog", type=int, help="how many wait when any other drain begins (20,000 a second)")
    parser.add_argument("--before", metavar="COMMAND", help="the taskpusher of another version, for its CPU a job")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s, 100,000 jobs: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample and figure there")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(names)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    options.scenarios = options.scenarios or names
    if options.before is not None and shutil.which(options.before) is None:
        parser.error(f"--before: there is no command {options.before}")
    defaults = {"rounds": 1, "seconds": 1.0, "jobs": 100_000} if options.quick else FULL
    for name, default in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    if options.backlog is not None and not 1_000 <= options.backlog <= 10_000_000:
        parser.error("--backlog: 1,000 to 10,000,000")
    if not (1 <= options.rounds <= 100 and 0.2 <= options.seconds <= 60 and 1_000 <= options.jobs <= 10_000_000):
        parser.error("1 to 100 rounds of 0.2 to 60 seconds, with 1,000 to 10,000,000 jobs")
    return options


if __name__ == "__main__":
    sys.exit(main())
