"""Each member's part of what a cluster shares, such as a queue's concurrency: [low, high) of 1, by weight. Pure."""

from collections.abc import Collection
from itertools import accumulate
from typing import NamedTuple

from .members import Member


class Share(NamedTuple):
    """What a node is told by PUT /cluster."""

    members: int
    low: float
    high: float


def shares(members: Collection[Member]) -> dict[str, Share]:
    """Return the share of each, in the order of names; each begins where that of the one before ends, the last at 1.

    A member without weight has as much as the least that has one, so that it can run dry.
    """
    least = min(member.weight for member in members if member.weight > 0)
    in_order = sorted(members)
    *ends, whole = accumulate(member.weight or least for member in in_order)
    edges = [0.0, *(end / whole for end in ends), 1.0]
    return {
        member.name: Share(len(in_order), low, high)
        for member, low, high in zip(in_order, edges, edges[1:], strict=False)
    }
