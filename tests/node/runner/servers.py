"""Targets written by hand, so that every byte on the wire is known, and calls to them."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Self

from taskpusher.job import Spec
from taskpusher_node.lifecycle import Head, State
from taskpusher_node.retry import Outcome
from taskpusher_node.runner.http import HttpRunner

UID = "0198c0de000070008000000000000001-n1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DUE_MS = 1_795_562_012_123  # 2026-11-24T23:13:32.123Z


class Request:
    """What a target read: the request line, the headers as they were written, the body."""

    def __init__(self, head: bytes) -> None:
        line, *fields = head.decode("utf-8").rstrip("\r\n").split("\r\n")
        self.method, self.path, self.version = line.split(" ")
        self.fields = [tuple(field.split(": ", 1)) for field in fields]
        self.body = b""

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """Return the one value of a header, None where it was not sent."""
        values = self.all(name)
        assert len(values) <= 1, values
        return values[0] if values else None


class Peer:
    """One connection, seen from the target."""

    def __init__(self, target: "Target", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self.writer = writer
        self.calls = 0

    async def request(self) -> Request | None:
        """Read a request and count it; None where the connection was closed."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        request = Request(head)
        self._target.requests.append(request)
        self.calls += 1
        request.body = await self._reader.readexactly(int(request.header("Content-Length") or 0))
        return request

    async def some_bytes(self) -> bytes:
        """Read what is there, whatever it is."""
        return await self._reader.read(65_536)

    def send(self, data: bytes) -> None:
        """Write some bytes."""
        self.writer.write(data)

    def hang_up(self) -> None:
        """Close the connection, what is in the buffers still goes out."""
        self.writer.close()

    async def closed(self) -> None:
        """Wait until the caller has closed the connection."""
        try:
            while await self._reader.read(65_536):
                pass
        except ConnectionError:
            pass


Behave = Callable[[Peer], Awaitable[None]]


class Target:
    """A server on a free port that does with each connection what it is told."""

    def __init__(self, behave: Behave, tls: ssl.SSLContext | None = None) -> None:
        self._behave = behave
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task] = set()
        self.requests: list[Request] = []
        self.connections = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def calls(self) -> list[str]:
        """Return the TaskPusher-Call of every request that came."""
        return [request.header("TaskPusher-Call") for request in self.requests]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.create_task(self._serve(Peer(self, reader, writer))))

    async def _serve(self, peer: Peer) -> None:
        try:
            await self._behave(peer)
        finally:
            peer.hang_up()


def answering(data: bytes) -> Behave:
    """Answer every request with these bytes, on a kept connection."""

    async def behave(peer: Peer) -> None:
        while await peer.request() is not None:
            peer.send(data)

    return behave


def answering_once(data: bytes) -> Behave:
    """Answer the first request with these bytes and close the connection."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        peer.send(data)

    return behave


async def call(runner: HttpRunner, url: str, *, head: Head | None = None, **fields: object) -> Outcome:
    """Make one call."""
    fields.setdefault("timeout_s", 5.0)
    spec = Spec(url=url, host="target:80", **fields)
    head = head or Head(State.RUNNING, 1, due_ms=DUE_MS, started_ms=DUE_MS, attempt=1)
    return await runner.call(UID, spec, head)


@contextmanager
def full_backlog() -> Iterator[str]:
    """Give the URL of a server that accepts no connection, and whose backlog is full."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):  # a backlog of 0 holds one or two, depending on the kernel
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}/"
