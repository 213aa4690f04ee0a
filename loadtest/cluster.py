"""One command that tells what a router costs: an add and a run, coalescing, a second node, a page of many nodes.

python loadtest/cluster.py [SCENARIO ...] [--rounds N] [--seconds S] [--jobs N] [--quick] [--json FILE]
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import command
import report
from listing import Pages, filled, walk
from processes import Server, script, start_node
from routed import start_routed
from scenarios import SCENARIOS, Sample, Setting, run_on

RUN, COALESCING, LISTING = "run", "coalescing", "listing"
NAMES = (RUN, COALESCING, LISTING)
LONE, OVER_1, OVER_2 = "a lone node", "router, 1 node", "router, 2 nodes"
COALESCED, ONE_TO_ONE = "coalesced", "one-to-one"
ONE, MERGED = "one node", "merged"

_IN_FLIGHT = SCENARIOS["both"].in_flight  # calls of each node
_LISTED_NODES = 8

Start = Callable[[Path], AbstractContextManager[Server]]
"""Starts what is measured, on stores in a folder, and waits until it is ready."""


class Bench(command.Bench):
    """The scenarios of a router and its nodes."""

    def __init__(self, rounds: int, jobs: int, setting: Setting) -> None:
        super().__init__(rounds, setting)
        self._jobs = jobs

    def run_one(self, name: str) -> str:
        """Run a scenario."""
        if name == LISTING:
            return self._run_listing()
        return self._run_coalescing() if name == COALESCING else self._run_runs()

    def _run_runs(self) -> str:
        found = self._compare(RUN, "both", {LONE: self._node, OVER_1: self._over(1), OVER_2: self._over(2)})
        self.figures += report.run_figures(found[LONE], found[OVER_1], found[OVER_2])
        return report.routed_table("run: adds and runs at once", found)

    def _run_coalescing(self) -> str:
        one_to_one = self._over(1, script("one_to_one.py"))
        found = self._compare(COALESCING, "adds", {COALESCED: self._over(1), ONE_TO_ONE: one_to_one})
        self.figures += report.coalescing_figures(found[COALESCED], found[ONE_TO_ONE])
        return report.routed_table("coalescing: durable adds", found)

    def _compare(self, name: str, mode: str, starts: dict[str, Start]) -> dict[str, list[Sample]]:
        """Run one of the bench's scenarios on several servers, each fresh in every round."""
        found: dict[str, list[Sample]] = {variant: [] for variant in starts}
        for number in range(self.rounds):
            for variant in command.turned(list(starts), number):
                with TemporaryDirectory(dir=self.setting.folder) as folder, starts[variant](Path(folder)) as server:
                    sample = run_on(server, SCENARIOS[mode], self.setting)
                found[variant].append(sample)
                self.note(f"{name}, round {number + 1}, {variant}", sample)
        self.samples[name] = {variant: [asdict(sample) for sample in samples] for variant, samples in found.items()}
        return found

    def _run_listing(self) -> str:
        found: dict[str, list[Pages]] = {ONE: [], MERGED: []}
        with filled(_LISTED_NODES, self._jobs, self.setting) as router:
            servers: dict[str, Server] = {ONE: router.nodes[0], MERGED: router}
            for number in range(self.rounds):
                for variant in command.turned(list(servers), number):
                    pages = walk(servers[variant], self.setting)
                    found[variant].append(pages)
                    said = f"{pages.ms:.2f} ms, {pages.cpu_us:,.0f} us a page"
                    self.tell(f"{LISTING}, round {number + 1}, {variant}", said, pages.others, pages.faults)
        self.samples[LISTING] = {variant: [asdict(pages) for pages in walks] for variant, walks in found.items()}
        self.figures += report.listing_figures(_LISTED_NODES, found[ONE], found[MERGED])
        return report.listing_table(f"listing: {_LISTED_NODES} nodes of {self._jobs:,} jobs", found)

    @contextmanager
    def _node(self, folder: Path) -> Iterator[Server]:
        with start_node(folder, concurrency=_IN_FLIGHT, core=self.setting.server_core) as node:
            node.wait_ready()
            yield node

    def _over(self, nodes: int, router: Sequence[str] = ()) -> Start:
        def start(folder: Path) -> AbstractContextManager[Server]:
            core = self.setting.server_core
            return start_routed(folder, nodes, concurrency=_IN_FLIGHT, core=core, router=router)

        return start


def main() -> int:
    """Run the bench; returns its exit code."""
    parser = command.parser_of("cluster.py", __doc__, NAMES)
    parser.add_argument("--jobs", type=int, help="how many each node has in the scenario `listing` (200,000)")
    options = command.parse(parser, NAMES, jobs=200_000, quick_jobs=2_000)
    return command.run_bench(options, lambda setting: Bench(options.rounds, options.jobs, setting))


if __name__ == "__main__":
    sys.exit(main())
