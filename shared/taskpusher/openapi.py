"""The contract of the HTTP API as an OpenAPI 3.1 document, made of the types that requests and answers are held to.

Which calls there are, and what each takes and answers, is declared beside their handlers: see `contract`.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, is_typeddict

import msgspec
from msgspec import Struct

from . import __version__, errors, headers
from .contract import Answer, Operation, Text
from .errors import Problem
from .fields import schema_of

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/{name}"
_ALWAYS: tuple[type[Problem], ...] = (
    errors.Malformed,
    errors.TooSlow,
    errors.ExpectationFailed,
    errors.Internal,
    errors.Busy,
)
_BEHIND_THE_DOOR: tuple[type[Problem], ...] = (
    errors.Unauthorized,
    errors.Forbidden,
    errors.HostNotAllowed,
    errors.Starting,
    errors.Stalled,
)
_OF_CHANGES: tuple[type[Problem], ...] = (errors.CrossSite, errors.UnsupportedMediaType, errors.UnknownOutcome)
_IN_PATH = re.compile(r"\{(\w+)(?::[^}]*)?\}")  # what follows the colon is a rule of the router's


def document(description: str, operations: Iterable[Operation], path_fields: Mapping[str, Any]) -> Json:
    """Return the document; `path_fields` are the types of what stands in paths."""
    found = sorted(operations, key=lambda operation: (operation.path, operation.method))
    schemas = _Schemas(found, path_fields)
    paths: Json = {}
    for operation in found:
        path = _IN_PATH.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "TaskPusher", "version": __version__, "description": description},
        "security": [{"basic": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": {"Version": {"description": "Who answers.", "required": True, "schema": {"type": "string"}}},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "The one user: may do everything."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token with one of the roles."},
                "call": {
                    "type": "apiKey",
                    "in": "header",
                    "name": headers.TOKEN,
                    "description": "The token of the call that the job was accepted by.",
                },
            },
        },
    }


class _Schemas:
    """The JSON schema of every type that any operation names."""

    def __init__(self, operations: list[Operation], path_fields: Mapping[str, Any]) -> None:
        kinds = [*path_fields.values()]
        problems: set[type[Problem]] = set()
        for operation in operations:
            answers = [kind for answer in operation.answers.values() for kind in _kinds(answer)]
            kinds += [*answers, *operation.bodies.values(), operation.fields]
            problems.update(_problems(operation))
        self._kinds = [kind for kind in kinds if kind is not None and not isinstance(kind, Text)]
        made, components = msgspec.json.schema_components(self._kinds, schema_hook=schema_of, ref_template=_SCHEMAS)
        self._made = _as_ecma(made)
        self.components: Json = _as_ecma(components)
        self._prefixes = {name: _take_prefixes(component) for name, component in self.components.items()}
        self.components |= {_name(problem): _problem(problem) for problem in sorted(problems, key=_name)}
        self._path_fields = path_fields

    def of(self, kind: Any) -> Json:
        """Return the schema of a type, mostly a reference."""
        made: Json = self._made[self._kinds.index(kind)]
        return made

    def fields(self, kind: type[Struct]) -> list[Json]:
        """Return the parameters that the fields of a query are."""
        schema = self.components[kind.__name__]
        parameters = [_parameter("query", name, _given(property_)) for name, property_ in schema["properties"].items()]
        for name, description in self._prefixes[kind.__name__].items():
            members = {"type": "object", "propertyNames": _prefixed(name), "additionalProperties": {"type": "string"}}
            told = _parameter("query", name, members)
            parameters.append(
                told | {"style": "form", "explode": True, "description": description.replace("NAME", name)}
            )
        return parameters

    def path(self, template: str) -> list[Json]:
        """Return the parameters in a path."""
        return [_parameter("path", name, self.of(self._path_fields[name])) for name in _IN_PATH.findall(template)]


def _operation(operation: Operation, schemas: _Schemas) -> Json:
    name = "_".join([operation.method.lower(), *re.findall(r"\w+", _IN_PATH.sub(r"\1", operation.path))])
    described: Json = {"operationId": name, "summary": operation.summary, "responses": {}}
    if operation.open:
        described["security"] = []
    elif operation.by_token:
        described["security"] = [{"call": []}]
    parameters = schemas.path(operation.path)
    if operation.fields is not None:
        parameters += schemas.fields(operation.fields)
    for name, text in operation.headers.items():
        parameters.append(_parameter("header", name, {"type": "string", "description": text}))
    if parameters:
        described["parameters"] = parameters
    if operation.bodies:
        content = {media_type: _content(kind, schemas) for media_type, kind in operation.bodies.items()}
        described["requestBody"] = {"content": content}
    responses: Json = described["responses"]
    for status, kind in operation.answers.items():
        said = " ".join(_said(status, one) for one in _kinds(kind)) or HTTPStatus(status).phrase
        content = {media: made for one in _kinds(kind) for media, made in _answer_content(one, schemas).items()}
        responses[str(status)] = _response(said, content)
    for status, problems in _by_status(_problems(operation)).items():
        content = {"application/problem+json": {"schema": _any_of([_ref(problem) for problem in problems])}}
        response = responses.setdefault(str(status), _response("; ".join(p.title for p in problems), {}))
        response["content"] = response.get("content", {}) | content
    return described


def _problems(operation: Operation) -> list[type[Problem]]:
    """Return every problem that a call may answer with; what all calls have in common is said here."""
    problems = [*_ALWAYS, *operation.problems]
    if not operation.open:
        problems += _BEHIND_THE_DOOR
    if operation.fields is not None:
        problems.append(errors.InvalidField)
    if operation.bodies:
        problems.append(errors.TooLarge)
    if operation.changes:
        problems += _OF_CHANGES
    return list(dict.fromkeys(problems))


def _by_status(problems: list[type[Problem]]) -> dict[int, list[type[Problem]]]:
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in sorted(problems, key=lambda problem: problem.status):
        by_status.setdefault(problem.status, []).append(problem)
    return by_status


def _problem(problem: type[Problem]) -> Json:
    properties: Json = {
        "type": {"const": problem.type},
        "title": {"type": "string"},
        "status": {"const": problem.status},
        "detail": {"type": "string"},
        "stored": {"type": "null"} if problem.stored is None else {"const": problem.stored},
    }
    if problem is errors.InvalidField:
        item = {"type": "object", "required": ["path", "rule"]}
        item["properties"] = {"path": {"type": "string"}, "rule": {"type": "string"}}  # type: ignore[assignment]
        properties["errors"] = {"type": "array", "minItems": 1, "items": item}
    if problem is errors.UnknownOutcome:
        properties["uid"] = {"type": "string", "description": "of an add: repeat it with this uid"}
    required = [name for name in properties if name != "uid"]
    return {"type": "object", "description": problem.__doc__, "required": required, "properties": properties}


def _name(problem: type[Problem]) -> str:
    return f"{problem.__name__}Problem"


def _ref(problem: type[Problem]) -> Json:
    return {"$ref": _SCHEMAS.format(name=_name(problem))}


def _any_of(schemas: list[Json]) -> Json:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _response(description: str, content: Json) -> Json:
    response: Json = {
        "description": description,
        "headers": {headers.VERSION: {"$ref": "#/components/headers/Version"}},
    }
    return response | ({"content": content} if content else {})


def _kinds(answer: Answer) -> tuple[Answer, ...]:
    """Return each of the bodies that an answer may have."""
    return answer if isinstance(answer, tuple) else (answer,)


def _said(status: int, kind: Answer) -> str:
    if isinstance(kind, Text):
        return kind.text
    named = is_typeddict(kind) or (isinstance(kind, type) and issubclass(kind, Struct))
    return kind.__doc__ or "" if named else HTTPStatus(status).phrase


def _answer_content(kind: Answer, schemas: _Schemas) -> Json:
    if kind is None:
        return {}
    media_type = kind.media_type if isinstance(kind, Text) else "application/json"
    return {media_type: _content(kind, schemas)}


def _content(kind: Answer, schemas: _Schemas) -> Json:
    if isinstance(kind, Text):
        return {"schema": {"type": "string", "description": kind.text}}
    return {"schema": schemas.of(kind)}


def _take_prefixes(component: Json) -> Json:
    """Let a component say its fields that are prefixes of names by patterns; returns their descriptions."""
    properties = component.get("properties", {})
    taken = {name: properties.pop(name)["description"] for name in list(properties) if "x-prefix" in properties[name]}
    if taken:
        component["patternProperties"] = {_prefixed(name)["pattern"]: {"type": "string"} for name in taken}
    return taken


def _prefixed(name: str) -> Json:
    return {"pattern": rf"^{name}\..+$"}


def _parameter(place: str, name: str, schema: Json) -> Json:
    parameter: Json = {"name": name, "in": place, "required": place == "path", "schema": schema}
    return parameter


def _given(schema: Json) -> Json:
    """Return what a property is when it is given: a text cannot say null."""
    if "anyOf" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return rest | _any_of([part for part in schema["anyOf"] if part != {"type": "null"}])


def _as_ecma(schema: Any) -> Any:
    r"""Return a schema whose patterns say ^ and $, as ECMA-262 does, for Python's \A and \Z."""
    if isinstance(schema, Mapping):
        return {
            key: re.sub(r"\\Z$", "$", re.sub(r"^\\A", "^", value)) if key == "pattern" else _as_ecma(value)
            for key, value in schema.items()
        }
    return [_as_ecma(part) for part in schema] if isinstance(schema, list | tuple) else schema
