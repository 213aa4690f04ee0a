"""Servers in the place of nodes that misbehave as a test says, and placers that hand jobs to them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
from aiohttp import web

from taskpusher.histogram import Histogram
from taskpusher_router.health import Health
from taskpusher_router.members import Member
from taskpusher_router.nodes import Link, Nodes
from taskpusher_router.pipe import BATCH_BOUNDS, Pipe
from taskpusher_router.placer import Placer

Behaviour = Callable[[list[dict[str, Any]]], Any]


class Scripted:
    """A node that says it is ready, and answers batches as its `behave` does: a list of results, or a response.

    A behaviour may also be `HANG` or `HANG_UP`: what it stores before is in `stored`.
    """

    HANG, HANG_UP = "hang", "hang up"

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: dict[str, Any] = {"state": "ready", "name": name, "store_id": f"id of {name}"}
        self.queues = b'{"queues":[]}'
        self.stored: dict[str, dict[str, Any]] = {}
        self.batches: list[list[dict[str, Any]]] = []
        self.behave: Behaviour = lambda batch: [self.store(envelope) for envelope in batch]
        self.gate = asyncio.Event()
        self.gate.set()
        self.ready_gate = asyncio.Event()
        self.ready_gate.set()
        self.member = Member(name, "")
        self._runner: web.AppRunner | None = None

    def store(self, envelope: dict[str, Any]) -> dict[str, Any]:
        """Put a job if it is absent, as a node does."""
        uid = envelope.get("uid") or envelope["json"]["uid"]
        status = 200 if uid in self.stored else 201
        self.stored[uid] = envelope
        return {"uid": uid, "status": status}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.set()
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen."""
        app = web.Application()
        app.add_routes(
            [web.get("/ready", self._ready), web.post("/add", self._add), web.get("/cluster/queues", self._queues)]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.member = Member(self.name, f"http://127.0.0.1:{self._runner.addresses[0][1]}")

    async def stop(self) -> None:
        """Refuse connections."""
        await self._runner.cleanup()

    async def _ready(self, _: web.Request) -> web.Response:
        await self.ready_gate.wait()
        return web.json_response(self.ready)

    async def _queues(self, _: web.Request) -> web.Response:
        return web.Response(body=self.queues)

    async def _add(self, request: web.Request) -> web.StreamResponse:
        batch = json.loads(await request.read())
        self.batches.append(batch)
        await self.gate.wait()
        answer = self.behave(batch)
        if answer == self.HANG:
            await asyncio.sleep(60)
        if answer == self.HANG_UP:
            request.transport.abort()
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer)


class Cluster:
    """Scripted nodes, and what a router has to place jobs on them."""

    def __init__(self, nodes: Nodes, health: Health, placer: Placer, pipes: dict[str, Pipe]) -> None:
        self.nodes = nodes
        self.health = health
        self.placer = placer
        self.pipes = pipes


@asynccontextmanager
async def cluster(
    *scripted: Scripted, add_s: float = 10.0, call_s: float = 5.0, max_jobs: int = 500, max_bytes: int = 1 << 20
) -> AsyncIterator[Cluster]:
    """Give a placer over nodes that were asked once how they are."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        nodes = Nodes([each.member for each in scripted], Link(http, None))
        health = Health(
            nodes, every_s=0.05, timeout_s=0.5, went_down=lambda node: pipes[node.name].give_up_waiting("x")
        )
        coalesced = Histogram(BATCH_BOUNDS)
        pipes = {
            node.name: Pipe(node, max_jobs=max_jobs, max_bytes=max_bytes, timeout_s=call_s, coalesced=coalesced)
            for node in nodes
        }
        await health.look()
        placer = Placer(nodes, lambda node: pipes[node.name], health.suspect, timeout_s=add_s)
        yield Cluster(nodes, health, placer, pipes)
