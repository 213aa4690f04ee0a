"""The `taskpusher` command: finds the commands of what is installed; with none named it runs a node."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

import click

from . import __version__
from .plain import escaped

_GROUP = "taskpusher.commands"
_DEFAULT = "node"


class Commands(click.Group):
    """The commands that installed packages offer under one entry-point group."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names."""
        return sorted({point.name for point in entry_points(group=_GROUP)} | set(super().list_commands(ctx)))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that is called, and no other."""
        for point in entry_points(group=_GROUP, name=cmd_name):
            command: click.Command = point.load()
            return command
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Run a node where no command is named, so that a bare `taskpusher --flag` works."""
        if not args or (args[0].startswith("-") and args[0] not in ("--version", "-version")):
            args = [_DEFAULT, *args]
        with _plainly():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with _plainly():
            return super().invoke(ctx)


@contextmanager
def _plainly() -> Iterator[None]:
    """Tell what is wrong with a command line without what would command the terminal."""
    try:
        yield
    except click.UsageError as error:
        raise click.UsageError(escaped(error.format_message()), error.ctx) from None


@click.group(cls=Commands)
@click.version_option(__version__, "--version", "-version", prog_name="taskpusher")
def main(**_: Any) -> None:
    """TaskPusher: POST a URL, it is stored durably and called later."""
