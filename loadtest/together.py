"""Jobs that know of each other: one long ordered line, and as many limit keys as jobs, beside plain jobs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from load import prefill
from processes import start_node
from scenarios import Sample, Setting, called_as_counted, drain

_SETTLE_S = 1.0  # so that the engine's own work after a prefill is over when memory is looked at


@dataclass(frozen=True)
class Waiting:
    """What a node did with many jobs of one kind, with one call in flight."""

    drain: Sample
    memory_mb: float  # more than when it was empty


KINDS: dict[str, Callable[[int], str]] = {
    "plain": lambda _: "",
    "one ordered line": lambda _: ',"key":"k","ordered":true',
    "a limit key each": lambda n: f',"limit":{{"key":"customer-{n}","concurrency":1,"rate":1000}}',
}


def run_together(kind: str, jobs: int, setting: Setting) -> Waiting:
    """Fill a fresh node with jobs of a kind, look at its memory, and at a window inside their drain."""
    with (
        TemporaryDirectory(dir=setting.folder) as folder,
        start_node(Path(folder), concurrency=1, core=setting.server_core) as node,
    ):
        node.wait_ready()
        before = setting.target.calls()
        node.pause()
        empty_mb = node.rss_mb()
        prefill(node, jobs, setting.target.url, fields=KINDS[kind])
        time.sleep(_SETTLE_S)
        memory_mb = node.rss_mb() - empty_mb
        sample = drain(node, setting, endless=False)
        return Waiting(sample.with_faults(called_as_counted(node, setting.target, before)), memory_mb)
