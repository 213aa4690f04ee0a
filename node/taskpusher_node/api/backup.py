"""Copies of the store, made by hand while the node runs."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct, to_builtins

from taskpusher import errors
from taskpusher.contract import operation
from taskpusher.fields import of_query_or_form
from taskpusher.web import json_response

from ..store.base import Backup, Store


class BackupFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup is called; without a name, after the store and the time."""

    name: (
        Annotated[
            str,
            Meta(
                pattern=r"\A[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}\Z",
                description="1 to 100 of A-Z a-z 0-9 _ . -, and no . in front",
            ),
        ]
        | None
    ) = None


class BackupApi:
    """Makes backups in the one folder that the setting names."""

    def __init__(self, store: Store, folder: Path | None, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._folder = folder
        self._now_ms = now_ms

    @operation("POST", "/backup", fields=BackupFields, answers={200: Backup}, problems=[errors.BackupRefused])
    async def backup(self, request: web.Request) -> web.Response:
        """Answer when a copy of this moment is whole and durable; `name` is that of its folder."""
        if self._folder is None:
            raise errors.BackupRefused("start the node with backup_dir, the folder for backups")
        name = (await of_query_or_form(request, BackupFields)).name or self._name_now()
        made = await self._store.backup(self._folder.absolute() / name)
        return json_response(to_builtins(made))

    def _name_now(self) -> str:
        now = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
        return f"{self._store.name}-{now:%Y%m%dT%H%M%S}"
