"""The command that runs a node: flags and environment to settings, settings to a server, its end to an exit code."""

import math
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from taskpusher import uid as uids
from taskpusher.job import parse_statuses

from .config import LOG_LEVELS, Config, settings
from .runner.addresses import BadRule, Policy
from .runner.signing import BadSecret, parse_secrets

EXIT_FAILED = 1
EXIT_CONFIG = 78  # sysexits' EX_CONFIG: systemd does not restart on it

_TYPES: dict[str, Any] = {
    "concurrency": click.IntRange(1, 10_000),
    "log_level": click.Choice(LOG_LEVELS),
    "drain_timeout": click.FloatRange(min=0),
    "disk_reserve": click.IntRange(min=0),
    "retention_count": click.IntRange(min=0),
    "ballast": click.IntRange(min=0),
    "timeout": click.FloatRange(min=0, min_open=True),
    "max_timeout": click.FloatRange(min=0, min_open=True),
    "store": click.Path(file_okay=False, path_type=Path),
    "backup_dir": click.Path(file_okay=False, path_type=Path),
}
_ONE_DASH = re.compile(r"-[a-z][a-z-]+(=.*)?", re.DOTALL)
_NUMBERS = {int: click.IntRange(min=1), float: click.FloatRange(min=0)}


def _options(command: click.Command) -> click.Command:
    """Give the command a flag for each setting; each long flag also takes one dash."""
    for name, default, text, advanced in settings():
        flag = name.replace("_", "-")
        is_flag = isinstance(default, bool)
        kind = _TYPES.get(name) or _NUMBERS.get(type(default))
        command.params.append(
            click.Option(
                [f"--{flag}", name],
                default=default,
                type=None if is_flag else kind,
                is_flag=is_flag,
                help=text,
                hidden=advanced,
                envvar=f"TASKPUSHER_{name.upper()}",
                show_default=default not in (None, "", False),
                show_envvar=False,
            )
        )
    return command


def _help_all(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value:
        for parameter in context.command.params:
            if isinstance(parameter, click.Option):
                parameter.hidden = False
        click.echo(context.get_help())
        context.exit()


class _OneDashToo(click.Command):
    """Takes each long flag with one dash as well: `-address=...` is `--address=...`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f"-{arg}" if _ONE_DASH.fullmatch(arg) else arg for arg in args])


@click.command(cls=_OneDashToo, context_settings={"max_content_width": 100})
@click.option(
    "--help-all", is_flag=True, is_eager=True, expose_value=False, callback=_help_all, help="Show every setting."
)
def node(**given: Any) -> None:
    """Run a node: store jobs that come by POST /add, and call their URLs.

    Every setting is also read from the environment as TASKPUSHER_NAME.
    """
    config = Config(**given)
    _check(config)
    sys.exit(_run(config))


_options(node)


@click.command()
def openapi() -> None:
    """Print the contract of the HTTP API, which a node also answers GET /openapi.json with (OpenAPI 3.1)."""
    from .api.openapi import DOCUMENT  # noqa: PLC0415 - it takes half a second, and --help needs none of it

    click.echo(DOCUMENT)


def _check(config: Config) -> None:
    """Refuse settings that no server should be started with."""
    if config.name is not None and not uids.is_name(config.name):
        _refuse(f"name: {config.name!r} is not {uids.NAME_RULE}")
    for name, *_ in settings():
        value = getattr(config, name)
        if isinstance(value, float) and not math.isfinite(value):
            _refuse(f"{name}: {value} is no number of seconds")
    if config.basicauth is not None and not all(config.basicauth.partition(":")):
        _refuse("basicauth: give it as USER:PASSWORD")
    try:
        parse_secrets(config.signing_secrets)
    except BadSecret as error:
        _refuse(f"signing_secrets: {error}")
    _check_addresses(config)
    if config.unreached_status:
        try:
            parse_statuses(config.unreached_status)
        except ValueError:
            _refuse(f'unreached_status: {config.unreached_status!r} is not like "502,503"')


def _check_addresses(config: Config) -> None:
    for name in ("allow", "deny"):
        try:
            Policy(**{name: getattr(config, name)})
        except BadRule as error:
            _refuse(f"{name}: {error}")
    if config.allow and not config.deny_private:
        _refuse("allow: it says what deny_private spares, and deny_private is not set; without, all may be called")


def _refuse(text: str) -> None:
    click.echo(f"taskpusher: {text}", err=True)
    sys.exit(EXIT_CONFIG)


def _greet(config: Config, url: str, name: str) -> None:
    """Tell a person at a terminal what to do first."""
    if config.log_level == "debug":
        login = "-u USER:PASSWORD " if config.basicauth is not None else ""
        click.echo(
            f"\nTaskPusher is ready at {url}. Its store is {config.store}, named {name}.\n"
            f"  Push a first job:  curl {login}-d url={url}/health {url}/add\n"
            f"  See its result:    curl {login}{url}/jobs/completed, or {url}/job/ and the uid of the answer\n"
        )


def _run(config: Config) -> int:
    # imported here, for they take half a second, and --help needs none of them
    import uvloop  # noqa: PLC0415

    from taskpusher.logs import configure  # noqa: PLC0415

    from .server import CannotListen, ConfigError, serve  # noqa: PLC0415
    from .store.base import StoreDamaged, StoreFailed, StoreLocked, StoreRefused  # noqa: PLC0415

    configure(config.log_level)
    try:
        return uvloop.run(serve(config, partial(_greet, config)))
    except (ConfigError, StoreRefused) as error:
        click.echo(f"taskpusher: {error}", err=True)
        return EXIT_CONFIG
    except StoreLocked as error:
        click.echo(f"taskpusher: {error}: stop it, or give this one another --store", err=True)
        return EXIT_CONFIG
    except StoreDamaged as error:
        click.echo(f"taskpusher: {error}: run taskpusher check --repair --store {config.store}", err=True)
        return EXIT_CONFIG
    except (StoreFailed, CannotListen) as error:
        click.echo(f"taskpusher: {error}", err=True)
        return EXIT_FAILED
