"""The stores of the nodes in one folder, n1 and on: how many there are, and whether as many nodes are asked for."""

import re
import shlex
from pathlib import Path

_NAME = re.compile(r"n([1-9]\d{0,3})", re.ASCII)
_LONE = "CURRENT"  # every store of RocksDB has this file


class Unfit(Exception):
    """The folder does not fit what is asked for; each argument is a sentence."""


def names(n: int) -> list[str]:
    """Return the names of so many nodes."""
    return [f"n{number}" for number in range(1, n + 1)]


def count(folder: Path, n: int) -> int:
    """Return how many stores there are; raises Unfit where `n` nodes would leave one behind, or it is a store itself.

    What is counted is the highest number: one that was moved away from among the others is made anew.
    """
    if (folder / _LONE).exists():
        raise Unfit(
            f"{folder} is the store of a lone node", "give another --store: a folder for the stores of all nodes"
        )
    found = [int(match[1]) for path in folder.glob("n*") if path.is_dir() and (match := _NAME.fullmatch(path.name))]
    there = max(found, default=0)
    if there > n:
        over = ", ".join(f"n{number}" for number in sorted(found) if number > n)
        raise Unfit(
            f"{folder} has stores of {there} nodes, and with {n} nobody would know the jobs of {over}",
            f"start with --nodes {there}. To be rid of {over}: POST /nodes/NAME/drain, wait until GET /nodes counts no"
            f" job of it as waiting, scheduled or running, stop, and move it out of {shlex.quote(str(folder))}",
        )
    return there
