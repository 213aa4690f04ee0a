"""How many jobs stand in error in each group: counted in the batch that changes the job, kept under `g`."""

from collections.abc import Callable

from taskpusher.job import Spec

from ...grouping import OTHER, Group, group_of
from ...lifecycle import Head
from ..base import GroupView
from . import records
from .db import Batch
from .records import Members

GROUPS_MAX = 1_000

OTHER_GROUP = Group(OTHER, "", "", "")


class Groups:
    """All groups that have jobs; what is one too many counts as `other`."""

    def __init__(self, groups: dict[str, Members] | None = None) -> None:
        self.groups = groups or {}
        self._dirty: set[str] = set()

    def enter(self, job_id: bytes, spec: Spec, head: Head) -> str:
        """A job ends in error; returns the id of its group, which its listing entry remembers."""
        group = group_of(spec, head) or OTHER_GROUP
        if group.id not in self.groups and len(self.groups) >= GROUPS_MAX:
            group = OTHER_GROUP
        ended_ms = head.ended_ms or 0
        members = self.groups.get(group.id)
        if members is None:
            members = self.groups[group.id] = Members(group, first_ms=ended_ms)
        members.count += 1
        members.last_ms = max(members.last_ms, ended_ms)
        members.sample = job_id
        self._dirty.add(group.id)
        return group.id

    def leave(self, job_id: bytes, group_id: str) -> None:
        """A job is no error any more."""
        members = self.groups.get(group_id)
        if members is None:
            return
        members.count -= 1
        if members.sample == job_id:
            members.sample = None
        if members.count <= 0:
            del self.groups[group_id]
        self._dirty.add(group_id)

    def views(self, uid_of: Callable[[bytes], str]) -> list[GroupView]:
        """Return all of them, the largest first."""
        groups = sorted(self.groups.values(), key=lambda m: (-m.count, m.group.id))
        return [
            GroupView(m.group, m.count, m.first_ms, m.last_ms, uid_of(m.sample) if m.sample is not None else None)
            for m in groups
        ]

    def write(self, batch: Batch) -> None:
        """Put what has changed since the last write."""
        for group_id in self._dirty:
            members = self.groups.get(group_id)
            if members is None:
                batch.delete(b"g" + group_id.encode())
            else:
                batch.put(b"g" + group_id.encode(), records.encode(members))
        self._dirty.clear()
