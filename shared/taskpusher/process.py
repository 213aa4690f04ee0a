"""What a daemon asks of its own process: enough open files, and a collector that keeps out of the way."""

import gc
import resource

import structlog

GC_THRESHOLDS = (50_000, 20, 100)

log = structlog.get_logger()


def allow_files(wanted: int, advice: str) -> None:
    """Raise the limit of open files to what the system allows; says so where that is less than what is wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < wanted:
        log.warning("files", limit=hard, advice=f"raise ulimit -n to {wanted}{advice}")


def client_connections(most: int, others: int, files_each: int = 1) -> int:
    """Return how many client connections there may be: `most`, if the limit of open files has room beside `others`.

    Where it has none, clients may take half of it: calls that then lack a file wait for a second, and are not lost.
    A client may take `files_each`: one to a node behind its own.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return most
    return min(most, max(limit - others, limit // 2) // files_each)


def collect_less() -> None:
    """Look for reference cycles less often: by default that costs a job a tenth of its time, and finds next to none."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
