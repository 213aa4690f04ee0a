"""One command that tells how fast TaskPusher is on this machine: rates, CPU a job, and ratios to bare aiohttp.

python loadtest/bench.py [SCENARIO ...] [--rounds N] [--seconds S] [--before COMMAND] [--quick] [--json FILE]
"""

import argparse
import shutil
import sys
from dataclasses import asdict

import command
import report
from backlog import Backlog, run_backlog
from scenarios import BARE, BEFORE, LEAN, PRODUCT, SCENARIOS, Sample, Setting, run_once
from together import KINDS, Waiting, run_together

BACKLOG, TOGETHER = "backlog", "together"
NAMES = (*SCENARIOS, BACKLOG, TOGETHER)
_TOGETHER_SHARE = 10  # of as many jobs as wait in `backlog`, one in so many


class Bench(command.Bench):
    """The scenarios of one node."""

    def __init__(self, rounds: int, jobs: int, setting: Setting) -> None:
        super().__init__(rounds, setting)
        self._jobs = jobs
        self._variants = (BARE, PRODUCT, *([BEFORE] if setting.before is not None else []), LEAN)

    def run_one(self, name: str) -> str:
        """Run a scenario."""
        if name == BACKLOG:
            return self._run_backlog()
        return self._run_together() if name == TOGETHER else self._run_scenario(name)

    def _run_scenario(self, name: str) -> str:
        scenario = SCENARIOS[name]
        samples: dict[str, list[Sample]] = {variant: [] for variant in self._variants}
        for number in range(self.rounds):
            for variant in command.turned(self._variants, number):
                sample = run_once(scenario, variant, self.setting)
                samples[variant].append(sample)
                self.note(f"{name}, round {number + 1}, {variant}", sample)
        self.samples[name] = {variant: [asdict(sample) for sample in found] for variant, found in samples.items()}
        self.figures += report.scenario_figures(scenario, samples)
        return report.table(f"{name}: {scenario.title}", samples) + "\n" + report.ratios(samples)

    def _run_backlog(self) -> str:
        few: list[Sample] = []
        many: list[Backlog] = []
        for number in range(self.rounds):
            for jobs in (0, self._jobs) if number % 2 == 0 else (self._jobs, 0):
                place = f"{BACKLOG}, round {number + 1}"
                if jobs:
                    many.append(run_backlog(jobs, self.setting))
                    self.note(f"{place}, {jobs:,} waiting", many[-1].drain)
                else:
                    few.append(run_once(SCENARIOS["drain64"], PRODUCT, self.setting))
                    self.note(f"{place}, few waiting", few[-1])
        self.samples[BACKLOG] = {"few": [asdict(sample) for sample in few], "many": [asdict(run) for run in many]}
        self.figures += report.backlog_figures(self._jobs, few, many)
        return report.backlog_table(self._jobs, few, many)

    def _run_together(self) -> str:
        jobs = self._jobs // _TOGETHER_SHARE
        runs: dict[str, list[Waiting]] = {kind: [] for kind in KINDS}
        for number in range(self.rounds):
            for kind in command.turned(list(KINDS), number):
                runs[kind].append(run_together(kind, jobs, self.setting))
                self.note(f"{TOGETHER}, round {number + 1}, {kind}", runs[kind][-1].drain)
        self.samples[TOGETHER] = {kind: [asdict(run) for run in found] for kind, found in runs.items()}
        self.figures += report.together_figures(jobs, runs)
        return report.together_table(jobs, runs)


def main() -> int:
    """Run the bench; returns its exit code."""
    options = _options()

    def bench_on(setting: Setting) -> Bench:
        setting = setting._replace(backlog=options.backlog, before=options.before)
        return Bench(options.rounds, options.jobs, setting)

    return command.run_bench(options, bench_on)


def _options() -> argparse.Namespace:
    parser = command.parser_of("bench.py", __doc__, NAMES)
    waiting = "how many wait in the scenario `backlog` (1,000,000), and a tenth of it in `together`"
    parser.add_argument("--jobs", type=int, help=waiting)
    parser.add_argument("--backlog", type=int, help="how many wait when any other drain begins (20,000 a second)")
    parser.add_argument("--before", metavar="COMMAND", help="the taskpusher of another version, for its CPU a job")
    options = command.parse(parser, NAMES, jobs=1_000_000, quick_jobs=100_000)
    if options.before is not None and shutil.which(options.before) is None:
        parser.error(f"--before: there is no command {options.before}")
    if options.backlog is not None and not 1_000 <= options.backlog <= 10_000_000:
        parser.error("--backlog: 1,000 to 10,000,000")
    return options


if __name__ == "__main__":
    sys.exit(main())
