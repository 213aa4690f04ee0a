"""Which member of a cluster owns a text: consistent hashing on a ring of points, the same in every router. Pure.

A member has the points xxh3_64(name + "#" + i) for every i below 2,000 times its weight; where two have the same point,
it belongs to the smaller name. A text belongs to the first point at or after its own hash, around the ring.
"""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from xxhash import xxh3_64_intdigest

POINTS = 2_000  # a weight of 1: with 160 most rings of 8 members are off by over 10 %

_SPACE = 1 << 64


class Ring:
    """The points of all members, by the weight of each."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Lay the points; ValueError where no weight is above 0."""
        self._names = sorted(weights)
        owners: dict[int, int] = {}
        for index in reversed(range(len(self._names))):  # the smaller name comes last, and has what both lay
            name = self._names[index]
            points = range(round(POINTS * weights[name]))
            owners.update((xxh3_64_intdigest(b"%s#%d" % (name.encode(), i)), index) for i in points)
        if not owners:
            raise ValueError("no member has a weight above 0")
        self.points = array("Q", sorted(owners))
        self._owners = array("H", map(owners.__getitem__, self.points))
        self._owning = len(set(self._owners))  # members that have a point

    def owner(self, text: str | bytes) -> str:
        """Return the member that a text belongs to."""
        return self._owner_at(bisect_left(self.points, _hash(text)))

    def order(self, text: str | bytes) -> Iterator[str]:
        """Yield each member that has a weight once: the owner of a text, then whom its work goes to, one by one."""
        index = bisect_left(self.points, _hash(text))
        seen: set[str] = set()
        while len(seen) < self._owning:
            name = self._owner_at(index)
            index += 1
            if name not in seen:
                seen.add(name)
                yield name

    def shares(self) -> dict[str, float]:
        """Return each member's share of all hashes."""
        arcs = dict.fromkeys(self._names, 0)
        before = self.points[-1] - _SPACE
        for point, owner in zip(self.points, self._owners, strict=True):
            arcs[self._names[owner]] += point - before
            before = point
        return {name: arc / _SPACE for name, arc in arcs.items()}

    def owners_of(self, hashes: Iterable[int]) -> Iterator[str]:
        """Yield the owner of each hash."""
        return (self._owner_at(bisect_left(self.points, number)) for number in hashes)

    def _owner_at(self, index: int) -> str:
        return self._names[self._owners[index % len(self._owners)]]


def _hash(text: str | bytes) -> int:
    return xxh3_64_intdigest(text.encode() if isinstance(text, str) else text)


def moved(old: Ring, new: Ring) -> dict[tuple[str, str], float]:
    """Return the share of all hashes that has another owner, by (old owner, new owner)."""
    points = sorted({*old.points, *new.points})
    arcs: dict[tuple[str, str], int] = defaultdict(int)
    before = points[-1] - _SPACE
    for point, *owners in zip(points, old.owners_of(points), new.owners_of(points), strict=True):
        arcs[owners[0], owners[1]] += point - before
        before = point
    return {owners: arc / _SPACE for owners, arc in sorted(arcs.items()) if owners[0] != owners[1]}


def hashed_text(
    limit_key: str | None, key: str | None, unique: str | None, idempotency_key: str | None, id_part: str
) -> str:
    """Return the text by which a job is placed: its affinity, or its uid's id where it has none."""
    for letter, text in (("l", limit_key), ("k", key), ("u", unique), ("i", idempotency_key)):
        if text is not None:
            return f"{letter}:{text}"
    return id_part
