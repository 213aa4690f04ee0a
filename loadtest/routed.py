"""A router with nodes behind it, all on one core, that a load test treats as one server."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from processes import CONNECTIONS, LOOPBACK, Server, free_port, start_node, taskpusher_command


class Routed(Server):
    """The router, and its nodes behind it: what is asked of them as a whole, they are asked one by one."""

    def __init__(self, command: Sequence[str], log: Path, port: int, core: int | None, nodes: Sequence[Server]) -> None:
        super().__init__(command, log, port, core)
        self.nodes = nodes
        self.connections = CONNECTIONS * len(nodes)

    def behind_cpu_s(self) -> float:
        """Return the CPU time of all nodes."""
        return sum(node.cpu_s() for node in self.nodes)

    def states(self) -> dict[str, int]:
        """Return how many jobs are in each state, by the nodes' own counters."""
        total: Counter[str] = Counter()
        for node in self.nodes:
            total.update(node.states())
        return total

    def pause(self) -> None:
        """Start no more calls on any node."""
        for node in self.nodes:
            node.pause()

    def resume(self) -> None:
        """Start calls again on all nodes."""
        for node in self.nodes:
            node.resume()


@contextmanager
def start_routed(
    folder: Path, nodes: int, *, concurrency: int, core: int | None = None, router: Sequence[str] = ()
) -> Iterator[Routed]:
    """Start so many nodes and a router before them, and wait until all are ready.

    `router` is the command of another router than TaskPusher's.
    """
    with ExitStack() as stack:
        behind: dict[str, Server] = {}
        for number in range(1, nodes + 1):
            place = folder / f"n{number}"
            place.mkdir()
            node = start_node(place, concurrency=concurrency, core=core, name=place.name)
            behind[place.name] = stack.enter_context(node)
        for node in behind.values():
            node.wait_ready()
        port = free_port()
        line = [*(router or (taskpusher_command(), "router")), "--address", f"{LOOPBACK}:{port}"]
        for name, node in behind.items():
            line += ["--node", f"{name}=http://{LOOPBACK}:{node.port}"]
        front = stack.enter_context(Routed(line, folder / "router.log", port, core, list(behind.values())))
        front.wait_ready()
        yield front
