"""A cluster of real processes: nodes, and two routers before them that read who is a member from one file."""

import asyncio
import secrets
from collections.abc import Iterable
from pathlib import Path

import aiohttp

from .processes import NodeProcess, RouterProcess, free_port

STATES = ("waiting", "scheduled", "running", "completed", "errors", "cancelled")
CONCURRENCY = 16


class Cluster:
    """Three nodes n1 to n3, or more, on ports that stay theirs while they are down, and two routers."""

    def __init__(self, folder: Path, n: int = 3) -> None:
        self._folder = folder
        self._token = secrets.token_urlsafe()
        self._env = {"TASKPUSHER_CLUSTER_TOKEN": self._token}
        self.members = folder / "members"
        self.nodes: dict[str, NodeProcess] = {}
        for _ in range(n):
            self.new_node()
        self.routers = [self._new_router(f"router{n}") for n in (1, 2)]

    def new_node(self) -> NodeProcess:
        """Return one more node, which is no member yet."""
        name = f"n{len(self.nodes) + 1}"
        flags = f"--name={name}", f"--concurrency={CONCURRENCY}"
        node = NodeProcess(self._folder_of(name), *flags, env=self._env)
        self.nodes[name] = node
        self.place(node, "127.0.0.1")
        return node

    def _new_router(self, name: str) -> RouterProcess:
        router = RouterProcess(self._folder_of(name), f"--nodes-file={self.members}", env=self._env)
        self.place(router, "127.0.0.1")
        return router

    def place(self, process: NodeProcess, host: str) -> None:
        """Give a process an address that stays its own while it is down."""
        process.address = f"{host}:{free_port()}"

    def write_members(self, nodes: Iterable[str]) -> None:
        """Say who is a member; routers take it when they are started, or are told to look."""
        lines = [f"{name}=http://{self.nodes[name].address}\n" for name in nodes]
        self.members.write_text("".join(lines))

    async def start(self) -> None:
        """Start all of it; it is whole then."""
        self.write_members(self.nodes)
        await asyncio.gather(*(process.start() for process in (*self.nodes.values(), *self.routers)))
        await self.until_whole()

    async def stop(self) -> None:
        """End what runs."""
        for process in (*self.routers, *self.nodes.values()):
            await process.kill()

    async def until_whole(self) -> None:
        """Wait until both routers reach all nodes."""
        for router in self.routers:
            await self.until_down(router)

    async def until_members(self) -> None:
        """Wait until both routers have taken other members, and reach them all."""
        async with asyncio.timeout(20):
            while not all(router.events("members") for router in self.routers):
                await asyncio.sleep(0.05)
        await self.until_whole()

    async def until_down(self, router: RouterProcess, *names: str) -> None:
        """Wait until a router is ready, and just these nodes are down for it."""
        async with asyncio.timeout(20), aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{router.url}/ready") as answer:
                    warnings = (await answer.json())["warnings"]
                if answer.status == 200 and set(warnings) == {f"node {name}" for name in names}:
                    return
                await asyncio.sleep(0.05)

    async def until_idle(self) -> None:
        """Wait until no job of any node waits or runs; those that are due later may."""
        async with asyncio.timeout(30), self._http() as http:
            for node in self.nodes.values():
                while await _unended(http, node):
                    await asyncio.sleep(0.05)

    async def jobs(self) -> list[dict]:
        """Return every job of every node, as the nodes themselves list them."""
        async with self._http() as http:
            walks = [walk(http, node.url, state) for node in self.nodes.values() for state in STATES]
            return [job for jobs in await asyncio.gather(*walks) for job in jobs]

    def _folder_of(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    def _http(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"})


async def walk(http: aiohttp.ClientSession, url: str, state: str) -> list[dict]:
    """Return all jobs of a state, page by page; all nodes are up."""
    jobs: list[dict] = []
    params = {"limit": "100"}
    while True:
        async with http.get(f"{url}/jobs/{state}", params=params) as answer:
            page = await answer.json()
        assert answer.status == 200, page
        assert not page.get("partial"), page
        jobs += page["jobs"]
        if page["last_uid"] is None:
            return jobs
        params["last_uid"] = page["last_uid"]


async def _unended(http: aiohttp.ClientSession, node: NodeProcess) -> int:
    async with http.get(f"{node.url}/stats") as answer:
        states = (await answer.json())["states"]
        return states["waiting"] + states["running"]
