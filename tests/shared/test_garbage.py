"""What is no request, or two requests to some readers of HTTP: 400, and nothing after it on that connection."""

import asyncio
import json
import re

import pytest

from .serving import Server

POST = b"POST /read HTTP/1.1\r\nHost: localhost\r\n"
HIDDEN = b"GET /in HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

BAD = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + b"\x00" * 40,
    "http-0.9": b"GET /in\r\n\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "method-with-space": b"GE T /in HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long-method": b"G" * 9_000 + b" /in HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no-target": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "control-in-target": b"GET /i\x01n HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long-target": b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no-host": b"GET /in HTTP/1.1\r\n\r\n",
    "two-hosts": b"GET /in HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "long-header": b"GET /in HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 10_000 + b"\r\n\r\n",
    "long-name": b"GET /in HTTP/1.1\r\nHost: localhost\r\n" + b"x" * 10_000 + b": 1\r\n\r\n",
    "many-headers": b"GET /in HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 1_000 + b"\r\n",
    "no-colon": b"GET /in HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n",
    "space-before-colon": POST + b"Content-Length : 4\r\n\r\nabcd",
    "space-before-name": POST + b" Content-Length: 4\r\n\r\nabcd",
    "nul-in-value": b"GET /in HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
    "bare-cr": b"GET /in HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b\r\n\r\n",
    "bad-name": b"GET /in HTTP/1.1\r\nHost: localhost\r\nX(: a\r\n\r\n",
    "two-lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    "one-length-twice": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "list-of-lengths": POST + b"Content-Length: 4, 4\r\n\r\nabcd",
    "signed-length": POST + b"Content-Length: +4\r\n\r\nabcd",
    "negative-length": POST + b"Content-Length: -4\r\n\r\nabcd",
    "hexadecimal-length": POST + b"Content-Length: 0x4\r\n\r\nabcd",
    "underscored-length": POST + b"Content-Length: 0_4\r\n\r\nabcd",
    "no-length": POST + b"Content-Length: \r\n\r\nabcd",
    "huge-length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabcd",
    "length-and-chunked": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-and-length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "chunked-not-last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked-twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "almost-chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "space-in-chunked": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "bad-chunk-size": CHUNKED + b"zz\r\n",
    "signed-chunk-size": CHUNKED + b"+4\r\nabcd\r\n0\r\n\r\n",
    "hexadecimal-chunk-size": CHUNKED + b"0x4\r\nabcd\r\n0\r\n\r\n",
    "huge-chunk-size": CHUNKED + b"fffffffffffffffffff\r\nabcd\r\n0\r\n\r\n",
    "chunk-longer-than-said": CHUNKED + b"2\r\nabcd\r\n0\r\n\r\n",
}


@pytest.fixture
async def server():
    async with Server() as server:
        yield server


async def _answers(server: Server, data: bytes) -> list[bytes]:
    """Return the answers to some bytes and to a request hidden behind them."""
    reader, writer = await server.connect()
    writer.write(data + HIDDEN)
    got = b""
    try:
        async with asyncio.timeout(3):
            while part := await reader.read(65_536):
                got += part
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return re.split(rb"HTTP/1\.[01] ", got)[1:]


@pytest.mark.parametrize("name", BAD)
async def test_it_is_refused_and_no_request_hides_behind_it(server, name, caplog):
    (answer,) = await _answers(server, BAD[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert answer[:3] == b"400", answer
    assert b"keep-alive" not in head.lower()
    assert json.loads(body)["type"] == "malformed"
    assert [record for record in caplog.records if record.exc_info] == []
    assert (await server.ask("/in"))[0] == 200


async def test_requests_one_behind_the_other_are_all_answered_in_order(server):
    # the control of the one above: what is well-formed does get its second answer
    reader, writer = await server.connect()
    writer.write(POST + b"Content-Length: 4\r\n\r\nabcd" + CHUNKED + b"2\r\nab\r\n0\r\n\r\n" + HIDDEN)
    got = b""
    async with asyncio.timeout(5):
        while got.count(b"HTTP/1.1 200") < 3:
            got += await reader.read(65_536)
    assert got.index(b'"bytes":4') < got.index(b'"bytes":2') < got.index(b'"role"')
    writer.close()
