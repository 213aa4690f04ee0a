"""Adds up what nodes tell: numbers, queues, targets, errors and limits, each by node in the order of the members. Pure.

Times are compared as the texts that they are: all have one form, in UTC.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from taskpusher.histogram import DURATIONS_S, quantile

TARGETS_MAX = 1_000
LIMITS_MAX = 1_000

_SETTINGS = ("declared", "concurrency", "rate", "per", "scope", "defaults", "version")
_NUMBERS = ("concurrency", "rate", "per", "pinned")

Told = Mapping[str, Any]  # the JSON of one node


def stats(told: Sequence[Told]) -> dict[str, Any]:
    """Return the numbers of all; with the series where they have one."""
    added: dict[str, Any] = {
        "now": max(each["now"] for each in told),
        "states": _sum_by_name(each["states"] for each in told),
        "oldest_waiting": _first(each["oldest_waiting"] for each in told),
        "slots": _sum_by_name(each["slots"] for each in told),
        "rates": _rounded(_sum_by_name(each["rates"] for each in told)),
    }
    if "series" in told[0]:
        added |= {"range": told[0]["range"], "step": told[0]["step"], "series": _series([e["series"] for e in told])}
    return added


def _series(told: Sequence[Told]) -> dict[str, list[Any]]:
    """Return the buckets of all, as many as the longest series has: clocks may be apart by one."""
    buckets: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for series in told:
        for values in zip(*series.values(), strict=True):
            bucket = dict(zip(series, values, strict=True))
            buckets[bucket["t"]].append(bucket)
    newest = sorted(buckets)[-max(len(series["t"]) for series in told) :]
    added: dict[str, list[Any]] = {"t": newest}
    for name in ("added", "completed", "errors"):
        added[name] = [sum(bucket[name] for bucket in buckets[t]) for t in newest]
    added["waiting"] = [_sum_of_known(bucket["waiting"] for bucket in buckets[t]) for t in newest]
    histograms = [_histogram(bucket["duration_hist"] for bucket in buckets[t]) for t in newest]
    added["p95"] = [_quantile(0.95, histogram) for histogram in histograms]
    added["duration_hist"] = histograms
    return added


def queues(told: Iterable[Sequence[Told]]) -> list[dict[str, Any]]:
    """Return every queue of all nodes, by name."""
    return [queue(same) for _, same in sorted(_by("name", told).items())]


def queue(same: Sequence[Told]) -> dict[str, Any]:
    """Return one queue: its jobs are those of all nodes, its settings those of the newest version."""
    newest = max(same, key=itemgetter("version"))
    paused = [each["paused"] for each in (newest, *same) if each["paused"] is not None]
    return {
        "name": newest["name"],
        "paused": paused[0] if paused else None,
        "counts": _sum_by_name(each["counts"] for each in same),
        "oldest_waiting": _first(each["oldest_waiting"] for each in same),
        **{name: newest[name] for name in _SETTINGS},
    }


def targets(told: Iterable[Sequence[Told]]) -> list[dict[str, Any]]:
    """Return the hosts of all nodes: those that are held, that have calls running, that a node listed first."""
    rank: dict[str, int] = {}
    told = list(told)
    for listed in told:
        for index, each in enumerate(listed):
            rank[each["host"]] = min(index, rank.get(each["host"], index))
    added = [target(same) for same in _by("host", told).values()]
    added.sort(key=lambda each: (each["held"] is None, -each["in_flight"], rank[each["host"]]))
    return added[:TARGETS_MAX]


def target(same: Sequence[Told]) -> dict[str, Any]:
    """Return one host: held where any node holds it, by hand before by itself."""
    histogram = _histogram(each["duration_hist"] for each in same)
    shares = [(sum(each["duration_hist"]), each["error_share"]) for each in same if each["error_share"] is not None]
    calls = sum(n for n, _ in shares)
    held = [each["held"] for each in same if each["held"] is not None]
    limits = [each["limit"] for each in same]
    return {
        "host": same[0]["host"],
        "in_flight": sum(each["in_flight"] for each in same),
        "limit": None if None in limits else sum(limits),
        "rate": round(sum(each["rate"] for each in same), 3),
        "p50": _quantile(0.5, histogram),
        "p95": _quantile(0.95, histogram),
        "duration_hist": histogram,
        "error_share": round(sum(n * share for n, share in shares) / calls, 4) if calls else None,
        "held": min(held, key=lambda each: each["next_probe"] or "") if held else None,
    }


def groups(told: Iterable[Sequence[Told]]) -> list[dict[str, Any]]:
    """Return the groups of errors of all nodes, the largest first: errors that are alike have one id everywhere."""
    added = []
    for same in _by("id", told).values():
        newest = max(same, key=lambda each: each["last_seen"] or "")
        count = sum(each["count"] for each in same)
        added.append({**newest, "count": count, "first_seen": _first(each["first_seen"] for each in same)})
    return sorted(added, key=lambda each: (-each["count"], each["id"]))


def limits(told: Mapping[str, Told], owner: Callable[[str], str]) -> dict[str, Any]:
    """Return a part of the limit keys of all nodes, by key: none behind that up to which every node has told."""
    by_key: dict[str, dict[str, Told]] = defaultdict(dict)
    for name, part in told.items():
        for each in part["limits"]:
            by_key[each["key"]][name] = each
    ends = [part["last_key"] for part in told.values() if part["last_key"] is not None]
    end = min(ends, default=None)
    keys = sorted(key for key in by_key if end is None or key <= end)
    if len(keys) > LIMITS_MAX:
        keys, end = keys[:LIMITS_MAX], keys[LIMITS_MAX - 1]
    return {"limits": [limit(by_key[key], owner(key)) for key in keys], "last_key": end}


def limit(same: Mapping[str, Told], owner: str) -> dict[str, Any]:
    """Return one limit key; its numbers are those at its owner, where that has it: new jobs of it go there."""
    first = same.get(owner) or next(iter(same.values()))
    return {
        "key": first["key"],
        **{name: first[name] for name in _NUMBERS},
        "running": sum(each["running"] for each in same.values()),
        "waiting": sum(each["waiting"] for each in same.values()),
    }


def _by(name: str, told: Iterable[Sequence[Told]]) -> dict[str, list[Told]]:
    """Return what all nodes tell of the same, by what it is named by."""
    found: dict[str, list[Told]] = defaultdict(list)
    for listed in told:
        for each in listed:
            found[each[name]].append(each)
    return found


def _sum_by_name(told: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    added: dict[str, float] = {}
    for each in told:
        for name, n in each.items():
            added[name] = added.get(name, 0) + n
    return added


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: round(n, 3) for name, n in numbers.items()}


def _first(times: Iterable[str | None]) -> str | None:
    return min((time for time in times if time is not None), default=None)


def _sum_of_known(numbers: Iterable[int | None]) -> int | None:
    known = [n for n in numbers if n is not None]
    return sum(known) if known else None


def _histogram(told: Iterable[Sequence[int]]) -> list[int]:
    """Return the sum of histograms; one of a release with other bounds counts for nothing."""
    empty = [0] * (len(DURATIONS_S) + 1)
    return [sum(column) for column in zip(empty, *(each for each in told if len(each) == len(empty)), strict=True)]


def _quantile(share: float, histogram: Sequence[int]) -> float | None:
    value = quantile(share, histogram)
    return None if value is None else round(value, 6)
