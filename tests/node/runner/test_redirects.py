"""Redirects that a job asked to follow: where they lead, what goes along, and what a call is when they fail."""

import asyncio
import base64
import socket

import pytest

from taskpusher_node.retry import Kind
from taskpusher_node.runner.addresses import Policy
from taskpusher_node.runner.redirects import NotFollowed, Request, follow

from .conftest import make_runner
from .servers import OK, Target, answering, call, full_backlog

KEY = b"k" * 32
SECRETS = {"Authorization": "Basic x", "Cookie": "a=b", "X-Api-Key": "k", "Accept-Language": "de"}
TOLD_TO_STRANGERS = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Content-Type"}


def leading_to(location, status=302):
    return b"HTTP/1.1 %d Elsewhere\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, location.encode())


def by_path(answers):
    """Answer each path with its bytes, any other one with 200."""

    async def behave(peer):
        while (request := await peer.request()) is not None:
            peer.send(answers.get(request.path, OK))

    return behave


async def test_redirects_are_followed_to_their_end_and_the_call_is_one(runner):
    async with Target(by_path({"/": leading_to("/a?b=1"), "/a?b=1": leading_to("c", 307)})) as target:
        outcome = await call(runner, target.url + "/", redirects=2)
        assert [request.path for request in target.requests] == ["/", "/a?b=1", "/c"]
        assert (target.calls(), target.connections) == (["1"] * 3, 1)
    assert (outcome.kind, outcome.error, outcome.response.body) == (Kind.ANSWERED, None, b"ok")


async def test_none_is_followed_that_was_not_asked_for(runner):
    async with Target(by_path({"/": leading_to("/a")})) as target:
        outcome = await call(runner, target.url + "/")
        assert (len(target.requests), outcome.response.status) == (1, 302)


async def test_more_than_were_asked_for_are_an_error_that_keeps_the_last_answer(runner):
    async with Target(answering(leading_to("/"))) as target:
        outcome = await call(runner, target.url, redirects=3)
        assert len(target.requests) == 4
    assert (outcome.kind, outcome.error) == (Kind.REDIRECT, "more than 3 redirects")
    assert outcome.response.status == 302


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
async def test_the_method_and_the_body_are_kept_or_become_a_get(runner, status, method, then):
    async with Target(by_path({"/": leading_to("/a", status)})) as target:
        body = None if method == "HEAD" else b"x"
        headers = {"Content-Language": "de"}
        await call(
            runner, target.url + "/", redirects=1, method=method, body=body, body_kind=body and "text", headers=headers
        )
        first, second = target.requests
    kept = then == method and body is not None
    assert (first.method, second.method, second.body) == (method, then, b"x" if kept else b"")
    assert second.header("Content-Type") == ("text/plain; charset=utf-8" if kept else None)
    assert second.header("Content-Language") == ("de" if then == method else None)


async def test_at_the_same_origin_all_headers_stay_and_the_signature_fits_the_body():
    runner = make_runner(signing_keys=[KEY])
    async with Target(by_path({"/": leading_to("/a")})) as target:
        await call(runner, target.url + "/", redirects=1, method="POST", body=b"x", body_kind="text", headers=SECRETS)
        first, second = target.requests
    await runner.close()
    for name in [*SECRETS, "TaskPusher-Job", "Idempotency-Key", "webhook-id"]:
        assert second.header(name) == first.header(name) is not None
    assert first.header("webhook-signature") != second.header("webhook-signature")


async def test_another_origin_is_told_no_secret_and_not_who_calls_even_on_the_way_back():
    runner = make_runner(signing_keys=[KEY])
    async with Target(answering(OK)) as first, Target(answering(leading_to(first.url + "/back", 307))) as other:
        first._behave = by_path({"/": leading_to(other.url + "/x", 307)})
        sent = {"method": "POST", "body": b"x", "body_kind": "text", "headers": SECRETS}
        outcome = await call(runner, first.url + "/", redirects=5, **sent)
        seen = [*other.requests, *first.requests[1:]]
    await runner.close()
    assert (outcome.kind, len(seen)) == (Kind.ANSWERED, 2)
    for request in seen:
        assert {name for name, _ in request.fields} == TOLD_TO_STRANGERS | {"Content-Length"}
        assert request.body == b"x"


@pytest.mark.parametrize(
    ("url", "location", "stays"),
    [
        ("http://a/x", "https://a/y", True),
        ("http://a:80/x", "https://A:443/y", True),
        ("http://a/x", "//a/y", True),
        ("http://a/x", "http://a:80/y", True),
        ("http://[::1]/x", "http://[::1]:80/y", True),
        ("https://a/x", "http://a/y", False),
        ("http://a/x", "https://a:8443/y", False),
        ("http://a:8080/x", "https://a/y", False),
        ("http://a/x", "http://b.a/y", False),
        ("http://a.b/x", "http://a/y", False),
        ("http://a/x", "http://a:81/y", False),
        ("http://[::1]/x", "http://[::2]/y", False),
    ],
)
def test_only_the_same_origin_and_the_same_host_with_tls_are_no_strangers(url, location, stays):
    request, same = follow(Request("GET", url, {"Cookie": "a"}, None), 302, location, 8_192)
    assert (same, bool(request.headers)) == (stays, stays)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("?b", "http://h/a/b?b"),
        ("../c#d", "http://h/c"),
        ("", "http://h/a/b?x"),
        ("//i/c", "http://i/c"),
        ("HTTP://I/c", "HTTP://I/c"),
        ("/ä b", "http://h/%C3%A4%20b"),
        ("http:c", "http://h/a/c"),
        ("\\\\i\\c", "http://h/a/\\\\i\\c"),
        ("http://h/@i", "http://h/@i"),
    ],
)
def test_a_location_is_resolved_against_the_url(location, url):
    # as it arrives: bytes of UTF-8, of which HTTP says nothing
    assert follow(Request("GET", "http://h/a/b?x", {}, None), 302, location, 8_192)[0].url.lower() == url.lower()


@pytest.mark.parametrize(
    "location",
    [
        "ftp://a/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://[::1",
        "http://a:99999/",
        "http://u:p@a/",
        "http://a@b/",
        "http://a\x00b/",
        "http://a b/",
        "http://a%2fb/",
        "http://a\\@b/",
        "/" + "x" * 9_000,
        "gopher://127.0.0.1:6379/_x",
    ],
)
def test_what_leads_to_no_url_that_can_be_called_is_not_followed(location):
    with pytest.raises(NotFollowed):
        follow(Request("GET", "http://h/", {}, None), 302, location, 8_192)


async def test_a_redirect_that_is_not_followed_is_a_try_that_tells_why(runner):
    async with Target(answering(leading_to("http://joe:pass@a/?token=x"))) as target:
        outcome = await call(runner, target.url, redirects=1)
    assert (outcome.kind, outcome.response.status) == (Kind.REDIRECT, 302)
    assert outcome.error == "the redirect leads to a URL with credentials in it"
    async with Target(answering(leading_to("ftp://joe:pass@a/?token=x"))) as target:
        outcome = await call(runner, target.url, redirects=1)
    assert "ftp://[masked]@a/?token=[masked]" in outcome.error


async def test_without_a_location_it_is_an_answer(runner):
    async with Target(answering(b"HTTP/1.1 302 Where\r\nContent-Length: 0\r\n\r\n")) as target:
        outcome = await call(runner, target.url, redirects=1)
    assert (outcome.kind, outcome.response.status) == (Kind.ANSWERED, 302)


async def test_one_timeout_is_for_all_of_them(runner):
    async def slow(peer):
        while await peer.request() is not None:
            await asyncio.sleep(0.1)
            peer.send(leading_to("/"))

    async with Target(slow) as target:
        outcome = await call(runner, target.url, redirects=10, timeout_s=0.35)
        assert len(target.requests) <= 4
    assert (outcome.kind, outcome.response.status) == (Kind.TIMEOUT, 302)
    assert outcome.duration_s < 1


async def test_a_timeout_is_one_also_where_the_next_connection_is_being_made(runner):
    with full_backlog() as url:
        async with Target(answering(leading_to(url))) as target:
            outcome = await call(runner, target.url, redirects=1, timeout_s=0.3)
    assert (outcome.kind, outcome.error) == (Kind.TIMEOUT, "no whole answer within 0.3 s")


@pytest.mark.parametrize("location", ["http://nothing.invalid/?key=x", "http://127.0.0.1:{free}/?key=x"])
async def test_a_next_host_that_is_not_reached_is_a_try_since_the_first_one_was(runner, location):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        location = location.format(free=bound.getsockname()[1])
        async with Target(answering(leading_to(location))) as target:
            outcome = await call(runner, target.url, redirects=1)
    assert (outcome.kind, outcome.response.status) == (Kind.REDIRECT, 302)
    assert f"the redirect to {location.replace('=x', '=[masked]')} failed: " in outcome.error


async def test_a_connection_that_dies_behind_a_redirect_is_not_called_again(runner):
    calls = 0

    async def once(peer):
        nonlocal calls
        while await peer.request() is not None:
            calls += 1
            if calls > 2:
                return
            peer.send(leading_to("/a") if calls == 2 else OK)

    async with Target(once) as target:
        await call(runner, target.url)
        outcome = await call(runner, target.url, redirects=1)
    assert outcome.kind is Kind.REDIRECT  # stale would be called again, and the first request has arrived


async def test_a_denied_address_behind_a_redirect_is_denied():
    runner = make_runner(policy=Policy(deny="127.0.0.2"))
    async with Target(answering(leading_to("http://127.0.0.2/"))) as target:
        outcome = await call(runner, target.url, redirects=1)
    await runner.close()
    assert (outcome.kind, outcome.response.status) == (Kind.DENIED, 302)
    assert outcome.error == "127.0.0.2 is not called: the setting deny has 127.0.0.2/32"


async def test_signing_keys_may_change_between_two_calls(runner):
    async with Target(answering(OK)) as target:
        await call(runner, target.url)
        runner.signing_keys = [base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
        await call(runner, target.url)
        assert [bool(request.header("webhook-signature")) for request in target.requests] == [False, True]
