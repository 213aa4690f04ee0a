"""SIGHUP: reads the settings again, takes new secrets, and names what else has changed and waits for a restart."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import structlog

from .incoming import Incoming
from .settings import BadSettings, Loaded, Setting, settings_of

_TOPIC = "settings"

log = structlog.get_logger()


C = TypeVar("C", bound=Incoming)


class Warned(Protocol):
    """Where a person looks for what is wrong."""

    def warn(self, topic: str, text: str) -> None:
        """Say something that a person must look at."""

    def all_clear(self, topic: str) -> None:
        """Take back what was said of a topic."""


def is_secret(setting: Setting) -> bool:
    """Tell whether a setting is taken while the daemon runs: of most daemons the secrets are."""
    return setting.kind.secret


class Reload(Generic[C]):
    """Holds the settings that are in force. `ask` asks for another look, `run` looks whenever it was asked.

    Those are taken that `taken` names, all of them or none; `take` may refuse them by BadSettings.
    """

    def __init__(
        self,
        config: C,
        status: Warned,
        read: Callable[[], Loaded[C]],
        take: Callable[[C], None],
        taken: Callable[[Setting], bool] = is_secret,
    ) -> None:
        self.config = config
        self._status = status
        self._read = read
        self._take = take
        self._taken = taken
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look again; several asks of a moment are one."""
        self._asked.set()

    async def run(self, begun: Callable[[], None], done: Callable[[], None]) -> None:
        """Look whenever it was asked, and say around each look that it goes on."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            begun()
            await self.look()
            done()

    async def look(self) -> None:
        """Read the settings and take those that can be taken while the daemon runs, all of them or none."""
        try:
            loaded = await asyncio.to_thread(self._read)
            for warning in loaded.warnings:
                log.warning("settings", advice=warning)
            changed = self._changed(loaded.config)
            taken = [setting.name for setting in changed if self._taken(setting)]
            config = replace(self.config, **{name: getattr(loaded.config, name) for name in taken})
            self._check(config)
            self._take(config)
        except BadSettings as error:
            log.error("reload", refused=error.problems, effect="the old settings stand")
            self._status.warn(_TOPIC, "the settings could not be read again, the old ones stand; the log says why")
            return
        self.config = config
        self._status.all_clear(_TOPIC)
        log.warning("reload", taken=taken, needs_restart=[s.name for s in changed if s.name not in taken])

    def _check(self, config: C) -> None:
        if self.config.has_credentials and not config.has_credentials:
            raise BadSettings(["no credentials are left"])

    def _changed(self, config: C) -> list[Setting]:
        settings = settings_of(type(config))
        return [s for s in settings if getattr(config, s.name) != getattr(self.config, s.name)]
