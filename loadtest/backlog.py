"""A large backlog: what it does to the drain, to memory, and to the start after a SIGKILL."""

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from load import prefill
from processes import Server, start_node
from scenarios import SCENARIOS, Sample, Setting, added, called_as_counted, drain

START_WITHIN_S = 120.0
_CONCURRENCY = SCENARIOS["drain64"].in_flight
_SETTLE_S = 1.0  # so that the engine's own work after a prefill is over when memory is looked at
_AT_WORK_S = 0.2  # the kill comes while calls run


@dataclass(frozen=True)
class Backlog:
    """What one run with a large backlog gave."""

    drain: Sample
    bulk_rate: float  # jobs a second, added in arrays while the queue was paused
    empty_mb: float
    full_mb: float
    drained_mb: float  # after the drain, with the large backlog still there
    waiting_at_kill: int
    start_s: float

    @property
    def memory_mb(self) -> float:
        """How much more memory the node holds than when it was empty, at the worse of two looks."""
        return max(self.full_mb, self.drained_mb) - self.empty_mb


def run_backlog(jobs: int, setting: Setting) -> Backlog:
    """Fill a fresh node with jobs, drain for a while, kill it, and start it again."""
    total = jobs + setting.drain_jobs  # so that `jobs` wait when the drain is over, too
    with TemporaryDirectory(dir=setting.folder) as name:
        folder = Path(name)
        with start_node(folder, concurrency=_CONCURRENCY, core=setting.server_core) as node:
            node.wait_ready()
            before = setting.target.calls()
            node.pause()
            empty_mb = node.rss_mb()
            bulk_rate, full_mb = _fill(node, jobs, setting)
            sample = drain(node, setting, endless=False)
            drained_mb = node.rss_mb()
            faults = called_as_counted(node, setting.target, before)
            waiting = node.states()["waiting"]
            node.resume()
            time.sleep(_AT_WORK_S)
            node.kill()
        start_s, found = _start_again(folder, setting.server_core)
    if found != total:
        faults.append(f"{total} jobs were stored, and {found} are there after the kill")
    return Backlog(sample.with_faults(faults), bulk_rate, empty_mb, full_mb, drained_mb, waiting, start_s)


def _fill(node: Server, jobs: int, setting: Setting) -> tuple[float, float]:
    """Add the backlog, and behind it what the drain will take; returns jobs a second, and memory with the backlog."""
    start = time.perf_counter()
    prefill(node, jobs, setting.target.url)
    bulk_rate = jobs / (time.perf_counter() - start)
    time.sleep(_SETTLE_S)
    full_mb = node.rss_mb()
    prefill(node, setting.drain_jobs, setting.target.url, first=jobs)
    return bulk_rate, full_mb


def _start_again(folder: Path, core: int) -> tuple[float, int]:
    """Start a node on a store that a kill left; returns how long until it was ready, and how many jobs it has."""
    start = time.perf_counter()
    with start_node(folder, concurrency=_CONCURRENCY, core=core) as node:
        node.wait_ready(START_WITHIN_S)
        return time.perf_counter() - start, added(node.states())
