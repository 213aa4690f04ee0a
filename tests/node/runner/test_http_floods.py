"""Targets that send without end: what is read of them is bounded, and so is the time."""

import asyncio

import pytest

from taskpusher_node.retry import Kind
from taskpusher_node.runner import http

from .conftest import CAP, make_runner
from .servers import Target, call

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOUND = http.FRAMING_MAX_BYTES + http.FRAMING_SHARE * CAP

FLOODS = {
    "headers": (HEAD, b"A: " + b"a" * 4_000 + b"\r\n"),
    "one-header": (HEAD + b"A: ", b"a" * 4_000),
    "many-short-headers": (HEAD, b"A: a\r\n" * 600),
    "early-answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
    "chunk-extension": (CHUNKED + b"1;", b"a" * 4_000),
    "chunk-extensions": (CHUNKED, (b"1;" + b"a" * 1_000 + b"\r\nx\r\n") * 4),
    "trailers": (CHUNKED + b"0\r\n", b"A: " + b"a" * 4_000 + b"\r\n"),
    "reason": (b"HTTP/1.1 200 ", b"a" * 4_000),
    "blank-lines": (b"", b"\r\n" * 2_000),
}


def flood(start, part, sent):
    async def behave(peer):
        await peer.request()
        peer.send(start)
        try:
            while not peer.writer.transport.is_closing():
                peer.send(part)
                sent[0] += len(part)
                await peer.writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass

    return behave


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_of_what_is_no_body_is_broken_off(runner, kind):
    sent = [0]
    async with Target(flood(*FLOODS[kind], sent)) as target:
        outcome = await call(runner, target.url, timeout_s=20)
        assert target.calls() == ["1"]
    assert outcome.kind is Kind.DISCONNECT
    assert sent[0] < BOUND + 8_000_000  # what is on its way in the buffers of both ends counts as sent


@pytest.mark.parametrize("kind", ["early-answers", "chunk-extension", "blank-lines"])
async def test_without_the_bound_a_flood_goes_on_until_the_timeout(monkeypatch, kind):
    monkeypatch.setattr(http, "FRAMING_MAX_BYTES", 10**12)
    runner = make_runner()
    sent = [0]
    async with Target(flood(*FLOODS[kind], sent)) as target:
        outcome = await call(runner, target.url, timeout_s=0.8)
    await runner.close()
    assert outcome.kind is Kind.TIMEOUT
    assert sent[0] > BOUND


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", HEAD + b"Content-Length: 10000000000\r\n\r\n"])
async def test_ten_gigabytes_and_an_answer_without_an_end_are_cut(runner, head):
    sent = [0]
    async with Target(flood(head, b"x" * 65_536, sent)) as target:
        outcome = await call(runner, target.url, timeout_s=20)
    assert (outcome.kind, len(outcome.response.body), outcome.response.truncated) == (Kind.ANSWERED, CAP, True)
    assert sent[0] < 16_000_000


async def test_a_body_in_chunks_of_one_byte_is_no_flood(runner):
    async def crumbs(peer):
        await peer.request()
        peer.send(CHUNKED + b"1\r\nx\r\n" * CAP + b"0\r\n\r\n")

    async with Target(crumbs) as target:
        outcome = await call(runner, target.url, timeout_s=20)
    assert (outcome.kind, outcome.response.body, outcome.response.truncated) == (Kind.ANSWERED, b"x" * CAP, False)
