"""Numbers as Prometheus reads them, and those of HTTP coming in, which every daemon has."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TypeVar

from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRoute
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.utils import floatToGoString

from .histogram import Histogram

Collect = Callable[[], Iterable[Metric]]
Labels = tuple[str, ...]
_Of = TypeVar("_Of", bound=Labels)

_PREFIX = "taskpusher_"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"  # whatever a client made up


def counter(name: str, text: str, values: Mapping[_Of, float], labels: Labels = ()) -> Metric:
    """Return a counter, whose name is told with _total behind it; `values` are by the values of its labels."""
    family = CounterMetricFamily(_PREFIX + name, text, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def gauge(name: str, text: str, values: Mapping[_Of, float], labels: Labels = ()) -> Metric:
    """Return a gauge."""
    family = GaugeMetricFamily(_PREFIX + name, text, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def histogram(name: str, text: str, values: Mapping[_Of, Histogram], labels: Labels = ()) -> Metric:
    """Return a histogram."""
    family = HistogramMetricFamily(_PREFIX + name, text, labels=labels)
    for of, value in values.items():
        ends = [*map(floatToGoString, value.bounds), "+Inf"]
        family.add_metric(of, list(zip(ends, accumulate(value.counts), strict=True)), value.total)
    return family


class Exposition:
    """The answer to a scrape: counts are read when it comes, so that counting costs next to nothing."""

    def __init__(self, *sources: Collect) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        for source in sources:
            self._registry.register(_Source(source))

    def render(self) -> tuple[bytes, str]:
        """Return the body and its content type. Always the text format: OpenMetrics says no more and costs twice."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


class _Source:
    def __init__(self, collect: Collect) -> None:
        self.collect = collect


class _Seen:
    """What was answered on one route by one method."""

    __slots__ = ("durations", "statuses")

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.durations = Histogram()


class HttpTally:
    """Counts the requests that a daemon has answered."""

    def __init__(self) -> None:
        self._by_route: dict[AbstractRoute, _Seen] = {}
        self._by_labels: dict[Labels, _Seen] = {}  # method and route

    def observe(self, request: web.Request, status: int, seconds: float) -> None:
        """Count an answer."""
        match_info = request._match_info  # noqa: SLF001 - the public one fails where no route was looked for
        seen = self._by_route.get(match_info.route) if match_info is not None else None
        if seen is None:
            seen = self._first(request.method, match_info.route if match_info is not None else None)
        seen.statuses[status] += 1
        seen.durations.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        seen = self._by_labels.items()
        yield counter(
            "http_requests",
            "Requests that were answered, by the pattern of their path.",
            {(*labels, str(status)): n for labels, one in seen for status, n in one.statuses.items()},
            ("method", "route", "status"),
        )
        yield histogram(
            "http_request_duration_seconds",
            "From the head of a request to its answer.",
            {labels: one.durations for labels, one in seen},
            ("method", "route"),
        )

    def _first(self, method: str, route: AbstractRoute | None) -> _Seen:
        """Return where a request is counted whose route was not met before, or is none: those are not remembered."""
        resource = route.resource if route is not None and route.method != "*" else None
        labels = (method if method in _METHODS else _OTHER, resource.canonical if resource is not None else _OTHER)
        seen = self._by_labels.setdefault(labels, _Seen())
        if route is not None and resource is not None:
            self._by_route[route] = seen
        return seen
