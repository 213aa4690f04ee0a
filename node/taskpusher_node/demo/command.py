"""The command `demo`: its flags, a store that is removed in the end, and the words before and after."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ..cli import ending
from ..config import Config

_CONCURRENCY = 32  # the quarter that one host never has is enough for all others here
_STOP_GRACE_S = 1.0
_SECONDS_MAX = 86_400


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--address",
    metavar="HOST:PORT",
    default=Config.address,
    show_default=True,
    help="Where the node listens; port 0: a free one.",
)
@click.option(
    "--rate",
    type=click.IntRange(0, 1_000),
    default=20,
    show_default=True,
    help="Jobs a second; 0: those of the beginning alone.",
)
@click.option(
    "--for",
    "for_s",
    metavar="SECONDS",
    type=click.IntRange(1, _SECONDS_MAX),
    default=600,
    show_default=True,
    help="How long it runs.",
)
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of a store that is kept. Default: one that is removed in the end.",
)
def demo(address: str, rate: int, for_s: int, store: Path | None) -> None:
    """Show a node at work: beside it runs a sample application, a small shop, that pushes jobs of every kind.

    It begins with hundreds of jobs, some of which fail, and ends by itself, or by Ctrl-C. It needs no settings, and
    reads none.
    """
    # imported here, for they take half a second, and --help needs none of them
    import uvloop  # noqa: PLC0415

    from taskpusher.logs import configure  # noqa: PLC0415

    from .run import run  # noqa: PLC0415

    configure("errors")
    with _folder(store) as folder:
        config = Config(
            address=address,
            store=folder,
            concurrency=_CONCURRENCY,
            drain_timeout=0.0,
            stop_grace=_STOP_GRACE_S,
            disk_reserve=0,
            ballast=0,
        )
        with ending(config, "give another --address, one of this machine alone"):
            code = uvloop.run(run(config, rate, for_s, click.echo))
    click.echo(f"The demo is over. {'Its store is removed.' if store is None else f'Its store is kept in {store}.'}")
    sys.exit(code)


@contextmanager
def _folder(store: Path | None) -> Iterator[Path]:
    """Give the folder of the store, and remove it in the end if nobody asked for it."""
    if store is not None:
        yield store
        return
    with tempfile.TemporaryDirectory(prefix="taskpusher-demo-") as folder:
        yield Path(folder) / "store"
