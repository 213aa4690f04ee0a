"""What a node tells Prometheus: every metric in one place, read from plain counters when a scrape comes."""

import platform
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import Metric

from taskpusher import __version__
from taskpusher.exposition import counter, gauge, histogram
from taskpusher.lag import LoopLag
from taskpusher.phase import Phase

from .lifecycle import STATES
from .status import Status
from .store.base import QueueView, Recovery, Store
from .store.tallies import tally_name

_QUEUE = ("queue",)


class HeldBack(Protocol):
    """What is told of the hosts that are held back as a whole."""

    held_total: int

    @property
    def held(self) -> int:
        """How many there are."""


class NodeMetrics:
    """The metrics of a node but for those of HTTP. Each scrape costs the same however many jobs there are."""

    def __init__(
        self,
        store: Store,
        status: Status,
        *,
        slots: Callable[[], tuple[int, int]],
        targets: HeldBack,
        rejected: Mapping[str, int],
        connections: Callable[[], int],
        lag: LoopLag,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._status = status
        self._slots = slots
        self._targets = targets
        self._rejected = rejected
        self._connections = connections
        self._lag = lag
        self._now_ms = now_ms

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        yield from self._info()
        yield from self._queues()
        yield from self._jobs()
        yield from self._attempts()
        yield from self._saturation()
        yield from self._of_store()
        yield from self._life()

    def _info(self) -> Iterator[Metric]:
        versions = (__version__, platform.python_version(), self._store.engine_version)
        yield gauge("build_info", "What runs.", {versions: 1}, ("version", "python", "rocksdb"))
        yield gauge("node_info", "The name of the node's store.", {(self._store.name,): 1}, ("node",))

    def _queues(self) -> Iterator[Metric]:
        """Queues that nobody declared are summed up as one."""
        grouped: dict[str, list[QueueView]] = {name: [] for name in self._store.tallies}
        for view in self._store.queues():
            grouped.setdefault(tally_name(view.name, declared=view.declared), []).append(view)
        now_ms = self._now_ms()
        jobs, oldest, paused = {}, {}, {}
        for name, views in grouped.items():
            for state in STATES:
                jobs[name, state.value] = sum(view.counts[state] for view in views)
            since = [view.oldest_waiting_ms for view in views if view.oldest_waiting_ms is not None]
            oldest[name,] = max(0, now_ms - min(since, default=now_ms)) / 1000
            paused[name,] = int(any(view.pause is not None for view in views))
        yield gauge("jobs", "Jobs that are in the store.", jobs, ("queue", "state"))
        yield gauge("queue_oldest_waiting_seconds", "How long the job waits that does so longest.", oldest, _QUEUE)
        yield gauge("queue_paused", "Whether a queue stands still; of others, whether any does.", paused, _QUEUE)

    def _jobs(self) -> Iterator[Metric]:
        tallies, totals = self._store.tallies, self._store.totals
        added = {(name,): tally.added for name, tally in tallies.items()}
        yield counter("jobs_added", "Jobs that were stored.", added, _QUEUE)
        rejected = {(reason,): n for reason, n in self._rejected.items()}
        yield counter("jobs_rejected", "Jobs that were not stored, by the problem told.", rejected, ("reason",))
        yield counter("jobs_deduplicated", "Adds that another job stands for.", {(): totals.deduplicated})
        finished = {}
        for name, tally in tallies.items():
            finished[name, "completed"] = tally.completed
            finished[name, "error"] = tally.errors
            finished[name, "cancelled"] = tally.cancelled
        yield counter("jobs_finished", "Jobs that ended.", finished, ("queue", "outcome"))
        requeued = {("crash",): totals.requeued, ("stop",): totals.interrupted, ("lease",): totals.leases}
        yield counter("jobs_requeued", "Jobs that lost their call and wait again.", requeued, ("reason",))
        handed_off = {(): self._store.handed_off()}
        yield gauge("jobs_handed_off", "Jobs that run without a call, accepted by their applications.", handed_off)
        yield counter("settles_fenced", "Calls that ended after they had lost their job.", {(): totals.fenced})
        deleted = {
            ("hand",): totals.deleted,
            ("age",): totals.deleted_age,
            ("count",): totals.deleted_count,
            ("disk",): totals.deleted_disk,
        }
        yield counter("jobs_deleted", "Finished jobs that were deleted.", deleted, ("reason",))

    def _attempts(self) -> Iterator[Metric]:
        tallies = self._store.tallies.items()
        attempts = {(name, result): n for name, tally in tallies for result, n in tally.results.items()}
        yield counter("attempts", "Calls that ended.", attempts, ("queue", "result"))
        durations = {(name,): tally.durations for name, tally in tallies}
        yield histogram("attempt_duration_seconds", "From the begin of a call to its end.", durations, _QUEUE)
        waits = {(name,): tally.waits for name, tally in tallies}
        yield histogram("job_wait_seconds", "From when a job was ready to its call.", waits, _QUEUE)
        retries = {(name,): tally.retries for name, tally in tallies}
        yield counter("retries_scheduled", "Calls that are to be made again later.", retries, _QUEUE)

    def _saturation(self) -> Iterator[Metric]:
        busy, limit = self._slots()
        yield gauge("slots_busy", "Calls that run.", {(): busy})
        yield gauge("slots_limit", "Calls that may run at once.", {(): limit})
        held = {("host",): self._targets.held_total, ("ordered",): self._store.totals.held_in_order}
        held |= {(reason,): n for reason, n in self._store.limits_held().items()}
        yield counter("dispatch_held", "How often jobs that were ready were held back.", held, ("reason",))
        yield gauge("targets_held", "Hosts that are held back.", {(): self._targets.held})
        yield gauge(
            "limits", "Limit keys that are pinned, have jobs or a bucket that fills.", {(): self._store.limits_known()}
        )
        yield histogram("event_loop_lag_seconds", "How late the event loop is.", {(): self._lag.seconds})
        yield gauge("http_connections", "Open connections of clients.", {(): self._connections()})

    def _of_store(self) -> Iterator[Metric]:
        store = self._store
        totals, health = store.totals, store.health()
        yield histogram("store_commit_duration_seconds", "How long a flush takes.", {(): store.flush_durations})
        yield histogram("store_commit_jobs", "Jobs whose change one flush made durable.", {(): store.flush_jobs})
        failures = {("write",): totals.write_errors, ("flush",): totals.flush_errors, ("verify",): totals.damaged}
        yield counter("store_errors", "Operations of the store that failed.", failures, ("op",))
        yield counter("store_stalls", "How often the store took no writes for a moment.", {(): totals.stalls})
        yield gauge("store_healthy", "Whether the store can write.", {(): health.healthy})
        sizes = {(kind,): size for kind, size in health.sizes.items()}
        yield gauge("store_size_bytes", "What the store takes on disk.", sizes, ("kind",))
        yield gauge("store_disk_free_bytes", "What is free on the disk of the store.", {(): health.free_bytes})
        recoveries = {(kind.value,): int(store.recovery is kind) for kind in Recovery}
        yield counter("store_recoveries", "How the store was opened.", recoveries, ("kind",))

    def _life(self) -> Iterator[Metric]:
        yield gauge("ready", "Whether the node is ready.", {(): self._status.phase is Phase.READY})
        yield gauge("draining", "Whether the node was drained by hand.", {(): self._status.draining})
