"""The command `local`: what is for the router, what for the nodes, and the words for whom it runs at a terminal."""

import asyncio
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from taskpusher.exits import Exit, end
from taskpusher.incoming import Incoming
from taskpusher.plain import escaped

from . import stores

_NODES_MAX = 64
_RESIZE = (
    "of jobs whose key, limit, unique or idempotency_key moves to another node, order and repeats are kept again once"
    " the old one has run dry; `taskpusher ring diff` tells how many move"
)
_HOST = "127.0.0.1"
_FOR_NODES = "taskpusher.for_nodes"
# what is said of one process or of one router, and would be read by all
_OURS = frozenset(
    {
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "TASKPUSHER_CLUSTER_TOKEN_FILE",
        "TASKPUSHER_NAME",
        "TASKPUSHER_NODES",
        "TASKPUSHER_NODES_FILE",
    }
)


class _TwoParts(click.Command):
    """A command whose arguments after `--` are the nodes'; those before it that it does not know are the router's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Part them."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[_FOR_NODES] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])


@click.command(
    cls=_TwoParts,
    context_settings={"max_content_width": 100, "ignore_unknown_options": True, "allow_extra_args": True},
    options_metavar="--nodes N [FLAGS OF THE ROUTER] [-- FLAGS OF THE NODES]",
)
@click.option("--nodes", "n", metavar="N", type=click.IntRange(1, _NODES_MAX), required=True, help="How many nodes.")
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default="taskpusher-data",
    show_default=True,
    envvar="TASKPUSHER_STORE",
    help="Folder of the stores, which are n1, n2 and so on in it.",
)
@click.option(
    "--address",
    metavar="HOST:PORT",
    default=Incoming.address,
    show_default=True,
    envvar="TASKPUSHER_ADDRESS",
    help="Where the router listens.",
)
@click.pass_context
def local(context: click.Context, n: int, store: Path, address: str) -> None:
    """Run nodes on all cores of one machine, and a router before them that clients talk to.

    Flags before -- are those of `taskpusher router`, such as --basicauth; flags after it those of `taskpusher node`,
    such as --concurrency. The environment is for all of them. Those that die are started again.
    """
    if "TASKPUSHER_CONFIG" in os.environ:
        end(Exit.CONFIG, "TASKPUSHER_CONFIG is for one daemon: give the router's file as --config, the nodes' after --")
    try:
        there = stores.count(store, n)
    except stores.Unfit as unfit:
        end(Exit.CONFIG, *unfit.args)
    with _ports(n) as ports, tempfile.TemporaryDirectory(prefix="taskpusher-") as folder:
        addresses = {name: f"{_HOST}:{port}" for name, port in zip(stores.names(n), ports, strict=True)}
        cluster = _Cluster(address, addresses, store, Path(folder))
        sys.exit(asyncio.run(cluster.run(there, for_router=context.args, for_nodes=context.meta[_FOR_NODES])))


class _Cluster:
    """Who listens where; `run` runs them."""

    def __init__(self, address: str, nodes: Mapping[str, str], store: Path, folder: Path) -> None:
        self._address = address
        self._nodes = nodes
        self._store = store
        self._folder = folder  # where children say that they are ready

    async def run(self, there: int, *, for_router: Sequence[str], for_nodes: Sequence[str]) -> Exit:
        """Run until a signal; `there` stores were made before."""
        # imported here, for --help needs none of them
        import structlog  # noqa: PLC0415

        from taskpusher.logs import configure  # noqa: PLC0415

        from .child import Child  # noqa: PLC0415
        from .supervisor import Supervisor  # noqa: PLC0415

        configure("production")
        if 0 < there < len(self._nodes):
            structlog.get_logger(process="local").warning("resize", before=there, now=len(self._nodes), advice=_RESIZE)
        env = {name: value for name, value in os.environ.items() if name not in _OURS}
        env["TASKPUSHER_CLUSTER_TOKEN"] = secrets.token_urlsafe(32)
        members = [f"--node={name}=http://{address}" for name, address in self._nodes.items()]
        router = Child("router", ["router", *for_router, f"--address={self._address}", *members], env, self._folder)
        nodes = [Child(name, ["node", *for_nodes, *self._flags(name)], env, self._folder) for name in self._nodes]
        return await Supervisor(nodes, router, self._greet).run()

    def _flags(self, name: str) -> list[str]:
        return [f"--address={self._nodes[name]}", f"--store={self._store / name}", f"--name={name}"]

    def _greet(self) -> None:
        """Tell a person at a terminal what runs where."""
        if sys.stdout.isatty():
            click.echo(f"\nTaskPusher is ready at http://{escaped(self._address)}, a router before these nodes:")
            for name, address in self._nodes.items():
                click.echo(f"  {name}  http://{address}  {escaped(str(self._store / name))}")
            click.echo()


@contextmanager
def _ports(n: int) -> Iterator[list[int]]:
    """Give free ports, which the kernel gives nobody else: a node that is started again finds its own."""
    held = []
    try:
        for _ in range(n):
            sock = socket.socket()
            held.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that a node may listen beside it
            sock.bind((_HOST, 0))
        ports = [sock.getsockname()[1] for sock in held]
        if sys.platform != "linux":  # elsewhere nobody listens beside a socket that is bound
            for sock in held:
                sock.close()
        yield ports
    finally:
        for sock in held:
            sock.close()
