"""The account of a load: what was promised of each add, held against what is stored and against the calls made."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

DAY_S = 86_400


@dataclass
class Add:
    """A job that a client wants to be stored once, however often it has to ask."""

    n: int
    line: str | None = None  # of an ordered one: its key; one of a line is added when the one before is acknowledged
    uid: str | None = None  # what a 201 or 200 promised
    unknown: bool = False  # nobody said what became of it, and the client did not ask again


@dataclass
class Account:
    """All adds of a load, the first answers of the keyless ones, and what listings told meanwhile."""

    adds: list[Add] = field(default_factory=list)
    keyless: Counter[int | None] = field(default_factory=Counter)  # first answers, by status; None: it broke off
    repeated: int = 0  # adds that were sent again after a 504
    whole_walks: int = 0
    partial_walks: int = 0
    lies: list[str] = field(default_factory=list)  # of listings

    def new(self, line: str | None = None) -> Add:
        """Return the next add."""
        add = Add(len(self.adds), line)
        self.adds.append(add)
        return add

    @property
    def answered(self) -> float:
        """The share of the keyless adds that were answered with 201."""
        return self.keyless[201] / self.keyless.total()

    def faults(self, jobs: Iterable[dict], calls: Iterable[str], *, moved: frozenset[str] = frozenset()) -> dict:
        """Hold it against all jobs of all nodes, and the uids of all calls in order; lines that moved have none.

        Returns the numbers of adds that are lost, stored twice, stored though refused, not called, and the lines that
        were called out of order: nothing, where all is well.
        """
        stored: dict[int, list[str]] = defaultdict(list)
        for job in jobs:
            stored[job["meta"]["n"]].append(job["uid"])
        called = Counter(calls)
        promised = [add for add in self.adds if add.uid is not None]
        found = {
            "lost": [add.n for add in promised if add.uid not in stored[add.n]],
            "doubled": [n for n, uids in stored.items() if len(uids) > 1],
            "refused but stored": [a.n for a in self.adds if stored[a.n] and a.uid is None and not a.unknown],
            "not called": [add.n for add in promised if not called[add.uid]],
            "out of order": sorted(self._out_of_order(calls) - moved),
        }
        return {fault: which for fault, which in found.items() if which} | ({"lies": self.lies} if self.lies else {})

    def _out_of_order(self, calls: Iterable[str]) -> set[str]:
        """Name the lines in which a job was called after one that was added behind it."""
        by_uid = {add.uid: add for add in self.adds if add.line is not None and add.uid is not None}
        last: dict[str, int] = {}
        wrong = set()
        for add in (by_uid[uid] for uid in calls if uid in by_uid):
            assert add.line is not None
            if add.n < last.get(add.line, -1):
                wrong.add(add.line)
            last[add.line] = add.n
        return wrong
