"""All that an answer can be: every framing of HTTP, cut where it is long, never inflated, never followed."""

import asyncio
import gzip
import tracemalloc

import pytest

from taskpusher_node.retry import Kind

from .conftest import CAP
from .servers import OK, Target, answering, answering_once, call


def _with_length(body, extra=b""):
    return b"HTTP/1.1 200 OK\r\n" + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def test_a_body_that_just_fits_is_whole_and_its_connection_is_kept(runner):
    body = b"x" * CAP
    async with Target(answering(_with_length(body))) as target:
        for _ in range(2):
            outcome = await call(runner, target.url)
            assert (outcome.response.body, outcome.response.truncated) == (body, False)
        assert target.connections == 1


async def test_one_byte_too_many_is_cut_off(runner):
    async with Target(answering(_with_length(b"x" * CAP + b"y"))) as target:
        outcome = await call(runner, target.url)
        assert (outcome.response.body, outcome.response.truncated) == (b"x" * CAP, True)


async def test_a_longer_body_is_cut_and_its_connection_is_dropped(runner):
    dropped = asyncio.Event()

    async def long(peer):
        await peer.request()
        peer.send(_with_length(b"x" * (CAP + 1_000_000)))
        await peer.closed()
        dropped.set()

    async with Target(long) as target:
        outcome = await call(runner, target.url)
        assert (len(outcome.response.body), outcome.response.truncated) == (CAP, True)
        assert (outcome.kind, outcome.response.status) == (Kind.ANSWERED, 200)
        await asyncio.wait_for(dropped.wait(), 2)


async def test_an_endless_body_is_cut_at_once_and_the_target_sees_the_connection_close(runner):
    dropped = asyncio.Event()

    async def endless(peer):
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                peer.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                await peer.writer.drain()
        except ConnectionError:
            dropped.set()

    async with Target(endless) as target:
        outcome = await call(runner, target.url, timeout_s=30)
        await asyncio.wait_for(dropped.wait(), 5)
    assert (len(outcome.response.body), outcome.response.truncated) == (CAP, True)
    assert outcome.duration_s < 5


async def test_answers_of_ten_megabytes_do_not_grow_memory(runner):
    answer = _with_length(b"x" * 10_000_000)

    async def large(peer):
        await peer.request()
        peer.send(answer)
        await peer.closed()

    async with Target(large) as target:
        await call(runner, target.url)
        tracemalloc.start()
        try:
            for _ in range(5):
                outcome = await call(runner, target.url)
                assert outcome.response.truncated
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: t\r\n\r\n",
            200,
            b"abc",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
        (b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", 599, b""),
    ],
    ids=["chunked", "http10", "close", "empty", "no-reason", "100", "102-103", "204", "304", "599"],
)
async def test_every_framing_of_an_answer_is_read(runner, answer, status, body):
    async with Target(answering_once(answer)) as target:
        outcome = await call(runner, target.url)
        assert target.calls() == ["1"]
    assert (outcome.kind, outcome.response.status, outcome.response.body) == (Kind.ANSWERED, status, body)
    assert not outcome.response.truncated


async def test_the_answer_to_head_has_no_body_whatever_its_length_says(runner):
    async with Target(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")) as target:
        for _ in range(2):
            outcome = await call(runner, target.url, method="HEAD", timeout_s=1)
            assert (outcome.response.status, outcome.response.body) == (200, b"")
        assert (target.connections, target.requests[0].method) == (1, "HEAD")


async def test_a_compressed_body_is_kept_as_it_came(runner):
    packed = gzip.compress(b"x" * 1_000_000)
    async with Target(answering(_with_length(packed, b"Content-Encoding: gzip\r\n"))) as target:
        outcome = await call(runner, target.url)
    assert (outcome.response.body, outcome.response.truncated) == (packed, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(runner, status):
    async with Target(answering(b"")) as elsewhere:
        answer = b"HTTP/1.1 %d Elsewhere\r\nLocation: %b/\r\nContent-Length: 0\r\n\r\n" % (
            status,
            elsewhere.url.encode(),
        )
        async with Target(answering(answer)) as target:
            outcome = await call(runner, target.url)
            assert len(target.requests) == 1
        assert (outcome.kind, outcome.response.status, elsewhere.connections) == (Kind.ANSWERED, status, 0)


async def test_a_cookie_is_not_sent_back(runner):
    async with Target(answering(_with_length(b"", b"Set-Cookie: a=b\r\n"))) as target:
        await call(runner, target.url)
        await call(runner, target.url)
        assert [request.header("Cookie") for request in target.requests] == [None, None]


async def test_an_answer_before_the_body_was_read_counts(runner):
    async def hasty(peer):
        await peer.writer.drain()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await peer.request()

    async with Target(hasty) as target:
        outcome = await call(runner, target.url, method="POST", body=b"x" * 1_048_576, body_kind="text")
    assert (outcome.kind, outcome.response.status) == (Kind.ANSWERED, 413)
