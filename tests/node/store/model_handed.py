"""What the model knows of jobs that their targets have accepted."""

from typing import TYPE_CHECKING

from taskpusher_node.lifecycle import State
from taskpusher_node.reports import Completed, Failed, Heartbeat, Report

if TYPE_CHECKING:
    from .model import Job, Model

TRIES = {"max_attempts": 3, "backoff": [0.03]}
RETRY_MS = 30
GRACE_MS = 60_000
LEASE_MS = 300_000
REPORTS: dict[str, Report] = {
    "complete": Completed(b"[1]"),
    "fail": Failed("no disk"),
    "fail for good": Failed("no such film", retry=False),
    "beat": Heartbeat(),
    "beat shortly": Heartbeat(lease_s=0.02),
    "beat for long": Heartbeat(lease_s=90.0),
}


def is_handed_off(job: "Job") -> bool:
    """Tell whether it runs without a call."""
    return job.state is State.RUNNING and job.lease_ms is not None


def hand_off(job: "Job", lease_ms: int) -> None:
    """Its call has ended, and it goes on."""
    job.lease_ms = lease_ms if job.asked_ms is None else job.asked_ms
    job.crashes = 0


def takes(job: "Job | None", attempt: int, what: str) -> bool:
    """Tell whether a word is taken; that of a call which is under way is too."""
    if job is None or job.attempt != attempt:
        return False
    if job.state is State.RUNNING:
        return True
    return job.reported == (attempt, what) and (what != "complete" or job.state is State.COMPLETED)


def report(model: "Model", job: "Job", what: str, now_ms: int) -> None:
    """Take a word."""
    if job.state is not State.RUNNING:
        return  # it was taken before
    asked = REPORTS[what]
    if isinstance(asked, Heartbeat):
        before_ms = (job.asked_ms if job.lease_ms is None else job.lease_ms) or 0
        until_ms = max(before_ms, now_ms + LEASE_MS) if asked.lease_s is None else now_ms + round(asked.lease_s * 1000)
        if job.lease_ms is None:
            job.asked_ms = until_ms
        else:
            job.lease_ms = until_ms
        return
    if what == "complete":
        job.tries += 1
        job.crashes = 0
        model.end(job, State.COMPLETED, now_ms)
    else:
        fail(model, job, now_ms, again=what == "fail")
    job.reported = (job.attempt, what)


def fail(model: "Model", job: "Job", now_ms: int, *, again: bool) -> None:
    """A try has failed."""
    job.crashes = 0
    job.tries += 1
    if again and job.tries < TRIES["max_attempts"]:
        job.state, job.t_ms, job.due_ms = State.SCHEDULED, now_ms + RETRY_MS, now_ms + RETRY_MS
        forget(job)
    else:
        model.end(job, State.ERROR, now_ms)


def forget(job: "Job") -> None:
    """A call of it is over."""
    job.lease_ms = job.asked_ms = job.reported = None


def end_leases(model: "Model", now_ms: int) -> None:
    """Leases that are over are failed tries."""
    for job in model.those(State.RUNNING):
        if job.lease_ms is not None and job.lease_ms <= now_ms:
            fail(model, job, now_ms, again=True)


def open_again(model: "Model", now_ms: int) -> None:
    """After a start no lease ends at once."""
    for job in model.those(State.RUNNING):
        if job.lease_ms is not None:
            job.lease_ms = max(job.lease_ms, now_ms + GRACE_MS)
