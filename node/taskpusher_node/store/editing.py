"""What a store can do about jobs that have not begun: give them other fields."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from taskpusher.job import Spec

if TYPE_CHECKING:
    from .base import Changed

Change = Callable[[Spec], tuple[Spec, int | None]]  # the spec now -> the next one, and when it is due if that changes


class EditStore(Protocol):
    """The part of a store that edits jobs."""

    async def edit(self, uid: str, change: Change) -> "Changed":
        """Give a waiting or scheduled job another spec, made of the one it has; what `change` raises changes nothing.

        Where its place in line is another one then, it joins the end of that line; else it keeps its place. A job that
        others hold stays held. Its ttl counts anew where that or the time when it is due has changed.
        """
