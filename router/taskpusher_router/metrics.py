"""What a router tells Prometheus: every metric in one place, read from plain counters when a scrape comes."""

import platform
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import Metric

from taskpusher import __version__
from taskpusher.exposition import counter, gauge, histogram
from taskpusher.histogram import Histogram
from taskpusher.lag import LoopLag
from taskpusher.phase import Phase

from .nodes import Nodes
from .placer import Placer
from .status import Status

_NODE = ("node",)


class RouterMetrics:
    """The metrics of a router but for those of HTTP. Names of nodes are labels: they are configuration."""

    def __init__(
        self,
        nodes: Nodes,
        status: Status,
        placer: Placer,
        *,
        coalesced: Histogram,
        rejected: Mapping[str, int],
        partial: Mapping[str, int],
        membership_ok: Callable[[], bool],
        connections: Callable[[], int],
        lag: LoopLag,
    ) -> None:
        self._nodes = nodes
        self._status = status
        self._placer = placer
        self._coalesced = coalesced
        self._rejected = rejected
        self._partial = partial
        self._membership_ok = membership_ok
        self._connections = connections
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield gauge("build_info", "What runs.", {(__version__, platform.python_version()): 1}, ("version", "python"))
        yield gauge("ready", "Whether one of the nodes is ready.", {(): self._status.phase is Phase.READY})
        yield gauge("draining", "Whether the router is drained by hand.", {(): self._status.draining})
        yield from self._of_nodes()
        yield counter(
            "jobs_rejected", "Jobs that were not stored.", {(why,): n for why, n in self._rejected.items()}, ("reason",)
        )
        yield counter(
            "router_retries",
            "Adds that were handed over once more: to the next node, or again after no answer.",
            {(why,): n for why, n in self._placer.retries.items()},
            ("reason",),
        )
        yield counter(
            "router_unknown_outcomes", "Adds that were answered 504: they may be stored.", {(): self._placer.unknown}
        )
        yield histogram("router_coalesced_jobs", "Adds that one call handed to a node.", {(): self._coalesced})
        yield counter(
            "router_partial_responses",
            "Answers that some node is missing in.",
            {(route,): n for route, n in self._partial.items()},
            ("route",),
        )
        yield gauge(
            "router_membership_last_reload_successful",
            "Whether the members could be read when they were read last.",
            {(): self._membership_ok()},
        )
        yield gauge("http_connections", "Open connections of clients.", {(): self._connections()})
        yield histogram("event_loop_lag_seconds", "How late the loop is.", {(): self._lag.seconds})

    def _of_nodes(self) -> Iterator[Metric]:
        nodes = list(self._nodes)
        yield gauge("router_node_up", "Whether calls may go to a node.", {(n.name,): n.usable for n in nodes}, _NODE)
        yield gauge(
            "router_ring_share_ratio",
            "The share of all keys that a node owns.",
            {(name,): share for name, share in self._nodes.shares.items()},
            _NODE,
        )
        yield counter(
            "router_upstream_requests",
            "Calls to a node, by what for and how they ended.",
            {(node.name, *labels): n for node in nodes for labels, n in node.results.items()},
            ("node", "op", "result"),
        )
        yield histogram(
            "router_upstream_duration_seconds",
            "From a call to its answer.",
            {(node.name,): node.durations for node in nodes},
            _NODE,
        )
