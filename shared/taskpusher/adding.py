"""What POST /add is on nodes and routers alike: its media types, its body, the trace it carries, NDJSON in and out."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

import msgspec
from aiohttp import hdrs, web
from msgspec import Raw

from . import __version__, codec, errors, headers
from .fields import FORM, Pairs, check_no_query, form_pairs, pairs

NDJSON = "application/x-ndjson"
ADDS = "application/vnd.taskpusher.adds+json"  # by which a router hands on many adds, each in an envelope
MEDIA_RULE = "send a form (application/x-www-form-urlencoded), application/json, or application/x-ndjson"

_TRACE_MAX = 512  # characters of a trace header
_ANSWERS_HELD = 2_000  # parts of NDJSON answers that wait for a client to read
_NDJSON_PART = 200  # lines stored together
_SF_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_ESCAPED = re.compile(r"\\(.)")

_decode_raw_list = msgspec.json.Decoder(list[Raw]).decode

Store = Callable[[list[bytes]], Awaitable[list[dict[str, Any]]]]
"""Stores each of some jobs on its own merits; returns a result for each, in order."""


class Kind(Enum):
    """What a request to add may hold, and what it is given on as."""

    LINES = auto()  # NDJSON, unread
    FORM = auto()  # (query, body)
    ONE = auto()  # the JSON of one job
    MANY = auto()  # the parts of an array, unread
    HANDED = auto()  # the JSON of many adds that a router hands on


async def given(request: web.Request, keys: Sequence[str], max_bytes: int) -> tuple[Kind, Any]:
    """Return what kind of an add a request is, and its body; raises what is wrong with it as a whole."""
    content_type = request.content_type
    if content_type == NDJSON:
        check_no_query(request)
        refuse_header(keys)
        return Kind.LINES, None
    body = _whole(request, max_bytes) if request.content.is_eof() else await _read(request, max_bytes)
    query = request.rel_url.raw_query_string
    if not body and (query or hdrs.CONTENT_TYPE not in request.headers):
        return Kind.FORM, (query, b"")
    if content_type == "application/json":
        check_no_query(request)
        if body.lstrip()[:1] != b"[":
            return Kind.ONE, body
        refuse_header(keys)
        return Kind.MANY, parse_list(body)
    if content_type == FORM:
        return Kind.FORM, (query, body)
    if content_type == ADDS:
        check_no_query(request)
        refuse_header(keys)
        return Kind.HANDED, body
    raise errors.UnsupportedMediaType(MEDIA_RULE)


def form_of(query: str, body: bytes) -> Pairs:
    """Return the fields of a query and a form together; raises Malformed."""
    return pairs(query) + form_pairs(body) if body else pairs(query)


def _whole(request: web.Request, max_bytes: int) -> bytes:
    """Return a body that has come to its end: most have before their handler begins, and so cost no waiting."""
    body: bytes = request.content.read_nowait()
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return body


async def _read(request: web.Request, max_bytes: int) -> bytes:
    """Return a body when it has come to its end; `max_bytes` is what the application is bounded by."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(max_bytes) from error


def _too_large(max_bytes: int) -> errors.TooLarge:
    return errors.TooLarge(f"a request may have {max_bytes} bytes; NDJSON takes any number of jobs")


def header_keys(request: web.Request) -> Sequence[str]:
    """Return what was given in the header Idempotency-Key, mostly nothing."""
    sent = request.headers
    return sent.getall(headers.IDEMPOTENCY_KEY) if headers.IDEMPOTENCY_KEY in sent else ()


def refuse_header(keys: Sequence[str]) -> None:
    """Many jobs have no key in common."""
    if keys:
        rule = "for one job only; of many, each has an idempotency_key of its own"
        raise errors.InvalidField([(str(headers.IDEMPOTENCY_KEY), rule)])


def unquoted(value: str) -> str:
    """Return the key that the header says: a string of RFC 8941, as its draft has it, or the plain text."""
    quoted = _SF_STRING.fullmatch(value)
    return _ESCAPED.sub(r"\1", quoted[1]) if quoted is not None else value


def trace_of(request: web.Request) -> dict[str, str]:
    """Return the W3C Trace Context headers of a request to give on."""
    return good_trace(request.headers)


def good_trace(sent: Mapping[str, str]) -> dict[str, str]:
    """Return the W3C Trace Context headers to give on: a broken one is left out, as their standard asks."""
    found = {str(name): sent[name] for name in headers.TRACE if name in sent}
    return {name: value for name, value in found.items() if _is_trace(value)} if found else found


def _is_trace(value: str) -> bool:
    return 0 < len(value) <= _TRACE_MAX and value.isascii() and value.isprintable()


def parse_list(text: bytes) -> list[Raw]:
    """Return the elements of a JSON array, unread; raises Malformed."""
    try:
        return _decode_raw_list(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.Malformed(f"the body is no JSON array: {error}") from error


def check_count(parts: Sequence[object], most: int) -> None:
    """Raise TooLarge where an array has more jobs than it may."""
    if len(parts) > most:
        raise errors.TooLarge(f"an array may have {most} jobs, not {len(parts)}; NDJSON takes any number")


def status_of_many(results: Sequence[dict[str, Any]]) -> int:
    """Return the status of an answer that tells what became of each job of an array."""
    refused: list[int] = [result["error"]["status"] for result in results if "error" in result]
    if not refused:
        return 201
    if len(refused) < len(results):
        return 207
    return max(422, *refused)  # 503 where none was taken: send it again


async def add_lines(request: web.Request, store: Store, *, max_line: int, rejected: Counter[str]) -> web.StreamResponse:
    """Answer a line for each job as its part becomes durable, and a last line that says all were seen.

    What `store` raises ends the answer; it is counted in `rejected`.
    """
    response = web.StreamResponse(headers={"Content-Type": NDJSON, headers.VERSION: __version__})
    await response.prepare(request)
    told: asyncio.Queue[bytes] = asyncio.Queue(_ANSWERS_HELD)
    writing = asyncio.create_task(_write_all(response, told))
    counts = {"stored": 0, "failed": 0}
    try:
        async for numbered in _lines(request, max_line):
            results = await store([line for _, line in numbered])
            part = b""
            for (number, _), result in zip(numbered, results, strict=True):
                result.pop("status", None)
                counts["failed" if "error" in result else "stored"] += 1
                part += codec.to_json({"line": number, **result}) + b"\n"
            await told.put(part)
        await told.put(codec.to_json({"done": True, **counts}) + b"\n")
    except (errors.Problem, web.RequestPayloadError) as error:
        # no last line, so that nobody takes what follows for stored
        problem = error if isinstance(error, errors.Problem) else errors.Malformed("the body cannot be read")
        rejected[problem.type] += 1
        await told.put(codec.to_json({"error": problem.document()}) + b"\n")
        response.force_close()
    finally:
        await told.put(b"")
        await writing
    return response


async def _lines(request: web.Request, max_bytes: int) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Yield numbered lines in parts, as they arrive. A blank line counts, and is nobody's job."""
    number = 0
    rest = b""
    async for chunk in request.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        numbered = [(number + i, line) for i, line in enumerate(whole, 1) if line.strip()]
        number += len(whole)
        for start in range(0, len(numbered), _NDJSON_PART):
            yield numbered[start : start + _NDJSON_PART]
        if len(rest) > max_bytes:
            raise errors.TooLarge(f"line {number + 1} has more than {max_bytes} bytes")
    if rest.strip():
        yield [(number + 1, rest)]


async def _write_all(response: web.StreamResponse, told: asyncio.Queue[bytes]) -> None:
    """Write answers until an empty one. On its own, since many clients send all their lines before they read any."""
    try:
        while part := await told.get():
            await response.write(part)
        await response.write_eof()
    except ConnectionError:
        while await told.get():
            pass  # nobody reads any more; what is stored is stored
