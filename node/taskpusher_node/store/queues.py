"""What a store can do about queues: tell of them, declare them with their settings, pause and delete them."""

from collections.abc import Mapping
from math import floor
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from .base import Changed, Pause, Put, QueueState, QueueView

SCOPES = ("cluster", "node")
_CLUSTER = SCOPES[0]


class QueueSettings(Struct, frozen=True):
    """What is said of a queue by hand; the numbers are those of its limits, None is no limit."""

    concurrency: int | None = None
    rate: float | None = None
    per: float = 1.0
    scope: str = SCOPES[0]
    defaults: bytes | None = None  # a JSON object: fields of an add, for adds that do not give them


NO_SETTINGS = QueueSettings()


class Share(Struct, frozen=True, array_like=True):
    """The part of a store in what a cluster of so many members shares: from `low` to `high` of the whole."""

    members: int = 1
    low: float = 0.0
    high: float = 1.0

    def concurrency(self, whole: int) -> int:
        """Return its part of so many calls at once: those of all members together are the whole, each has one.

        Where there are more members than calls, one each is more than the whole; else some would run nothing.
        """
        more = whole - self.members
        return max(1, 1 + floor(more * self.high) - floor(more * self.low))

    def numbers(
        self, scope: str, concurrency: int | None, rate: float | None, per: float
    ) -> tuple[int | None, float | None, float]:
        """Return which numbers of a queue hold here."""
        if scope != _CLUSTER:
            return concurrency, rate, per
        calls = None if concurrency is None else self.concurrency(concurrency)
        return calls, None if rate is None else rate * (self.high - self.low), per


WHOLE = Share()


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
        """Pause a queue, or resume it, which makes the next version; that a pause ends by itself does not."""

    async def take_queue(self, name: str, state: "QueueState") -> "Put":
        """Let all that is said of a queue be what another store of the cluster knows, if that is newer.

        CREATED, or SAME where the queue was there; CONFLICT where it is not newer, NO_QUEUE where it would be one too
        many.
        """

    def settings_digest(self) -> str:
        """Return what is the same on all stores that have the same said of their queues, with its version."""

    @property
    def share(self) -> Share:
        """The part of this store in what queues of scope cluster may do; the whole where nothing else was said."""

    async def set_share(self, share: Share) -> None:
        """Let this store have another part, over restarts too."""
