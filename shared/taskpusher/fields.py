"""Fields of a query or a form, read into the type that says what they may be; all that break a rule named at once."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any, ClassVar, Protocol, Self, TypeVar, Union, get_args
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from msgspec import Raw, Struct

from . import codec, errors
from .job import STATUSES_SCHEMA, parse_statuses

FORM = "application/x-www-form-urlencoded"
_NAMES_MAX = 100  # characters of a client's name for a field that a problem repeats
_FIELDS_MAX = 100

_NO_FIELD = ("", None, "")

Pairs = list[tuple[str, str]]
Errors = list[tuple[str, str]]  # (path of the field, the rule it breaks)
S = TypeVar("S", bound=Struct)


class _FromText(Protocol):
    """A type of field that JSON has no word for."""

    SCHEMA: ClassVar[dict[str, Any]]  # its description is the rule

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the value of a text; ValueError or OverflowError where it has none."""


class Time(int):
    """A moment in Unix milliseconds, none before 1970."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "format": "date-time",
        "description": "an RFC 3339 time with its zone, such as 2026-11-24T23:13:32Z",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the moment of an RFC 3339 time."""
        return cls(max(codec.parse_time(text), 0))


class Statuses(str):
    """Statuses of answers, as `parse_statuses` takes them."""

    __slots__ = ()
    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "description": 'statuses such as "500", "404,410" or "5xx"',
        **STATUSES_SCHEMA,
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the text where it names statuses."""
        parse_statuses(text)
        return cls(text)


class JsonText(bytes):
    """The text of any JSON."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "contentMediaType": "application/json",
        "description": "any JSON",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the text where it is JSON."""
        msgspec.json.decode(text.encode())
        return cls(text.encode())


class JsonObject(bytes):
    """The text of a JSON object."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "contentMediaType": "application/json",
        "description": "a JSON object",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the text where it is that of an object."""
        msgspec.json.decode(text.encode(), type=dict[str, Raw])
        return cls(text.encode())


class Members(dict[str, str]):
    """What fields say whose names begin with that of the declared one and a dot: by the rest of their name."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "x-prefix": True,
        "description": "NAME.x=TEXT: the member x equals a text, or the JSON text of a number, true, false or null",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Refuse the bare name."""
        raise ValueError(text)


def schema_of(kind: type[_FromText]) -> dict[str, Any]:
    """Return the JSON schema of a type that JSON has no word for."""
    return kind.SCHEMA


def pairs(text: str) -> Pairs:
    """Return the fields of a query string or a form; raises Malformed."""
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise errors.Malformed(f"the form cannot be read: {error}") from error


def form_pairs(body: bytes) -> Pairs:
    """Return the fields of the body of a form; raises Malformed."""
    try:
        return pairs(body.decode())
    except UnicodeDecodeError as error:
        raise errors.Malformed("the form is no UTF-8") from error


def check_no_query(request: web.Request) -> None:
    """Raise InvalidField where a query stands beside a JSON body."""
    # the text first: a query is parsed even where it is empty
    if request.rel_url.raw_query_string and request.query:
        raise errors.InvalidField([(name, "not in the query beside a JSON body") for name in request.query])


def of_query(request: web.Request, kind: type[S]) -> S:
    """Return what the query asks for; raises InvalidField."""
    return _read(pairs(request.rel_url.raw_query_string), kind)


async def of_query_or_form(request: web.Request, kind: type[S]) -> S:
    """Return what the query and a form together ask for; raises InvalidField, UnsupportedMediaType."""
    return _read(await query_and_form(request), kind)


async def query_and_form(request: web.Request) -> Pairs:
    """Return the fields of the query and a form together; raises UnsupportedMediaType."""
    given = pairs(request.rel_url.raw_query_string)
    body = await request.read()
    if body:
        if request.content_type != FORM:
            raise errors.UnsupportedMediaType(f"send the fields in the query, or as a form ({FORM})")
        given += form_pairs(body)
    return given


async def of_query_form_or_json(request: web.Request, kind: type[S]) -> S:
    """Return what a JSON object, or the query and a form together, ask for; raises InvalidField, Malformed."""
    if request.content_type != "application/json":
        return await of_query_or_form(request, kind)
    return await of_json(request, kind)


async def of_json(request: web.Request, kind: type[S]) -> S:
    """Return what a JSON object asks for; raises InvalidField, Malformed, UnsupportedMediaType."""
    if request.content_type != "application/json":
        raise errors.UnsupportedMediaType("send application/json")
    check_no_query(request)
    try:
        given = msgspec.json.decode(await request.read(), type=dict[str, Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise errors.Malformed("the body is no JSON object") from error
    return _read([(name, raw) for name, raw in given.items() if bytes(raw) != b"null"], kind)


def read_each(
    given: Mapping[str, Raw], types: Mapping[str, Any], rules: Mapping[str, str]
) -> tuple[dict[str, Any], Errors]:
    """Return the fields of a JSON object that are good, and every rule that is broken: msgspec stops at the first."""
    values: dict[str, Any] = {}
    broken: Errors = []
    for name, raw in given.items():
        if name not in types:
            broken.append((name[:_NAMES_MAX], "unknown field"))
            continue
        try:
            values[name] = msgspec.json.decode(raw, type=types[name])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            broken.append((name, rules[name]))
    return values, broken


def _value(given: str | Raw, kind: Any) -> Any:
    if isinstance(given, str):
        return msgspec.convert(given, kind, strict=False, dec_hook=_parse)
    if kind in (JsonObject, JsonText):
        return kind.parse(bytes(given).decode())
    return msgspec.json.decode(given, type=kind, dec_hook=_parse)


def _read(given: Sequence[tuple[str, str | Raw]], kind: type[S]) -> S:
    known = _fields(kind)
    values: dict[str, Any] = {}
    broken: Errors = []
    for name, text in given:
        prefix, _, member = name.partition(".")
        if member and known.get(prefix, _NO_FIELD)[1] is Members:
            members = values.setdefault(prefix, Members())
            if member in members:
                broken.append((name[:_NAMES_MAX], "given more than once"))
            members[member] = text
            continue
        if name not in known or known[name][1] is Members:
            broken.append((name[:_NAMES_MAX], "unknown field"))
            continue
        attribute, type_, rule = known[name]
        if attribute in values:
            broken.append((name, "given more than once"))
            continue
        try:
            values[attribute] = _value(text, type_)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            values[attribute] = None
            broken.append((name, rule))
    if broken:
        raise errors.InvalidField(broken)
    return kind(**values)


def _parse(kind: type[_FromText], text: str) -> _FromText:
    try:
        return kind.parse(text)
    except (OverflowError, msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(text) from error


@lru_cache(maxsize=64)
def _fields(kind: type[Struct]) -> dict[str, tuple[str, Any, str]]:
    """Return (attribute, type, rule) of each field by its name on the wire."""
    _, components = msgspec.json.schema_components([kind], schema_hook=schema_of)
    properties = components[kind.__name__]["properties"]
    return {
        field.encode_name: (field.name, given_type(field.type), _rule(properties[field.encode_name]))
        for field in msgspec.structs.fields(kind)
    }


def given_type(kind: Any) -> Any:
    """Return what a field is when it is given: a text says null only where null is its text."""
    kinds = get_args(kind)
    return Union[tuple(part for part in kinds if part is not NoneType)] if NoneType in kinds else kind  # noqa: UP007


def _rule(schema: dict[str, Any]) -> str:
    """Return the description of a property, or of what it is when it is not null."""
    return str(next(part["description"] for part in (schema, *schema.get("anyOf", ())) if "description" in part))
