"""The commands `node` and `config`: flags to settings, settings to a server, its end to an exit code."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import click

from taskpusher.exits import Exit, end
from taskpusher.options import SettingsCommand, given_flags
from taskpusher.plain import escaped
from taskpusher.settings import BadSettings, Loaded, load, settings_of

from .config import Config

_CORRECT = (
    "put it right; `taskpusher config` shows where each setting comes from, `taskpusher --help-all` what it may be"
)


_OTHERS = (
    "Other commands: backup, check, config, demo, local, openapi, restore, ring, router; "
    "`taskpusher COMMAND --help` tells of each."
)


@click.command(cls=SettingsCommand, settings=Config, epilog=_OTHERS)
def node(**given: Any) -> None:
    """Run a node: store jobs that come by POST /add, and call their URLs.

    Every setting is a flag, the environment variable TASKPUSHER_NAME, and a key of the TOML file, in this order of
    precedence. Durations are seconds or like 30m, 12h, 7d; sizes bytes or like 64K, 64M, 1G.
    """
    flags = given_flags(given)
    sys.exit(_run(_read_or_end(flags), partial(_read, flags)))


@click.command(cls=SettingsCommand, settings=Config)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to write them.")
def config(output: str, **given: Any) -> None:
    """Show each setting of a node, and where it comes from: its flags, the environment, the file.

    Takes the flags of `taskpusher node`. Secrets are not shown, only whether they are set.
    """
    loaded = _read_or_end(given_flags(given))
    for warning in loaded.warnings:
        click.echo(escaped(f"taskpusher: {warning}"), err=True)
    if output == "json":
        from taskpusher import codec  # noqa: PLC0415

        click.echo(codec.to_json(_as_json(loaded), default=str))
        return
    rows = [(s.name, s.show(getattr(loaded.config, s.name)), loaded.origins[s.name]) for s in settings_of(Config)]
    name_width, value_width = (max(len(escaped(row[n])) for row in rows) for n in (0, 1))
    for name, value, origin in rows:
        click.echo(f"{name:{name_width}}  {escaped(value):{value_width}}  {escaped(origin)}")


def _as_json(loaded: Loaded[Config]) -> dict[str, dict[str, Any]]:
    shown = {}
    for setting in settings_of(Config):
        value = getattr(loaded.config, setting.name)
        if setting.kind.secret:
            value = "set" if value else None
        shown[setting.name] = {"value": value, "origin": loaded.origins[setting.name]}
    return shown


def _read(flags: dict[str, Any]) -> Loaded[Config]:
    """Read all settings, at the start and at a reload; raises BadSettings."""
    loaded = load(Config, flags, os.environ)
    _check(loaded.config)
    return loaded


@click.command()
def openapi() -> None:
    """Print the contract of the HTTP API, which a node also answers GET /openapi.json with (OpenAPI 3.1)."""
    from .api.openapi import DOCUMENT  # noqa: PLC0415 - it takes half a second, and --help needs none of it

    click.echo(DOCUMENT)


def _check(config: Config) -> None:
    """Refuse what each setting's own rule cannot tell."""
    from .runner.signing import BadSecret, parse_secrets  # noqa: PLC0415 - --help needs no check

    try:
        keys = parse_secrets(config.signing_secrets)
    except BadSecret as error:
        _refuse(f"signing_secrets: {error}")
    if config.signing_secrets and not keys:
        _refuse("signing_secrets: there is none in it, so that calls would not be signed")
    if config.cluster_token in [token.secret for token in config.tokens]:
        _refuse("cluster_token: it is the secret of a token as well")
    _check_addresses(config)


def _check_addresses(config: Config) -> None:
    from .runner.addresses import BadRule, Policy  # noqa: PLC0415 - the same

    for name in ("allow", "deny"):
        try:
            Policy(**{name: getattr(config, name)})
        except BadRule as error:
            _refuse(f"{name}: {error}")
    if config.allow and not config.deny_private:
        _refuse("allow: it says what deny_private spares, and deny_private is not set; without, all may be called")


def _refuse(text: str) -> NoReturn:
    raise BadSettings([text])


def _read_or_end(flags: dict[str, Any]) -> Loaded[Config]:
    try:
        return _read(flags)
    except BadSettings as error:
        end(Exit.CONFIG, *error.problems, _CORRECT)


def _greet(config: Config, url: str, name: str) -> None:
    """Tell a person at a terminal what to do first."""
    if config.log_level == "debug":
        login = "-u USER:PASSWORD " if config.basicauth is not None else ""
        click.echo(
            f"\nTaskPusher is ready at {url}. Its store is {escaped(str(config.store))}, named {name}.\n"
            f"  Push a first job:  curl {login}-d url={url}/health {url}/add\n"
            f"  See its result:    curl {login}{url}/jobs/completed, or {url}/job/ and the uid of the answer\n"
        )


def _run(loaded: Loaded[Config], reload: Callable[[], Loaded[Config]]) -> Exit:
    # imported here, for they take half a second, and --help needs none of them
    import structlog  # noqa: PLC0415
    import uvloop  # noqa: PLC0415

    from taskpusher.logs import configure  # noqa: PLC0415

    from .server import serve  # noqa: PLC0415

    config = loaded.config
    configure(config.log_level)
    for warning in loaded.warnings:
        structlog.get_logger().warning("settings", advice=warning)
    with ending(config, _CORRECT):
        code = uvloop.run(serve(config, partial(_greet, config), reload))
    return Exit(code)


@contextmanager
def ending(config: Config, correct: str) -> Iterator[None]:
    """End the process where a node cannot run, and say why and what to do; `correct` says it of wrong settings."""
    from taskpusher.listening import BadAddress, CannotListen  # noqa: PLC0415 - the same

    from .store.base import StoreDamaged, StoreFailed, StoreLocked, StoreRefused  # noqa: PLC0415 - the same

    try:
        yield
    except (BadAddress, StoreRefused) as error:
        end(Exit.CONFIG, str(error), correct)
    except StoreLocked as error:
        end(Exit.CONFIG, str(error), "stop that process, or give this one another --store")
    except StoreDamaged as error:
        advice = f"run taskpusher check --repair --store {shlex.quote(str(config.store))}"
        end(Exit.CONFIG, str(error), advice)
    except CannotListen as error:
        end(Exit.FAILED, str(error), "stop what listens there, or give another --address")
    except StoreFailed as error:
        advice = "look after the disk, and start again: what was acknowledged is kept"
        end(Exit.FAILED, str(error), advice)
