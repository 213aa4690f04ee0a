"""What a store can do about the space that it takes on disk."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .base import Health


class SpaceStore(Protocol):
    """The part of a store that knows its disk."""

    async def reclaim(self) -> None:
        """Give the space of what was pruned back to the file system. May take long; everything else goes on."""

    async def measure(self) -> "Health":
        """Look at the disk now."""

    def health(self) -> "Health":
        """Return the state of the engine, and of its disk when that was last measured."""

    async def keep_ballast(self, n_bytes: int) -> None:
        """Set space aside, which is given up when the disk is full, so that the next start can open and delete."""
