"""The lean reference: two protocols that read HTTP with bytes.find. What the loop and the kernel of this machine allow.

python lean.py PORT TARGET_URL IN_FLIGHT adds|drain|both

It understands only the clients and targets of this load test. It is the target, too, where there is no nginx.
"""

import asyncio
import gc
import json
import sys
from itertools import count
from urllib.parse import urlsplit

import uvloop
from processes import LOOPBACK

_LENGTH = b"\r\nContent-Length: "
_ADDED = b'{"uid":"0123456789abcdef0123456789abcdef-bench"}'


def whole(data: bytes) -> bool:
    """Tell whether a message has arrived up to its end."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    start = data.find(_LENGTH, 0, end)
    length = int(data[start + len(_LENGTH) : data.find(b"\r\n", start + 2)]) if start >= 0 else 0
    return len(data) >= end + 4 + length


class Lean:
    """Counts what it answers and what it calls."""

    def __init__(self, target_url: str, mode: str) -> None:
        parts = urlsplit(target_url)
        self.address = parts.hostname or LOOPBACK, parts.port or 80
        self._before = f"GET {parts.path}?l=".encode()
        self._after = f" HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\n\r\n".encode()
        self._mode = mode
        self._numbers = count()
        self._requests = 0
        self._going = mode != "drain"  # a drain begins when the bench resumes it
        self._idle: list[Caller] = []
        self._states = {"waiting": 0, "running": 0, "completed": 0, "error": 0}

    def answer(self, request: bytes) -> bytes:
        """Return the answer to a whole request."""
        self._requests += 1
        if request.startswith(b"POST /add "):
            self._states["waiting"] += 1
            if self._mode == "both":
                self._start()
            return _response(b"201 Created", _ADDED)
        if request.startswith(b"POST /queues/default/"):
            self._going = request.startswith(b"POST /queues/default/resume ")
            self._start()
            return _response(b"200 OK", b"{}")
        if request.startswith(b"GET /status "):  # in the words of nginx's stub_status
            return _response(b"200 OK", b"\n\n0 0 %d\n" % self._requests)
        return _response(b"200 OK", json.dumps({"states": self._states}).encode())

    def free(self, caller: "Caller", *, ended: bytes | None) -> None:
        """A connection can take a call, perhaps after one that has ended with an answer."""
        self._idle.append(caller)
        if ended is not None:
            self._states["running"] -= 1
            self._states["completed" if ended.startswith(b"HTTP/1.1 200 ") else "error"] += 1
        self._start()

    def _start(self) -> None:
        states = self._states
        while self._going and self._idle and (self._mode == "drain" or states["waiting"]):
            if self._mode == "both":
                states["waiting"] -= 1
            states["running"] += 1
            self._idle.pop().call(self._before + str(next(self._numbers)).encode() + self._after)


class Answerer(asyncio.Protocol):
    """A connection that requests come by, one after the other."""

    def __init__(self, lean: Lean) -> None:
        self._lean = lean
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        self._read += data
        if whole(self._read):
            request, self._read = self._read, b""
            self._transport.write(self._lean.answer(request))  # type: ignore[attr-defined]


class Caller(asyncio.Protocol):
    """A connection to the target, for one call at a time."""

    def __init__(self, lean: Lean) -> None:
        self._lean = lean
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the first call."""
        self.call = transport.write  # type: ignore[attr-defined]
        self._lean.free(self, ended=None)

    def data_received(self, data: bytes) -> None:
        """End the call when its answer is whole, and take the next one."""
        self._read += data
        if whole(self._read):
            answer, self._read = self._read, b""
            self._lean.free(self, ended=answer)


def _response(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return head + body


async def _main(port: int, target_url: str, in_flight: int, mode: str) -> None:
    lean = Lean(target_url, mode)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answerer(lean), LOOPBACK, port, backlog=1024)
    for _ in range(in_flight):
        await loop.create_connection(lambda: Caller(lean), *lean.address)
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
