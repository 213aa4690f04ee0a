"""The exit codes of every command, each with its name."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command ends with; those above 63 are of sysexits.h."""

    OK = 0
    FAILED = 1
    USAGE = 2  # click's own for a wrong flag
    UNREACHABLE = 69
    AGAIN = 75  # later it may go well
    REFUSED = 77  # by credentials or a role
    CONFIG = 78  # a setting or the store does not fit: systemd is told not to restart on it
