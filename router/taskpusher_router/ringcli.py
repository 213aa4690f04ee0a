"""The commands `ring` and `ring diff`: who owns which share of all keys, and what moves when members change."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from taskpusher.exits import Exit, end
from taskpusher.plain import escaped

if TYPE_CHECKING:
    from .members import Member
    from .ring import Ring

_AFFINITIES = ("l:", "k:", "u:", "i:")

_output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to answer.")


class _Ring(click.Group):
    """Shows a ring where no other command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] not in [[word] for word in (*self.commands, *ctx.help_option_names)]:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_Ring, context_settings={"max_content_width": 100}, subcommand_metavar="[show] MEMBERS... | diff OLD NEW"
)
def ring() -> None:
    """Show how keys lie on the members of a cluster: `ring MEMBERS...`, or `ring diff OLD NEW`.

    Members are named as for `taskpusher router`: n1=http://10.0.0.1:9900, with ,weight=2 behind it, or several at once
    by tp-{0..4}=http://tp-{0..4}.tp:9900. No node is asked.
    """


@ring.command()
@click.argument("members", nargs=-1)
@click.option("--nodes-file", type=click.Path(path_type=Path), help="A file that names the members.")
@_output
def show(members: tuple[str, ...], nodes_file: Path | None, output: str) -> None:
    """Show each member's share of all keys, and its weight."""
    if bool(members) == (nodes_file is not None):
        raise click.UsageError("Name members, or a --nodes-file that does.")
    named = _of_text(" ".join(members)) if nodes_file is None else _of_file(nodes_file)
    shares = _ring(named).shares()
    if output == "json":
        _tell({"members": [{**member._asdict(), "share": shares[member.name]} for member in named]})
        return
    width = max(len(member.name) for member in named)
    for member in named:
        click.echo(f"{member.name:{width}}  {_percent(shares[member.name])}  weight {member.weight:g}  {member.url}")


@ring.command()
@click.argument("old")
@click.argument("new")
@click.option("--keys", type=click.File("rb"), help="A file of keys, or - for standard input: show which of them move.")
@_output
def diff(old: str, new: str, keys: IO[bytes] | None, output: str) -> None:
    """Show which share of all keys moves from which member to which when OLD members become NEW.

    Each is a file, or members in one text. For keys that move, order and idempotency are not kept until the old owner
    has run dry. --keys takes one a line, with what it is before it: l:LIMIT, k:KEY, u:UNIQUE or i:IDEMPOTENCY_KEY.
    """
    from .ring import moved  # noqa: PLC0415 - --help needs no hashes

    rings = _named(old), _named(new)
    if keys is not None:
        _tell_keys(_moving(keys, *rings), output)
        return
    moves = moved(*rings)
    total = sum(moves.values())
    if output == "json":
        told = [{"from": before, "to": after, "share": share} for (before, after), share in moves.items()]
        _tell({"moves": total, "shares": told})
        return
    for (before, after), share in moves.items():
        click.echo(f"{before} -> {after}  {_percent(share)}")
    click.echo(f"{_percent(total).strip()} of all keys move")


def _tell_keys(moving: Iterator[tuple[str, str, str]], output: str) -> None:
    if output == "json":
        _tell({"keys": [{"key": key, "from": before, "to": after} for key, before, after in moving]})
        return
    for key, before, after in moving:
        click.echo(f"{escaped(key)}  {before} -> {after}")


def _moving(lines: IO[bytes], old: "Ring", new: "Ring") -> Iterator[tuple[str, str, str]]:
    """Yield (key, old owner, new owner) of each key that moves."""
    for number, line in enumerate(lines, 1):
        try:
            key = line.rstrip(b"\r\n").decode()
        except UnicodeDecodeError:
            end(Exit.CONFIG, f"line {number} of the keys is not UTF-8")
        if not key:
            continue
        if not key.startswith(_AFFINITIES):
            end(
                Exit.CONFIG,
                f"line {number} of the keys must begin with one of {', '.join(_AFFINITIES)}, not {key[:100]}",
            )
        before, after = old.owner(key), new.owner(key)
        if before != after:
            yield key, before, after


def _named(members: str) -> "Ring":
    return _ring(_of_text(members) if "://" in members else _of_file(Path(members)))


def _of_text(text: str) -> "tuple[Member, ...]":
    from .members import parse  # noqa: PLC0415 - --help needs it not

    with _told_errors():
        return parse(text)


def _of_file(path: Path) -> "tuple[Member, ...]":
    from .members import read  # noqa: PLC0415

    with _told_errors():
        return read(path)


@contextmanager
def _told_errors() -> Iterator[None]:
    from taskpusher.kinds import BadValue  # noqa: PLC0415

    try:
        yield
    except BadValue as error:
        end(Exit.CONFIG, str(error))


def _ring(members: "tuple[Member, ...]") -> "Ring":
    from .ring import Ring  # noqa: PLC0415 - --help needs no hashes

    return Ring({member.name: member.weight for member in members})


def _percent(share: float) -> str:
    return f"{share:6.2%}"


def _tell(told: dict[str, Any]) -> None:
    click.echo(json.dumps(told))
