"""Copies of the store, made by hand while the node runs."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from msgspec import to_builtins

from taskpusher import errors
from taskpusher.web import json_response

from ..store.base import Store

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


class BackupApi:
    """Makes backups in the one folder that the setting names."""

    def __init__(self, store: Store, folder: Path | None, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._folder = folder
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post("/backup", self.backup)]

    async def backup(self, request: web.Request) -> web.Response:
        """Answer when a copy of this moment is whole and durable; `name` is that of its folder."""
        if self._folder is None:
            raise errors.BackupRefused("start the node with backup_dir, the folder for backups")
        unknown = [(field[:100], "unknown field") for field in request.query if field != "name"]
        if unknown:
            raise errors.InvalidField(unknown)
        name = request.query.get("name") or self._name_now()
        if not _NAME.fullmatch(name):
            raise errors.InvalidField([("name", "1 to 100 of A-Z a-z 0-9 _ . -, and no . in front")])
        made = await self._store.backup(self._folder.absolute() / name)
        return json_response(to_builtins(made))

    def _name_now(self) -> str:
        now = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
        return f"{self._store.name}-{now:%Y%m%dT%H%M%S}"
