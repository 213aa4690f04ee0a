"""Real nodes as processes, and a real target that counts what it was asked."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import aiohttp
from aiohttp import web

START_WITHIN_S = 20


# hundreds of stores: none of them needs a ballast, nor a machine with much room; a test that does says so by flags
LITTLE_DISK = {"TASKPUSHER_BALLAST": "0", "TASKPUSHER_DISK_RESERVE": "1M"}

COMMAND = (Path(sys.executable).with_name("taskpusher"),)


def without(guard: str) -> tuple[str | Path, ...]:
    """Return the command of a node that lacks a guard: what controls start."""
    return sys.executable, Path(__file__).with_name("unguarded.py"), guard


class NodeProcess:
    """A `taskpusher` process on a store; its log goes to a file, its address comes from its log."""

    def __init__(self, folder: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.store = folder / "store"
        self.log = folder / "node.log"
        self.flags = flags
        self.env = LITTLE_DISK | (env or {})
        self.command: tuple[str | Path, ...] = COMMAND
        self.address = "127.0.0.1:0"
        self.url = ""
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *flags: str) -> "NodeProcess":
        """Start it, and wait until it is ready."""
        seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                *self.arguments(),
                *self.flags,
                *flags,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env},
            )
        async with asyncio.timeout(START_WITHIN_S):
            while True:
                lines = self.log.read_bytes()[seen:].splitlines()
                ready = next((json.loads(line) for line in lines if b'"event":"ready"' in line), None)
                if ready is not None:
                    self.url = ready["addresses"][0]
                    return self
                assert self.process.returncode is None, lines
                await asyncio.sleep(0.02)

    def arguments(self) -> list[str]:
        """Return what its command line says in any case."""
        return [f"--address={self.address}", f"--store={self.store}"]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def wait(self, within_s: float = 30) -> int:
        """Return its exit code."""
        assert self.process is not None
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def events(self, name: str) -> list[dict]:
        """Return the log lines of one event."""
        lines = [json.loads(line) for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]
        return [line for line in lines if line["event"] == name]


class RouterProcess(NodeProcess):
    """A `taskpusher router` process."""

    def arguments(self) -> list[str]:
        """Return what its command line says in any case."""
        return ["router", f"--address={self.address}"]


class Target:
    """An application: /ok answers 200, /hang never answers, /slow?s=N after N seconds. It counts calls by job.

    /accept answers 202 and takes the job over.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.numbers: list[tuple[str, str]] = []
        self.tokens: dict[str, str] = {}  # of the last call of each job
        self.url = ""
        self._runner: web.AppRunner | None = None
        self.released = asyncio.Event()

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close it."""
        assert self._runner is not None
        await self._runner.cleanup()

    async def called(self, n: int) -> None:
        """Wait until `n` calls have come in all."""
        async with asyncio.timeout(20):
            while self.calls.total() < n:
                await asyncio.sleep(0.01)

    async def _answer(self, request: web.Request) -> web.Response:
        uid = request.headers.get("TaskPusher-Job", "")
        self.calls[uid] += 1
        self.numbers.append((uid, request.headers.get("TaskPusher-Call", "")))
        self.tokens[uid] = request.headers.get("TaskPusher-Token", "")
        if request.path == "/accept":
            return web.Response(status=202, headers={"TaskPusher-Outcome": "accepted; lease=600"})
        if request.path == "/hang":
            await self.released.wait()
        if request.path == "/slow":
            await asyncio.sleep(float(request.query["s"]))
        return web.Response(text="ok")


async def add(http: aiohttp.ClientSession, node: NodeProcess, **fields: object) -> str:
    """Add one job and return its uid."""
    async with http.post(f"{node.url}/add", json=fields) as answer:
        body = await answer.json()
        assert answer.status == 201, body
        return body["uid"]


async def say(
    http: aiohttp.ClientSession, node: NodeProcess, target: Target, uid: str, what: str, **fields: object
) -> int:
    """Say something of a job that the target has accepted; returns the status of the answer."""
    told = {"TaskPusher-Token": target.tokens[uid]}
    async with http.post(f"{node.url}/job/{uid}/{what}", json=fields, headers=told) as answer:
        return answer.status


async def job(http: aiohttp.ClientSession, node: NodeProcess, uid: str) -> dict:
    """Read one job."""
    async with http.get(f"{node.url}/job/{uid}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def counts(http: aiohttp.ClientSession, node: NodeProcess) -> dict[str, int]:
    """Read how many jobs are in each state."""
    async with http.get(f"{node.url}/stats") as answer:
        return (await answer.json())["states"]


async def until(http: aiohttp.ClientSession, node: NodeProcess, within_s: float = 20, **wanted: int) -> dict[str, int]:
    """Wait until as many jobs as said are in the states."""
    async with asyncio.timeout(within_s):
        while True:
            seen = await counts(http, node)
            if all(seen[state] == n for state, n in wanted.items()):
                return seen
            await asyncio.sleep(0.02)


async def health_times(
    node: NodeProcess, over: Callable[[], bool], *, http: aiohttp.ClientSession | None = None, every_s: float = 0.01
) -> list[float]:
    """Ask for /health until it is over; return how long each answer took. Without `http` on a new connection each."""
    took = []
    while not over():
        session = http or aiohttp.ClientSession()
        start = time.monotonic()
        async with session.get(f"{node.url}/health") as answer:
            assert answer.status == 200
        took.append(time.monotonic() - start)
        if session is not http:
            await session.close()
        await asyncio.sleep(every_s)
    return took


def free_port() -> int:
    """Return a free port that no connection takes by chance while the node is down; never the same one again."""
    for port in _ports():
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@cache
def _ports() -> Iterator[int]:
    """Return all ports below those that connections take, in an order of this run."""
    below = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return iter(random.sample(range(10_000, below), below - 10_000))
