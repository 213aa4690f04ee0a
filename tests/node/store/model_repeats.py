"""Idempotency keys and deleted uids as plain Python."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from taskpusher_node.store.base import Placed, Put

RETENTION_MS = 300


@dataclass
class Key:
    """What an idempotency key stands for."""

    uid: str
    priority: int  # stands for all fields
    ended_ms: int | None = None


@dataclass
class Repeats:
    """All keys that are known, and what was deleted."""

    keys: dict[str, Key] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def add(self, text: str, uid: str, priority: int) -> Placed:
        """Return what an add is told; it is stored where that is CREATED."""
        known = self.keys.setdefault(text, Key(uid, priority))
        if known.uid == uid:
            return Placed(Put.CREATED, uid)
        return Placed(Put.SAME if known.priority == priority else Put.MISMATCH, known.uid)

    def ended(self, text: str | None, uid: str, now_ms: int) -> None:
        """A job has ended."""
        if text in self.keys and self.keys[text].uid == uid:
            self.keys[text].ended_ms = now_ms

    def revived(self, text: str | None, uid: str) -> None:
        """A job was retried by hand."""
        if text in self.keys and self.keys[text].uid == uid:
            self.keys[text].ended_ms = None

    def times(self) -> Iterator[int]:
        """Yield when keys are to be forgotten."""
        return (key.ended_ms + RETENTION_MS for key in self.keys.values() if key.ended_ms is not None)

    def forget(self, now_ms: int) -> None:
        """Forget keys whose time is over."""
        for text, key in list(self.keys.items()):
            if key.ended_ms is not None and key.ended_ms + RETENTION_MS <= now_ms:
                del self.keys[text]
