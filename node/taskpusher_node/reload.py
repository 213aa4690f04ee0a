"""SIGHUP: reads the settings again, takes new secrets, and names what else has changed and waits for a restart."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from taskpusher.settings import BadSettings, Loaded, settings_of

from .config import Config
from .status import Status

_TOPIC = "settings"

log = structlog.get_logger()


class Reload:
    """Holds the settings that are in force. `ask` asks for another look, `run` looks whenever it was asked."""

    def __init__(
        self, config: Config, status: Status, read: Callable[[], Loaded[Config]], take: Callable[[Config], None]
    ) -> None:
        self.config = config
        self._status = status
        self._read = read
        self._take = take
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
        """Read the settings and take their secrets, all of them or none."""
        try:
            loaded = await asyncio.to_thread(self._read)
        except BadSettings as error:
            self._refuse(error.problems)
            return
        for warning in loaded.warnings:
            log.warning("settings", advice=warning)
        changed = [s for s in settings_of(Config) if getattr(loaded.config, s.name) != getattr(self.config, s.name)]
        secrets = {s.name: getattr(loaded.config, s.name) for s in changed if s.kind.secret}
        config = replace(self.config, **secrets)
        if self.config.has_credentials and not config.has_credentials:
            self._refuse(["no credentials are left"])
            return
        self.config = config
        self._take(config)
        self._status.all_clear(_TOPIC)
        log.warning("reload", taken=list(secrets), needs_restart=[s.name for s in changed if not s.kind.secret])

    def _refuse(self, problems: list[str]) -> None:
        log.error("reload", refused=problems, effect="the old secrets stand")
        self._status.warn(_TOPIC, "the settings could not be read again, the old secrets stand; the log says why")
