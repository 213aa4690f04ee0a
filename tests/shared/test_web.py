"""What every answer has in common: the version, problems, Basic auth."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Self

import aiohttp
import pytest
import structlog
from aiohttp import web

from taskpusher import __version__, errors
from taskpusher.web import BasicAuth, Guard, GuardedRunner, json_response

OPEN = frozenset({"/open"})


def _basic(credentials: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(credentials.encode()).decode()}"


class Server:
    """A guarded application on a free port."""

    def __init__(self, credentials: str | None) -> None:
        translate = lambda error: errors.Stalled("later", retry_after_s=7) if isinstance(error, LookupError) else None  # noqa: E731
        self._guard = Guard(BasicAuth(credentials), exempt=OPEN, translate=translate)
        self._app = web.Application()
        self._app.add_routes(
            [web.get("/open", self._ok), web.get("/in", self._ok), web.get("/raise/{what}", self._raise)]
        )

    async def _ok(self, _: web.Request) -> web.Response:
        return json_response({"ok": True})

    async def _raise(self, request: web.Request) -> web.Response:
        raise {
            "bug": ZeroDivisionError("secret"),
            "known": LookupError("known"),
            "problem": errors.UnknownOutcome("perhaps", retry_after_s=5, uid="x"),
            "gone": web.HTTPGone(),
            "large": web.HTTPRequestEntityTooLarge(1, 2),
        }[request.match_info["what"]]

    async def __aenter__(self) -> Self:
        self._runner = GuardedRunner(self._app, self._guard, keepalive_s=75, shutdown_s=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = self._runner.addresses[0][:2]
        self._http = aiohttp.ClientSession(f"http://127.0.0.1:{self.address[1]}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._runner.cleanup()

    async def ask(self, path: str, authorization: str | None = None, method: str = "GET"):
        """Return (status, headers, JSON); every answer has the version."""
        sent = {} if authorization is None else {"Authorization": authorization}
        async with self._http.request(method, path, headers=sent) as answer:
            assert answer.headers["TaskPusher-Version"] == __version__
            assert answer.status < 400 or answer.content_type == "application/problem+json", (path, answer)
            return answer.status, answer.headers, await answer.json(content_type=None)


@pytest.fixture
async def free() -> AsyncIterator[Server]:
    async with Server(None) as server:
        yield server


@pytest.fixture
async def locked() -> AsyncIterator[Server]:
    async with Server("joe:se:cret ä") as server:
        yield server


async def test_without_credentials_set_everybody_is_let_in(free):
    for authorization in (None, _basic("joe:x"), "nonsense", ""):
        assert (await free.ask("/in", authorization))[0] == 200


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_the_right_credentials_are_let_in_however_the_scheme_is_spelled(locked, scheme):
    assert (await locked.ask("/in", _basic("joe:se:cret ä", scheme)))[0] == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        _basic("joe:wrong"),
        _basic("joe:se:cret"),
        _basic("Joe:se:cret ä"),
        _basic(":"),
        _basic("joe:se:cret ä", "Bearer"),
        _basic("joe:se:cret ä") + "x",
        "Basic \u00e4",
        "Basic \u20ac",
        "joe:se:cret ä",
    ],
)
async def test_no_or_wrong_credentials_are_told_how_to_come_in(locked, authorization):
    status, sent, body = await locked.ask("/in", authorization)
    assert (status, body["type"], body["stored"]) == (401, "unauthorized", False)
    assert sent["WWW-Authenticate"] == 'Basic realm="TaskPusher", charset="UTF-8"'


async def test_bytes_that_are_no_text_are_wrong_credentials_and_no_fault(locked):
    reader, writer = await asyncio.open_connection(*locked.address)
    writer.write(b"GET /in HTTP/1.1\r\nHost: a\r\nAuthorization: Basic \xff\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


async def test_exempt_are_exact_paths_and_no_others(locked):
    assert (await locked.ask("/open"))[0] == 200
    for path in ("/open/", "/open;x", "/Open", "/open/x", "/x/../in", "/nothing"):
        assert (await locked.ask(path))[0] == 401


async def test_what_is_not_there_is_a_problem(free):
    status, _, body = await free.ask("/nothing")
    assert (status, body["type"]) == (404, "not-found")
    status, sent, body = await free.ask("/in", method="POST")
    assert (status, body["type"], sent["Allow"]) == (405, "method-not-allowed", "GET,HEAD".replace(",", ", "))


@pytest.mark.parametrize(
    ("what", "status", "kind", "stored", "retry_after"),
    [
        ("known", 503, "stalled", False, "7"),
        ("problem", 503, "unknown-outcome", None, "5"),
        ("gone", 400, "malformed", False, None),
        ("large", 413, "too-large", False, None),
    ],
)
async def test_an_exception_is_the_problem_it_stands_for(free, what, status, kind, stored, retry_after):
    seen, sent, body = await free.ask(f"/raise/{what}")
    assert body.keys() >= {"type", "title", "status", "detail", "stored"}
    assert (seen, body["status"], body["type"], body["stored"]) == (status, status, kind, stored)
    assert sent.get("Retry-After") == retry_after
    assert what != "problem" or body["uid"] == "x"


async def test_a_bug_is_500_without_its_secrets_and_is_logged(free):
    with structlog.testing.capture_logs() as lines:
        status, _, body = await free.ask("/raise/bug")
    assert (status, body["type"], body["stored"], "secret" in str(body)) == (500, "internal", None, False)
    assert [(line["event"], line["path"]) for line in lines] == [("handler", "/raise/bug")]


def test_a_problem_with_fields_names_them_all():
    document = errors.InvalidField([("a", "x"), ("b", "y")]).document()
    assert document["errors"] == [{"path": "a", "rule": "x"}, {"path": "b", "rule": "y"}]
    assert (document["type"], document["status"], document["detail"]) == ("invalid-field", 422, "a: x; b: y")
