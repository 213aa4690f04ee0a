"""Rules of the fields that place a job among others: which texts they may be, and which go together. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from taskpusher.fields import Errors, read_each
from taskpusher.job import Limit

from .urls import CONTROL

UNORDERED = ("priority", "delay", "run_at")  # say otherwise when a job is called than its line does
TEXT_RULE = "a text of 1 to 512 bytes without control characters"
LIMIT_RULE = 'an object of "key" (1 to 512 bytes), "concurrency" or "rate" or both, and "per" in seconds'
LIMIT_RULES = {
    "key": TEXT_RULE,
    "concurrency": "an integer from 1 to 1,000,000: calls at once",
    "rate": "a number from 0.000001 to 1,000,000: calls begun in `per` s",
    "per": "seconds from 0.001 to a day; 1 where it is not given",
}

_TEXT_BYTES_MAX = 512
_PER = 1.0  # where it is not given
_LIMIT_TYPES: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Limit)}
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


def is_text(text: str) -> bool:
    """Tell whether a text keeps the rule of keys and other texts of the caller's."""
    try:
        return 0 < len(text.encode()) <= _TEXT_BYTES_MAX and CONTROL.search(text) is None
    except UnicodeEncodeError:  # half of a character, or a byte that is none, in a header
        return False


def broken_order(*, key: str | None, given: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield (field, rule that it breaks) of an ordered job; `given` are the values of UNORDERED."""
    if key is None:
        yield "ordered", "only with a key"
    for name, value in given.items():
        if value is not None:
            yield name, "not with ordered: jobs of its key run in order of arrival"


def broken_limit(limit: Limit) -> Errors:
    """Return which rules the numbers and the key of a limit break, but for those of its type."""
    errors = [] if is_text(limit.key) else [("key", TEXT_RULE)]
    if limit.concurrency is None and limit.rate is None:
        errors.append(("concurrency", "concurrency or rate, or both"))
    elif limit.rate is None and limit.per != _PER:
        errors.append(("per", "only with rate"))
    return errors


def limit_errors(text: bytes | Raw) -> Errors:
    """Return which rules the fields of a limit break by their type; nothing where it is no JSON object."""
    try:
        given = _decode_object(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []
    _, broken = read_each(given, _LIMIT_TYPES, LIMIT_RULES)
    if "key" not in given:
        broken.append(("key", "missing"))
    return [(f"limit.{path}", rule) for path, rule in broken]
