"""The command `router`: flags to settings, settings to a server, its end to an exit code."""

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from taskpusher.exits import Exit, end
from taskpusher.options import SettingsCommand, given_flags
from taskpusher.settings import BadSettings, Loaded, load

from .config import Config, read_members

_CORRECT = "put it right; `taskpusher router --help-all` shows what each setting may be"


@click.command(cls=SettingsCommand, settings=Config)
def router(**given: Any) -> None:
    """Run a router: hand jobs that come by POST /add to the nodes behind it, and answer for all of them.

    It stores nothing: run as many as you like, each with the same nodes. Every setting is a flag, the environment
    variable TASKPUSHER_NAME, and a key of the TOML file, in this order of precedence.
    """
    flags = given_flags(given)
    try:
        loaded = _read(flags)
    except BadSettings as error:
        end(Exit.CONFIG, *error.problems, _CORRECT)
    sys.exit(_run(loaded, partial(_read, flags)))


def _read(flags: dict[str, Any]) -> Loaded[Config]:
    """Read all settings, at the start and at a reload; raises BadSettings."""
    loaded = load(Config, flags, os.environ)
    read_members(loaded.config)
    return loaded


def _run(loaded: Loaded[Config], reload: Callable[[], Loaded[Config]]) -> Exit:
    # imported here, for they take half a second, and --help needs none of them
    import structlog  # noqa: PLC0415
    import uvloop  # noqa: PLC0415

    from taskpusher.listening import BadAddress, CannotListen  # noqa: PLC0415
    from taskpusher.logs import configure  # noqa: PLC0415

    from .server import serve  # noqa: PLC0415

    config = loaded.config
    configure(config.log_level)
    for warning in loaded.warnings:
        structlog.get_logger().warning("settings", advice=warning)
    try:
        return Exit(uvloop.run(serve(config, partial(_greet, config), reload)))
    except (BadAddress, BadSettings) as error:
        end(Exit.CONFIG, str(error), _CORRECT)
    except CannotListen as error:
        end(Exit.FAILED, str(error), "stop what listens there, or give another --address")


def _greet(config: Config, url: str) -> None:
    """Tell a person at a terminal what to do first."""
    if config.log_level == "debug":
        login = "-u USER:PASSWORD " if config.basicauth is not None else ""
        click.echo(
            f"\nTaskPusher's router is ready at {url}.\n"
            f"  Push a first job:  curl {login}-d url={url}/health {url}/add\n"
            f"  See its nodes:     curl {login}{url}/nodes, or {url}/tasks in a browser\n"
        )
