"""How every command ends: the exit codes, each with its name, and the words before one."""

import sys
from enum import IntEnum
from typing import NoReturn

import click

from .plain import escaped


class Exit(IntEnum):
    """What a command ends with; those above 63 are of sysexits.h."""

    OK = 0
    FAILED = 1
    USAGE = 2  # click's own for a wrong flag
    UNREACHABLE = 69
    AGAIN = 75  # later it may go well
    REFUSED = 77  # by credentials or a role
    CONFIG = 78  # a setting or the store does not fit: systemd is told not to restart on it


def end(code: Exit, *lines: str) -> NoReturn:
    """Say on standard error what is wrong and what to do, line by line, and end the process."""
    for line in lines:
        click.echo(f"taskpusher: {escaped(line)}", err=True)
    sys.exit(code)
