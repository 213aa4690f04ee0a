"""What a handler promises: its method and path, what it takes and what it answers, said once beside it."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from aiohttp import web
from msgspec import Struct

from .errors import Problem
from .fields import FORM

_DECLARED = "operation"


class Handler(Protocol):
    """A method of a part of the API."""

    def __call__(self, part: Any, request: web.Request, /) -> Awaitable[web.StreamResponse]:
        """Answer a request."""


H = TypeVar("H", bound=Handler)


@dataclass(frozen=True)
class Text:
    """A body that is no JSON document."""

    media_type: str
    text: str  # what is in it


Answer = Any  # the type of a JSON document, a Text, both of them, or None where there is no body


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call of the API."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, Answer]
    problems: tuple[type[Problem], ...] = ()
    fields: type[Struct] | None = None  # in the query; where the call changes something, in a form as well
    bodies: Mapping[str, Answer] = field(default_factory=dict)  # by media type
    headers: Mapping[str, str] = field(default_factory=dict)  # what those are for that it reads, by name
    open: bool = False  # needs no credentials
    by_token: bool = False  # needs the token of a call instead

    @property
    def changes(self) -> bool:
        """Tell whether the call may change anything."""
        return self.method != "GET"


def operation(
    method: str,
    path: str,
    *,
    answers: Mapping[int, Answer],
    problems: Iterable[type[Problem]] = (),
    fields: type[Struct] | None = None,
    bodies: Mapping[str, Answer] | None = None,
    headers: Mapping[str, str] | None = None,
    open_to_all: bool = False,
    by_token: bool = False,
) -> Callable[[H], H]:
    """Declare what a handler is for; the first line of its docstring is the summary."""

    def declare(handler: H) -> H:
        described = Operation(
            method=method,
            path=path,
            summary=(handler.__doc__ or "").partition("\n")[0],
            answers=answers,
            problems=tuple(problems),
            fields=fields,
            bodies=bodies if bodies is not None else ({FORM: fields} if fields is not None and method != "GET" else {}),
            headers=headers or {},
            open=open_to_all,
            by_token=by_token,
        )
        vars(handler)[_DECLARED] = described
        return handler

    return declare


def operations(part: type) -> Iterator[tuple[str, Operation]]:
    """Yield (name of the handler, operation) of all that a part of the API declares."""
    for name, member in vars(part).items():
        declared = getattr(member, _DECLARED, None)
        if isinstance(declared, Operation):
            yield name, declared


def open_changes(part: type) -> re.Pattern[str]:
    """Return what the paths are that a token alone lets in, as they are sent."""
    paths = (declared.path for _, declared in operations(part) if declared.by_token)
    return re.compile("|".join(re.sub(r"{\w+}", "[^/]+", path) for path in paths))


def routes(part: object) -> list[web.RouteDef]:
    """Return the routes of a part of the API."""
    return [
        web.RouteDef(declared.method, declared.path, getattr(part, name), {})
        for name, declared in operations(type(part))
    ]
