"""What a router itself reads of the fields of a request; all else is for the nodes to take or to refuse."""

from urllib.parse import urlencode

from aiohttp import web

from taskpusher import errors, fields
from taskpusher.fields import Pairs

_PARTIAL = {"true": True, "1": True, "false": False, "0": False}


def read_partial(request: web.Request) -> tuple[bool, Pairs]:
    """Return whether an answer may lack nodes, and what else the query asks for."""
    own, rest = take(fields.pairs(request.rel_url.raw_query_string), ("partial",))
    partial_ok = _PARTIAL.get(own.get("partial", "true").lower())
    if partial_ok is None:
        raise errors.InvalidField([("partial", "true, or false for no answer where a node does not answer")])
    return partial_ok, rest


def take(pairs: Pairs, names: tuple[str, ...]) -> tuple[dict[str, str], Pairs]:
    """Return the first value of each of these fields, and all else: a second one is for the nodes to refuse."""
    own: dict[str, str] = {}
    rest: Pairs = []
    for name, text in pairs:
        if name in names and name not in own:
            own[name] = text
        else:
            rest.append((name, text))
    return own, rest


def read_limit(text: str | None, most: int) -> int | None:
    """Return how many jobs are asked for; None where the text is not among what nodes take."""
    if text is None:
        return most
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else 0
    return limit if 1 <= limit <= most else None


def with_query(path: str, pairs: Pairs) -> str:
    """Return a path with a query."""
    return f"{path}?{urlencode(pairs)}" if pairs else path
