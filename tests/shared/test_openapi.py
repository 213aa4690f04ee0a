"""A document is made of what is declared beside handlers."""

from typing import Annotated, TypedDict

from aiohttp import web
from msgspec import Meta, Struct
from openapi_spec_validator import validate

from taskpusher import errors
from taskpusher.contract import Text, operation, operations, routes
from taskpusher.fields import Members
from taskpusher.openapi import document

Name = Annotated[str, Meta(pattern=r"\A[a-z]+\Z")]


class Thing(TypedDict):
    """A thing."""

    name: str


class ThingFields(Struct):
    """What a thing takes."""

    size: Annotated[int, Meta(ge=1, description="1 or more")] | None = None


class TaggedFields(Struct):
    """What takes any tag."""

    tag: Members = Members()


class Things:
    """A part of an API."""

    @operation("GET", "/things/{name}", fields=ThingFields, answers={200: Thing}, problems=[errors.NotFound])
    async def thing(self, _: web.Request) -> web.Response:
        """Answer with a thing.

        More of it.
        """

    @operation("PUT", "/things/{name}", fields=ThingFields, answers={201: Thing, 204: None})
    async def put(self, _: web.Request) -> web.Response:
        """Make a thing."""

    @operation("GET", "/text", answers={200: Text("text/plain", "A text.")}, open_to_all=True)
    async def text(self, _: web.Request) -> web.Response:
        """Answer with a text."""

    async def helper(self) -> None:
        """Not declared."""


def _document():
    made = document("Things.", (found for _, found in operations(Things)), {"name": Name})
    validate(made)
    return made


def test_routes_and_document_name_the_same_calls():
    routed = {(route.method.lower(), route.path) for route in routes(Things())}
    assert routed == {(method, path) for path, calls in _document()["paths"].items() for method in calls}


def test_fields_are_parameters_and_of_a_change_a_form_too():
    calls = _document()["paths"]["/things/{name}"]
    size = {"type": "integer", "minimum": 1, "description": "1 or more"}
    name, asked = calls["get"]["parameters"]
    assert (name["in"], name["required"], name["schema"]["pattern"]) == ("path", True, "^[a-z]+$")
    assert (asked["in"], asked["required"], asked["schema"]) == ("query", False, size)
    assert "requestBody" not in calls["get"]
    assert calls["put"]["requestBody"]["content"].keys() == {"application/x-www-form-urlencoded"}


def test_a_prefix_of_names_is_said_by_patterns_in_queries_and_forms():
    class Tagged:
        @operation("POST", "/tagged", fields=TaggedFields, answers={204: None})
        async def post(self, _: web.Request) -> web.Response:
            """Take tags."""

    made = document("Tags.", (found for _, found in operations(Tagged)), {})
    validate(made)
    [parameter] = made["paths"]["/tagged"]["post"]["parameters"]
    assert (parameter["style"], parameter["explode"], parameter["schema"]["propertyNames"]) == (
        "form", True, {"pattern": r"^tag\..+$"},
    )  # fmt: skip
    form = made["components"]["schemas"]["TaggedFields"]
    assert (form["properties"], form["patternProperties"]) == ({}, {r"^tag\..+$": {"type": "string"}})


def test_answers_have_their_types_and_problems_theirs():
    calls = _document()["paths"]
    put, get, text = calls["/things/{name}"]["put"], calls["/things/{name}"]["get"], calls["/text"]["get"]
    assert get["summary"] == "Answer with a thing."
    assert get["responses"]["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Thing"}
    assert "content" not in put["responses"]["204"]
    assert text["responses"]["200"]["content"].keys() == {"text/plain"}
    assert {"404", "422"} <= get["responses"].keys()
    assert {"413", "415"} <= put["responses"].keys()
    assert "401" not in text["responses"]
    assert (text["security"], "security" in get) == ([], False)


def test_a_problem_says_its_type_and_status():
    schema = _document()["components"]["schemas"]["NotFoundProblem"]
    assert schema["properties"]["type"] == {"const": "not-found"}
    assert schema["properties"]["status"] == {"const": 404}
    assert set(schema["required"]) == {"type", "title", "status", "detail", "stored"}
