"""What a store counts since it was opened: of all jobs, and of those of each queue that has a name of its own."""

from collections import defaultdict

from msgspec import Struct

from taskpusher.histogram import Histogram
from taskpusher.job import CALLBACK_QUEUE, DEFAULT_QUEUE

from ..retry import RESULTS


class Totals(Struct):
    """How often something happened since the store was opened."""

    added: int = 0
    completed: int = 0
    errors: int = 0
    held_in_order: int = 0  # what came while another job of its ordered line had not ended
    deduplicated: int = 0  # adds that another job stands for
    fenced: int = 0
    requeued: int = 0  # what was running when the process went down
    interrupted: int = 0  # what a stop took from its call
    leases: int = 0  # what its target had accepted, and is called again because it fell silent
    deleted: int = 0  # by hand
    deleted_age: int = 0
    deleted_count: int = 0
    deleted_disk: int = 0
    stalls: int = 0
    write_errors: int = 0
    flush_errors: int = 0
    damaged: int = 0  # entries that a verification found to be wrong


OTHER_QUEUES = "other"
OWN_QUEUES = frozenset({DEFAULT_QUEUE})  # are always there
_OWN_TALLY = OWN_QUEUES | {CALLBACK_QUEUE}


def tally_name(queue: str, *, declared: bool) -> str:
    """Return under which name the jobs of a queue are counted.

    Adds make queues of any name: only those that somebody declared get a name of their own in the metrics.
    """
    return queue if declared or queue in _OWN_TALLY else OTHER_QUEUES


class Tally:
    """How often something happened to the jobs of one queue, or of all that share a name, since the start."""

    __slots__ = ("added", "cancelled", "completed", "durations", "errors", "results", "retries", "waits")

    def __init__(self) -> None:
        self.added = 0
        self.completed = 0
        self.errors = 0
        self.cancelled = 0
        self.retries = 0  # calls that were put off to a later one
        self.results = defaultdict(int, dict.fromkeys(RESULTS, 0))  # how calls ended
        self.durations = Histogram()  # of calls
        self.waits = Histogram()  # from becoming ready to the call
