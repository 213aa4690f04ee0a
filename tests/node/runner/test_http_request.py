"""What the target is told: the request line, the headers of TaskPusher, the job's own, the body."""

import pytest

from taskpusher import __version__
from taskpusher_node.lifecycle import Head, State
from taskpusher_node.retry import Kind
from taskpusher_node.tokens import Tokens

from .servers import DUE_MS, UID, Target, answering, call

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def _request(runner, path="/", **fields):
    async with Target(answering(EMPTY)) as target:
        outcome = await call(runner, target.url + path, **fields)
        assert outcome.kind is Kind.ANSWERED, outcome
        (request,) = target.requests
        return request, target.url.removeprefix("http://")


async def test_a_call_says_which_job_and_which_try_it_is(runner):
    head = Head(State.RUNNING, 1, due_ms=DUE_MS, started_ms=DUE_MS, attempt=7, tries=2)
    request, _ = await _request(runner, head=head, max_attempts=5, queue="mails")
    assert {name: request.header(name) for name, _ in request.fields if name.startswith("TaskPusher-")} == {
        "TaskPusher-Job": UID,
        "TaskPusher-Attempt": "3",
        "TaskPusher-Call": "7",
        "TaskPusher-Max-Attempts": "5",
        "TaskPusher-Queue": "mails",
        "TaskPusher-Due": "2026-11-24T23:13:32.123Z",
        "TaskPusher-Node": "n1",
        "TaskPusher-Token": Tokens(b"key").of(UID, 7),
    }
    assert request.header("Idempotency-Key") == UID
    assert request.header("User-Agent") == f"TaskPusher/{__version__}"


async def test_nothing_is_sent_that_nobody_asked_for(runner):
    request, host = await _request(runner)
    told = {name for name, _ in request.fields if not name.startswith("TaskPusher-")}
    assert told == {"Host", "Idempotency-Key", "User-Agent", "Accept", "Accept-Encoding"}
    assert (request.header("Host"), request.header("Accept"), request.header("Accept-Encoding")) == (
        host,
        "*/*",
        "identity",
    )


@pytest.mark.parametrize("path", ["/", "/a%2Fb%20c?q=%41&q=a+b&=", "/a//b/../c", "/\"'<>`{|}\\^[]", "/x@y:z?m=a@b"])
async def test_the_path_is_sent_to_the_letter(runner, path):
    request, _ = await _request(runner, path)
    assert (request.method, request.path, request.version) == ("GET", path, "HTTP/1.1")


async def test_a_url_without_a_path_asks_for_the_root(runner):
    request, _ = await _request(runner, "")
    assert request.path == "/"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "PROPFIND", "M-SEARCH"])
async def test_every_method_is_sent(runner, method):
    request, _ = await _request(runner, method=method)
    assert request.method == method


async def test_trace_context_goes_through(runner):
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1,b=2"}
    request, _ = await _request(runner, trace=trace)
    assert {name: request.header(name) for name in trace} == trace


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "ACCEPT", "accept-encoding", "idempotency-key"])
async def test_own_headers_win(runner, name):
    request, _ = await _request(runner, headers={name: "mine"})
    assert request.all(name) == ["mine"]
    assert (name, "mine") in request.fields


async def test_an_own_content_type_wins(runner):
    request, _ = await _request(runner, method="POST", headers={"content-type": "a/b"}, body=b"x", body_kind="json")
    assert request.all("Content-Type") == ["a/b"]


@pytest.mark.parametrize(
    "value", ["", "a b", "tab\there", "é", "\U0001f600", "\x85", "x" * 60_000, '"quoted, comma"'], ids=repr
)
async def test_own_header_values_arrive_as_they_were_given(runner, value):
    async with Target(answering(EMPTY)) as target:
        outcome = await call(runner, target.url, headers={"X-Own": value, "X-Last": "1"})
        assert outcome.kind is Kind.ANSWERED
        assert (target.requests[0].header("X-Own"), target.requests[0].header("X-Last")) == (value, "1")


async def test_own_content_encoding_leaves_the_body_alone(runner):
    request, _ = await _request(
        runner, method="POST", headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b0", body_kind="base64"
    )
    assert (request.header("Content-Encoding"), request.body) == ("gzip", b"\x1f\x8b0")


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("text", "text/plain; charset=utf-8"),
        ("json", "application/json"),
        ("base64", "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_body_is_sent_with_its_length_and_type(runner, method, kind, content_type):
    request, _ = await _request(runner, method=method, body=b'{"\xc3\xa4":1}', body_kind=kind)
    assert (request.body, request.header("Content-Length")) == (b'{"\xc3\xa4":1}', "8")
    assert (request.all("Content-Type"), request.header("Transfer-Encoding")) == ([content_type], None)


async def test_an_empty_body_has_a_type_and_no_bytes(runner):
    request, _ = await _request(runner, method="POST", body=b"", body_kind="text")
    assert (request.header("Content-Type"), request.header("Content-Length")) == ("text/plain; charset=utf-8", "0")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_body_has_no_type(runner, method):
    request, _ = await _request(runner, method=method)
    assert (request.all("Content-Type"), request.header("Transfer-Encoding")) == ([], None)


async def test_the_largest_body_is_sent_without_a_warning(runner):
    body = b"x" * 1_048_576
    request, _ = await _request(runner, method="POST", body=body, body_kind="text")
    assert request.body == body
