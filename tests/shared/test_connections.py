"""Client connections: how many, how slow, and that a client which is neither is never cut off."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

from taskpusher import connections

from .serving import Server

HEAD = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
WHOLE = b"GET /in HTTP/1.1\r\nHost: localhost\r\n\r\n"
CUT_WITHIN_S = 5.0  # it takes less than one; this machine may be busy
OFF = 1_000.0  # a limit that is not reached


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Time runs faster for these."""
    monkeypatch.setattr(connections, "_SWEEP_S", 0.05)
    monkeypatch.setattr(connections, "_SLOW_AFTER_S", 0.1)
    monkeypatch.setattr(connections, "_NEW_S", 0.01)
    monkeypatch.setattr(connections, "PACE_OVER_S", 0.4)


async def _drip(writer: asyncio.StreamWriter, data: bytes, every_s: float = 0.05) -> None:
    """Send one byte after another for as long as anybody takes them."""
    try:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(every_s)
    except ConnectionError:
        pass


async def _ends(reader: asyncio.StreamReader, within_s: float = 1.0) -> bytes | None:
    """Return all that came until the end of the connection, None if it has not ended.

    A client that goes on sending loses the answer where its bytes cross the end: that is TCP's way.
    """
    got = b""
    try:
        async with asyncio.timeout(within_s):
            while part := await reader.read(65_536):
                got += part
    except TimeoutError:
        return None
    except ConnectionError:
        pass
    return got


@asynccontextmanager
async def _dripping(server: Server, head: bytes, slow: bytes):
    reader, writer = await server.connect()
    writer.write(head)
    task = asyncio.create_task(_drip(writer, slow))
    try:
        yield reader
    finally:
        task.cancel()
        writer.close()


def _problem(answer: bytes | None) -> tuple[int, str]:
    assert answer, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"taskpusher-version:" in head.lower()
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)["type"]


# -- headers


@pytest.mark.parametrize(("headers_s", "is_cut"), [(0.4, True), (OFF, False)])
async def test_headers_that_drip_are_cut_off_in_time(headers_s, is_cut):
    async with Server(headers_s=headers_s) as server, _dripping(server, b"", WHOLE[:-4] + b"X" * 99) as reader:
        answer = await _ends(reader, CUT_WITHIN_S if is_cut else 1.0)
        assert (answer is not None) == is_cut
        assert not answer or _problem(answer) == (408, "too-slow")


async def test_a_connection_that_says_nothing_is_closed_as_silently():
    async with Server(headers_s=0.4) as server:
        reader, writer = await server.connect()
        assert await _ends(reader, CUT_WITHIN_S) == b""
        writer.close()


@pytest.mark.parametrize(("headers_s", "is_cut"), [(0.4, True), (OFF, False)])
async def test_the_headers_of_a_later_request_are_due_as_soon_as_they_have_begun(headers_s, is_cut):
    async with Server(headers_s=headers_s) as server:
        reader, writer = await server.connect()
        writer.write(WHOLE)
        assert b"admin" in await reader.read(9_999)
        await asyncio.sleep(0.6)  # idle: longer than the headers may take, and that is fine
        writer.write(WHOLE)
        assert b"admin" in await reader.read(9_999)
        writer.write(WHOLE[:10])
        answer = await _ends(reader, CUT_WITHIN_S if is_cut else 1.0)
        assert (answer is not None) == is_cut
        assert not is_cut or _problem(answer) == (408, "too-slow")
        writer.close()


# -- bodies


@pytest.mark.parametrize(("min_rate", "is_cut"), [(1_024, True), (0, False)])
async def test_a_body_that_drips_is_cut_off_with_408(min_rate, is_cut):
    async with Server(min_rate=min_rate) as server, _dripping(server, HEAD, b"x" * 99) as reader:
        answer = await _ends(reader, CUT_WITHIN_S if is_cut else 1.0)
        assert (answer is not None) == is_cut
        assert not answer or _problem(answer) == (408, "too-slow")


async def test_a_body_that_drips_often_is_cut_off_as_well():
    async with Server(min_rate=1_000_000) as server:
        reader, writer = await server.connect()
        writer.write(HEAD)
        task = asyncio.create_task(_drip(writer, b"x" * 200_000, every_s=0))
        answer = await _ends(reader, CUT_WITHIN_S)
        assert answer is not None
        assert not answer or _problem(answer) == (408, "too-slow")
        task.cancel()
        writer.close()


@pytest.mark.parametrize(("min_rate", "is_cut"), [(1_024, True), (0, False)])
async def test_a_body_that_began_fast_and_then_stands_still_is_cut_off_too(min_rate, is_cut):
    async with Server(min_rate=min_rate) as server:
        reader, writer = await server.connect()
        writer.write(HEAD + b"x" * 150_000)
        answer = await _ends(reader, CUT_WITHIN_S if is_cut else 1.0)
        assert (answer is not None) == is_cut
        assert not is_cut or _problem(answer) == (408, "too-slow")
        writer.close()


async def test_a_body_that_keeps_its_pace_may_take_long():
    async with Server(min_rate=10_000) as server:
        reader, writer = await server.connect()
        writer.write(HEAD)
        for _ in range(10):
            writer.write(b"x" * 20_000)
            await asyncio.sleep(0.1)
        assert b"200 OK" in await reader.readline()
        writer.close()


async def test_a_client_that_waits_for_its_answer_may_wait_for_long():
    async with Server(headers_s=0.4) as server:
        reader, writer = await server.connect()
        writer.write(WHOLE.replace(b"/in", b"/hang"))
        assert await _ends(reader, 1.0) is None
        server.released.set()
        assert b"200 OK" in await reader.readline()
        writer.close()


async def test_a_client_is_not_blamed_for_what_this_process_slept_through():
    async with Server(headers_s=0.4) as server:
        reader, writer = await server.connect()
        writer.write(HEAD + b"x" * 100_000)
        await asyncio.sleep(0.3)
        writer.write(b"x" * 100_000)
        time.sleep(1.0)  # noqa: ASYNC251 - nothing at all runs meanwhile
        assert b"200 OK" in await reader.readline()
        writer.close()


async def _answer_to_a_broken_chunk(server: Server, within_s: float) -> bytes | None:
    reader, writer = await server.connect()
    writer.write(b"POST /read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n")
    await asyncio.sleep(0.1)
    writer.write(b"this is no chunk\r\n\r\n")
    answer = await _ends(reader, within_s)
    writer.close()
    return answer


async def test_a_body_that_turns_into_junk_is_answered_at_once(caplog):
    async with Server(min_rate=0) as server:
        assert _problem(await _answer_to_a_broken_chunk(server, CUT_WITHIN_S)) == (400, "malformed")
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("min_rate", [1_024, 0])
async def test_junk_that_is_not_noticed_is_a_body_that_stands_still(monkeypatch, min_rate):
    monkeypatch.setattr(connections, "RawRequestMessage", object)
    async with Server(min_rate=min_rate) as server:
        answer = await _answer_to_a_broken_chunk(server, CUT_WITHIN_S if min_rate else 1.0)
        assert (answer is not None) == bool(min_rate)
        assert not min_rate or _problem(answer) == (408, "too-slow")


# -- answers


@pytest.mark.parametrize(("min_rate", "is_cut"), [(1_024, True), (0, False)])
async def test_a_client_that_does_not_read_its_answer_is_cut_off(min_rate, is_cut):
    async with Server(min_rate=min_rate) as server:
        _, writer = await server.connect()
        writer.write(b"GET /big/50000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(1.5)
        assert server.open_connections() == (0 if is_cut else 1)
        writer.transport.abort()


async def test_a_client_that_reads_slowly_but_reads_gets_all_of_its_answer():
    async with Server(min_rate=1_024) as server:
        reader, writer = await server.connect()
        writer.write(b"GET /big/8000000 HTTP/1.0\r\n\r\n")
        got = 0
        while part := await reader.read(400_000):
            got += len(part)
            await asyncio.sleep(0.05)
        assert got > 7_900_000
        writer.close()


# -- how many


async def test_those_idle_longest_make_room_for_newcomers(monkeypatch):
    monkeypatch.setattr(connections, "_ROOM_SHARE", 2)
    async with Server(connections=5) as server:
        clients = []
        for _ in range(5):
            clients.append(await server.connect())
            clients[-1][1].write(WHOLE)
            assert b"200 OK" in await clients[-1][0].readline()
            await asyncio.sleep(0.15)
        assert (await server.ask("/in"))[0] == 200
        assert server.open_connections() == 4
        ended = [await _ends(reader, 0.1) is not None for reader, _ in clients]
        assert ended == [True, True, False, False, False]
        for _, writer in clients:
            writer.close()


async def test_no_request_is_given_up_for_a_newcomer_which_is_told():
    async with Server(connections=3) as server:
        clients = [await server.connect() for _ in range(3)]
        for _, writer in clients:
            writer.write(WHOLE.replace(b"/in", b"/hang"))
        await asyncio.sleep(0.5)
        reader, writer = await server.connect()
        answer = await _ends(reader, CUT_WITHIN_S)
        assert _problem(answer) == (503, "busy")
        assert b"Retry-After: 1" in answer
        writer.close()
        server.released.set()
        for reader, writer in clients:
            assert b"200 OK" in await reader.readline()
            writer.close()


@pytest.mark.parametrize("slow", [(b"", WHOLE[:-4] + b"X" * 200), (HEAD, b"x" * 200)], ids=["headers", "bodies"])
@pytest.mark.parametrize("makes_room", [True, False])
async def test_slow_senders_beyond_all_limits_keep_nobody_out(monkeypatch, slow, makes_room):
    monkeypatch.setattr(connections, "PACE_OVER_S", OFF)
    if not makes_room:
        monkeypatch.setattr(connections._Server, "_make_room", lambda _: False)
    async with Server(connections=20, headers_s=OFF) as server:
        senders = [await server.connect() for _ in range(40)]
        for _, writer in senders:
            writer.write(slow[0])
        tasks = [asyncio.create_task(_drip(writer, slow[1])) for _, writer in senders]
        await asyncio.sleep(0.4)
        assert server.open_connections() == 20
        answered = 0
        for _ in range(10):
            answered += await _is_answered(server, tries=3)
        assert answered == (10 if makes_room else 0)
        for task in tasks:
            task.cancel()
        for _, writer in senders:
            writer.transport.abort()


async def _is_answered(server: Server, *, tries: int) -> bool:
    """Ask as a client does that is told to come again: for a moment no sender may be known to be slow."""
    for _ in range(tries):
        reader, writer = await server.connect()
        writer.write(WHOLE)
        line = await _ends_line(reader)
        writer.close()
        if b"200 OK" in line:
            return True
        await asyncio.sleep(0.1)
    return False


async def _ends_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


async def test_connections_that_end_are_counted_out():
    async with Server() as server:
        clients = [await server.connect() for _ in range(30)]
        await asyncio.sleep(0.1)
        assert server.open_connections() == 30
        for _, writer in clients[::2]:
            writer.close()
        for _, writer in clients[1::2]:
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert server.open_connections() == 0
