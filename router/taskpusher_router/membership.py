"""Keeps the members as they are said: by the settings at a reload, by their file whenever it changes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from taskpusher.background import Background
from taskpusher.settings import BadSettings

from .config import Config, read_members
from .members import Member

_TOPIC = "membership"
_LOOK_EVERY_S = 1.0

log = structlog.get_logger()


class Membership(Background):
    """Looks after the file of the members; a bad one is refused, and the last good members stand."""

    def __init__(
        self, config: Config, take: Callable[[tuple[Member, ...]], None], warn: Callable[[str, str | None], None]
    ) -> None:
        self._config = config
        self._take = take
        self._warn = warn
        self.members = read_members(config)
        self.ok = True
        self._seen = _stamp(config.nodes_file)

    def reload(self, config: Config) -> None:
        """Read the members that other settings name; raises BadSettings, and keeps the old ones."""
        self._seen = _stamp(config.nodes_file)
        try:
            members = read_members(config)
        except BadSettings as error:
            self._refuse(error)
            raise
        self._config = config
        self._set(members)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            stamp = _stamp(self._config.nodes_file)
            if stamp != self._seen:
                self._seen = stamp
                self._read()

    def _read(self) -> None:
        try:
            self._set(read_members(self._config))
        except BadSettings as error:
            self._refuse(error)

    def _set(self, members: tuple[Member, ...]) -> None:
        self.ok = True
        self._warn(_TOPIC, None)
        if members != self.members:
            self.members = members
            self._take(members)
            log.warning("members", members=[str(member) for member in members])

    def _refuse(self, error: BadSettings) -> None:
        self.ok = False
        log.error("members refused", problems=error.problems, effect="the last good ones stand")
        self._warn(_TOPIC, "the members could not be read again, the last good ones stand; the log says why")


def _stamp(file: Path | None) -> tuple[int, ...] | None:
    """Return what changes when a file does, None where it is not there."""
    if file is None:
        return None
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
