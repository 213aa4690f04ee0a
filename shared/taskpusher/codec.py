"""How values look on the wire: RFC 3339 times in UTC with milliseconds, JSON by orjson."""

import re
from datetime import UTC, datetime
from functools import lru_cache

import orjson

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

to_json = orjson.dumps


def raw_json(text: bytes) -> orjson.Fragment:
    """Wrap JSON text that was checked when it came in, so that it goes out to the letter."""
    return orjson.Fragment(text)


def to_time(unix_ms: int | None) -> str | None:
    """Return `2026-11-24T23:13:32.123Z` for Unix milliseconds, None for None."""
    if unix_ms is None:
        return None
    return f"{_second(unix_ms // 1000)}.{unix_ms % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(text: str) -> int:
    """Return Unix milliseconds for an RFC 3339 time; ValueError without a time zone or for any other text."""
    if _RFC_3339.fullmatch(text) is None:
        raise ValueError(text)  # fromisoformat takes weeks, commas and zones of seconds as well
    return round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
