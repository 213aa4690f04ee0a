"""What a store can do about queues: tell of them, declare them with their settings, pause and delete them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from .base import Changed, Pause, Put, QueueView

SCOPES = ("cluster", "node")


class QueueSettings(Struct, frozen=True):
    """What is said of a queue by hand; the numbers are those of its limits, None is no limit."""

    concurrency: int | None = None
    rate: float | None = None
    per: float = 1.0
    scope: str = SCOPES[0]
    defaults: bytes | None = None  # a JSON object: fields of an add, for adds that do not give them


NO_SETTINGS = QueueSettings()


class QueueStore(Protocol):
    """The part of a store that knows queues."""

    queue_defaults: Mapping[str, bytes]  # of the queues that have any, as they are now

    def queues(self) -> "list[QueueView]":
        """Return every queue."""

    def queue(self, name: str) -> "QueueView | None":
        """Return one queue."""

    async def declare_queue(
        self, name: str, settings: QueueSettings = NO_SETTINGS, version: int | None = None
    ) -> "Put":
        """Declare a queue by hand, with all its settings: CREATED, or SAME where it was there.

        NO_QUEUE where it would be one too many; CONFLICT where it has another version than the one given. Each call
        makes the next version.
        """

    async def delete_queue(self, name: str) -> "Changed":
        """Delete a queue with its settings: WRONG_STATE where it has jobs in any state, or is one that always stays."""

    async def set_pause(self, queue: str, pause: "Pause | None") -> None:
        """Pause a queue, or resume it."""
