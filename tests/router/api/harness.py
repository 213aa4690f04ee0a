"""A cluster: real nodes that are stopped, frozen and started again, and a real router before them, in this process."""

import asyncio
import signal
from pathlib import Path
from typing import Any, Self

from taskpusher.settings import Loaded
from taskpusher_router import members
from taskpusher_router.config import Config
from taskpusher_router.server import _Router, connect

from ...e2e.processes import NodeProcess, free_port
from ...node.api.harness import Api, Client, running


class ProcessNode(Client):
    """A node that is a process, so that it can hang: it takes connections and answers nothing."""

    def __init__(self, folder: Path, *, name: str, address: str, **settings: object) -> None:
        super().__init__()
        self.url = f"http://{address}"
        folder.mkdir()
        flags = [f"--{setting.replace('_', '-')}={value}" for setting, value in settings.items()]
        self.process = NodeProcess(folder, f"--name={name}", f"--address={address}", *flags)

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await self.process.start()

    def freeze(self) -> None:
        """Let it hang."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.signal(signal.SIGCONT)

    async def stop(self) -> None:
        """End it as it is."""
        await self.process.kill()


class Router(Client):
    """A router, and what it sees."""

    def __init__(self, nodes: str, **settings: object) -> None:
        super().__init__()
        settings = {"health_every": 0.05, "health_timeout": 5.0, "list_timeout": 20.0, **settings}
        self.config = Config(address="127.0.0.1:0", nodes=members.parse(nodes), **settings)
        self.router: _Router | None = None
        self._task: asyncio.Task[int] | None = None
        self._upstream: Any = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        ready = asyncio.Event()

        def tell(url: str) -> None:
            self.url = url
            ready.set()

        self._upstream = connect()
        self.router = _Router(self.config, self._upstream, tell, lambda: Loaded(self.config, {}, []))
        self._task = await running(self.router.run(), ready)

    def begin_stop(self) -> None:
        """What SIGTERM does."""
        self.router._stop.set()

    async def stop(self) -> int:
        """Stop it; returns the exit code."""
        self.begin_stop()
        code = await asyncio.wait_for(self._task, 20)
        await self._upstream.close()
        return code

    async def sees(self, *names: str) -> None:
        """Wait until just these nodes are usable."""
        async with asyncio.timeout(20):
            while {node.name for node in self.router._nodes if node.usable} != set(names):
                await asyncio.sleep(0.005)


class Cluster:
    """Nodes by name, each on a store and a port of its own, also after a restart; `router` asks them.

    Those of `processes` can be frozen. `node` are settings of every node, all others the router's.
    """

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...] = ("n1", "n2", "n3"),
        *,
        processes: tuple[str, ...] = (),
        node: dict[str, Any] | None = None,
        **settings: object,
    ) -> None:
        addresses = {name: f"127.0.0.1:{free_port()}" for name in names}
        self.nodes: dict[str, Any] = {
            name: (ProcessNode if name in processes else Api)(folder / name, name=name, address=address, **(node or {}))
            for name, address in addresses.items()
        }
        self.router = Router(" ".join(f"{name}=http://{address}" for name, address in addresses.items()), **settings)

    def __getitem__(self, name: str) -> Any:
        return self.nodes[name]

    async def __aenter__(self) -> Self:
        for node in self.nodes.values():
            await node.__aenter__()
        await self.router.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.router.__aexit__()
        for node in self.nodes.values():
            await node.__aexit__()

    async def down(self, name: str) -> None:
        """Stop a node, and wait until the router knows."""
        await self.nodes[name].stop()
        await self.router.sees(*(node.name for node in self.router.router._nodes if node.usable and node.name != name))

    async def back(self, name: str) -> None:
        """Start a node again, and wait until the router knows."""
        await self.nodes[name].start()
        await self.router.sees(name, *(node.name for node in self.router.router._nodes if node.usable))
