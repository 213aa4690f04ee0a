"""One process that the supervisor keeps: ends with its parent, says when it is ready, its lines carry its name."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from taskpusher.exits import Exit

_READ = 65_536
_LINE_MAX = 1 << 20
_PR_SET_PDEATHSIG = 1

log = structlog.get_logger(process="local")


class Child:
    """A command of TaskPusher by its name; `start` may be called again after its end."""

    def __init__(self, name: str, arguments: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.arguments = arguments
        self.ready = asyncio.Event()  # it was, at least once
        self.leaving = asyncio.Event()  # it is to end, and is not started again
        self._env = {**env, "NOTIFY_SOCKET": str(folder / name)}
        self._process: Process | None = None
        self._lines: list[asyncio.Task[None]] = []

    @property
    def runs(self) -> bool:
        """Whether there is a process of it."""
        return self._process is not None

    async def listen(self) -> None:
        """Hear from it, as a service manager would, that it is ready."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(self._env["NOTIFY_SOCKET"])
        sock.setblocking(False)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Notices(self.ready), sock=sock)

    async def start(self) -> None:
        """Start the process; raises OSError."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            sys.argv[0],  # `taskpusher`, as it was found for us
            *self.arguments,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=self._env,
            start_new_session=True,  # a Ctrl-C is for us; we pass it on
            preexec_fn=_end_with_parent(),
        )
        self._process = process
        assert process.stdout is not None  # noqa: S101 - PIPE says so
        assert process.stderr is not None  # noqa: S101
        self._lines = [
            asyncio.create_task(self._pass_on(process.stdout, sys.stdout.buffer)),
            asyncio.create_task(self._pass_on(process.stderr, sys.stderr.buffer)),
        ]
        log.info("started", child=self.name, pid=process.pid)
        if self.leaving.is_set():
            self.signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait for its end and its last lines; returns its exit code, of a signal the negative number."""
        assert self._process is not None  # noqa: S101 - it was started
        code = await self._process.wait()
        await asyncio.gather(*self._lines)
        self._process = None
        return code

    def leave(self) -> None:
        """Have it end."""
        self.leaving.set()
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, where it runs."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _pass_on(self, lines: asyncio.StreamReader, to: BinaryIO) -> None:
        rest = b""
        while chunk := await lines.read(_READ):
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LINE_MAX:
                whole, rest = [*whole, rest], b""
            _write(to, b"".join(named(self.name, line) for line in whole))
        if rest:
            _write(to, named(self.name, rest))


def named(name: str, line: bytes) -> bytes:
    """Say in a line whose it is: JSON gets a field in front, all else the name. What the line says is not read."""
    if line.startswith(b'{"'):
        return b'{"process":"%s",%s\n' % (name.encode(), line[1:])
    return b"%s: %s\n" % (name.encode(), line)


def _write(to: BinaryIO, lines: bytes) -> None:
    # whoever read the lines has gone, or its disk is full: that is no reason to stop running jobs
    with suppress(OSError):
        to.write(lines)
        to.flush()


class _Notices(asyncio.DatagramProtocol):
    def __init__(self, ready: asyncio.Event) -> None:
        self._ready = ready

    def datagram_received(self, data: bytes, _: object) -> None:
        if b"READY=1" in data.split(b"\n"):
            self._ready.set()


def _end_with_parent() -> Callable[[], None] | None:
    """Return what has the kernel kill a child whose parent is gone, however that ended; only Linux can do that."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def set_up() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before it could be asked for
            os._exit(Exit.FAILED)

    return set_up
