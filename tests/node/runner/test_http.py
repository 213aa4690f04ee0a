"""One call over HTTP: what ends it, and what is known of it then."""

import asyncio
import socket
import subprocess

import pytest

from taskpusher_node.retry import Kind

from .servers import OK, Target, answering, answering_once, call, full_backlog


async def test_an_answer_is_kept_with_its_status_headers_and_body(runner):
    answer = b"HTTP/1.1 404 Not Found\r\nX-A: 1\r\nx-a: \xe9\r\nContent-Length: 3\r\n\r\n\xff\x00a"
    async with Target(answering(answer)) as target:
        outcome = await call(runner, target.url)
    assert (outcome.kind, outcome.error) == (Kind.ANSWERED, None)
    assert outcome.response.status == 404
    assert outcome.response.headers == [("X-A", "1"), ("x-a", "\xe9"), ("Content-Length", "3")]
    assert (outcome.response.body, outcome.response.truncated) == (b"\xff\x00a", False)
    assert 0 < outcome.duration_s < 5


async def test_a_name_that_cannot_be_resolved_is_dns(runner):
    outcome = await call(runner, "http://nothing.invalid/")
    assert (outcome.kind, outcome.response) == (Kind.DNS, None)
    assert outcome.error.startswith("cannot resolve nothing.invalid: ")


async def test_a_refused_connection_is_connect(runner):
    with socket.socket() as bound:  # bound, but nobody listens
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        outcome = await call(runner, f"http://127.0.0.1:{port}/")
    assert outcome.kind is Kind.CONNECT
    assert outcome.error == f"cannot connect to 127.0.0.1:{port}: Connection refused"


async def test_a_connection_that_is_not_accepted_in_time_is_connect(runner):
    with full_backlog() as url:
        outcome = await call(runner, url, timeout_s=0.3)
    assert outcome.kind is Kind.CONNECT
    assert outcome.error == "no connection within 0.3 s"


async def test_https_to_a_server_without_tls_is_tls(runner):
    async def plain(peer):
        await peer.some_bytes()
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with Target(plain) as target:
        outcome = await call(runner, target.url.replace("http:", "https:"))
        assert (outcome.kind, target.requests) == (Kind.TLS, [])


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            cert,
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def _context(self_signed):
    import ssl  # noqa: PLC0415 - only two tests need it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed)
    return context


async def test_a_certificate_that_nobody_trusts_is_tls_and_the_request_is_not_sent(runner, self_signed):
    async with Target(answering(OK), tls=_context(self_signed)) as target:
        outcome = await call(runner, target.url)
        assert (outcome.kind, target.requests) == (Kind.TLS, [])
    assert "certificate" in outcome.error.lower()


async def test_silence_after_the_request_is_a_timeout(runner):
    async def silent(peer):
        await peer.request()
        await peer.closed()

    async with Target(silent) as target:
        outcome = await call(runner, target.url, timeout_s=0.2)
        assert target.calls() == ["1"]
    assert (outcome.kind, outcome.error) == (Kind.TIMEOUT, "no whole answer within 0.2 s")
    assert 0.15 < outcome.duration_s < 2


async def test_silence_in_the_middle_of_the_body_is_a_timeout_and_the_target_sees_the_connection_close(runner):
    seen = asyncio.Event()

    async def half(peer):
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await peer.closed()
        seen.set()

    async with Target(half) as target:
        outcome = await call(runner, target.url, timeout_s=0.2)
        await asyncio.wait_for(seen.wait(), 2)
    assert (outcome.kind, outcome.response) == (Kind.TIMEOUT, None)


async def test_an_answer_that_drips_for_ever_ends_at_the_timeout(runner):
    async def drip(peer):
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not peer.writer.transport.is_closing():
            peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.02)

    async with Target(drip) as target:
        outcome = await call(runner, target.url, timeout_s=0.3)
    assert outcome.kind is Kind.TIMEOUT
    assert outcome.duration_s < 2


@pytest.mark.parametrize(
    "junk",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00" * 60_000,
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: a\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    ],
    ids=[
        "ssh",
        "zeros",
        "status",
        "negative-length",
        "bad-chunk",
        "long-header",
        "many-headers",
        "two-lengths",
        "no-colon",
    ],
)
async def test_junk_instead_of_an_answer_is_a_disconnect(runner, junk):
    async with Target(answering_once(junk)) as target:
        outcome = await call(runner, target.url, timeout_s=3)
        assert target.calls() == ["1"]
    assert outcome.kind is Kind.DISCONNECT
    assert len(outcome.error) < 1_000


async def test_cancelling_a_call_closes_its_connection(runner):
    began, seen = asyncio.Event(), asyncio.Event()

    async def silent(peer):
        await peer.request()
        began.set()
        await peer.closed()
        seen.set()

    async with Target(silent) as target:
        task = asyncio.create_task(call(runner, target.url, timeout_s=60))
        await asyncio.wait_for(began.wait(), 2)
        task.cancel()
        await asyncio.wait_for(seen.wait(), 2)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_cancelling_a_call_in_the_middle_of_its_answer_closes_its_connection(runner):
    began, seen = asyncio.Event(), asyncio.Event()

    async def half(peer):
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        began.set()
        await peer.closed()
        seen.set()

    async with Target(half) as target:
        task = asyncio.create_task(call(runner, target.url, timeout_s=60))
        await asyncio.wait_for(began.wait(), 2)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait_for(seen.wait(), 2)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closing_the_runner_closes_kept_connections(runner):
    seen = asyncio.Event()

    async def keep(peer):
        await peer.request()
        peer.send(OK)
        await peer.closed()
        seen.set()

    async with Target(keep) as target:
        await call(runner, target.url)
        assert not seen.is_set()
        await runner.close()
        await asyncio.wait_for(seen.wait(), 2)
