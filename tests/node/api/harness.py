"""A whole node in this process, a client that checks what every answer has in common, and a target."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp

from taskpusher import __version__
from taskpusher.settings import Loaded
from taskpusher_node.config import Config
from taskpusher_node.server import _Node

PROBLEM = {"type", "title", "status", "detail", "stored"}


ANSWERS = {
    "/fail": b"500 Oops",
    "/away": b"503 Away\r\nRetry-After: 60",
    "/accept": b"202 Accepted\r\nTaskPusher-Outcome: accepted; lease=600",
}


class Answer(NamedTuple):
    """What came back; `body` is the JSON, None where there was none."""

    status: int
    headers: Any
    body: Any


class Client:
    """Asks a daemon; each answer is checked for its version, each error for being a problem."""

    def __init__(self) -> None:
        self.url = ""
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self.stop()

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request."""
        async with self._http.request(method, self.url + path, **options) as answer:
            text = await answer.read()
            body = _read(answer.content_type, text)
            checked(answer.status, answer.headers, body, "" if path == "/ready" else answer.content_type)
            return Answer(answer.status, answer.headers, body)

    async def get(self, path: str, **options: Any) -> Any:
        """Return the body of a 200."""
        answer = await self.ask("GET", path, **options)
        assert answer.status == 200, answer
        return answer.body

    async def add(self, url: str, **fields: Any) -> str:
        """Add a job by JSON; returns its uid."""
        answer = await self.ask("POST", "/add", json={"url": url, **fields})
        assert answer.status == 201, answer
        return answer.body["uid"]

    async def until(self, uid: str, state: str) -> dict[str, Any]:
        """Wait until a job is in a state."""
        async with asyncio.timeout(10):
            while (job := await self.get(f"/job/{uid}"))["state"] != state:
                await asyncio.sleep(0.005)
        return job

    async def raw(self, data: bytes, *, end: bool = False) -> tuple[int, bytes]:
        """Send bytes on a connection of their own and return the status and all of the answer."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(data)
            if end:
                writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.close()
        return int(answer.split(b" ", 2)[1]) if answer else 0, answer


class Api(Client):
    """A node on a store of its own."""

    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__()
        settings = {"stop_grace": 0.0, "drain_timeout": 0.0, "name": "n1", "ballast": 0, **settings}
        settings.setdefault("address", "127.0.0.1:0")
        settings.setdefault("disk_reserve", 1 << 20)  # a machine with little room is no fault
        self.config = Config(store=folder / "store", **settings)
        self.node: _Node | None = None
        self._task: asyncio.Task[int] | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        ready = asyncio.Event()

        def tell(url: str, *_: str) -> None:
            self.url = url
            ready.set()

        self.node = _Node(self.config, tell, lambda: Loaded(self.config, {}, []))
        self._task = await running(self.node.run(), ready)

    def begin_stop(self) -> None:
        """What SIGTERM does."""
        self.node._stop.set()

    async def stop(self) -> int:
        """Stop it; returns the exit code."""
        self.begin_stop()
        return await asyncio.wait_for(self._task, 10)


async def running(run: Coroutine[Any, Any, int], ready: asyncio.Event) -> asyncio.Task[int]:
    """Return the task that runs a daemon, as soon as it is ready."""
    task = asyncio.create_task(run)
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    assert ready.is_set(), task
    return task


def _read(content_type: str, text: bytes) -> Any:
    """Return the JSON of a body, of NDJSON each line's; None where there is none."""
    if "json" not in content_type or not text:
        return None
    return [json.loads(line) for line in text.splitlines()] if "ndjson" in content_type else json.loads(text)


def checked(status: int, headers: Any, body: Any, content_type: str) -> None:
    """What every answer has, and every error besides."""
    assert headers["TaskPusher-Version"] == __version__
    if status >= 400 and content_type and not isinstance(body, list):
        assert content_type == "application/problem+json"
        assert body.keys() >= PROBLEM
        assert (body["status"], isinstance(body["detail"], str)) == (status, True)
        assert body["stored"] in (False, None)


def error(answer: Answer) -> tuple[int, str]:
    """Return the status and type of a problem."""
    return answer.status, answer.body["type"]


def paths(answer: Answer) -> list[str]:
    """Return the fields that a 422 names."""
    assert error(answer) == (422, "invalid-field")
    assert all(item["path"] and item["rule"] for item in answer.body["errors"])
    return sorted(item["path"] for item in answer.body["errors"])


class Target:
    """An application: /ok answers 200, /fail 500, /away 503, /hang when released, and it sees who hangs up.

    /accept answers 202 and takes the job over.
    """

    def __init__(self) -> None:
        self.url = ""
        self.host = ""
        self.jobs: list[str] = []
        self.tokens: dict[str, str] = {}  # of the last call of each job
        self.released = asyncio.Event()
        self.hung_up = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = f"http://{self.host}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.jobs += [line.split(": ")[1] for line in head.split("\r\n") if line.startswith("TaskPusher-Job:")]
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                self.tokens[fields.get("TaskPusher-Job", "")] = fields.get("TaskPusher-Token", "")
                path = head.split(" ", 2)[1]
                if path == "/hang" and not self.released.is_set():
                    await self._hang(reader)
                status = ANSWERS.get(path, b"200 OK")
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
        finally:
            writer.close()

    async def _hang(self, reader: asyncio.StreamReader) -> None:
        gone = asyncio.ensure_future(reader.read(1))
        released = asyncio.ensure_future(self.released.wait())
        await asyncio.wait({gone, released}, return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, released):
            task.cancel()
        if not self.released.is_set():
            raise ConnectionError
