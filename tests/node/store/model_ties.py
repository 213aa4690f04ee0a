"""Ordered lines and unique texts as plain Python: who holds whom is found by a look at all jobs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskpusher_node.lifecycle import FINISHED, HELD_BY_ORDER, HELD_BY_UNIQUE, State
from taskpusher_node.store.base import Put

if TYPE_CHECKING:
    from .model import Job, Model

Text = tuple[str | None, str]  # (key, unique text)


@dataclass
class Open:
    """A call whose job was cancelled, and that is not closed."""

    line: str | None
    text: Text | None


def held(model: "Model", job: "Job") -> int:
    """Return by which others a job is held."""
    others = [other for other in model.jobs.values() if other.state not in FINISHED and other is not job]
    bits = 0
    if job.line is not None and (
        any(other.line == job.line and other.line_place < job.line_place for other in others)
        or any(call.line == job.line for call in model.open.values())
    ):
        bits |= HELD_BY_ORDER
    if job.text is not None and (
        any(other.text == job.text and other.turn < job.turn for other in others)
        or any(call.text == job.text for call in model.open.values())
    ):
        bits |= HELD_BY_UNIQUE
    return bits


def let_go(model: "Model", now_ms: int) -> None:
    """After anything: who is held now, and who is not any more and has to wait for being due."""
    for job in model.jobs.values():
        before, job.held = job.held, 0 if job.state in FINISHED else held(model, job)
        if before and not job.held and job.state is State.WAITING and job.due_ms > now_ms:
            job.state, job.t_ms = State.SCHEDULED, job.due_ms


def unfinished_of(model: "Model", text: Text) -> list["Job"]:
    """Return the jobs of a text that have not ended, the one that goes first before the other."""
    jobs = [job for job in model.jobs.values() if job.text == text and job.state not in FINISHED]
    return sorted(jobs, key=lambda job: job.turn)


def meet(model: "Model", text: Text | None, on_conflict: str) -> tuple[Put, "Job | None"]:
    """Return what becomes of an add, and the job that stands for it."""
    there = unfinished_of(model, text) if text is not None else []
    if not there:
        return Put.CREATED, None
    if on_conflict == "keep":
        return Put.DEDUPLICATED, there[-1]
    if len(there) == 1 and there[0].state is State.RUNNING:
        return Put.CREATED, None
    return Put.REPLACED, there[-1]


def may_be_retried(model: "Model", job: "Job") -> bool:
    """Tell whether no other job has the text of a finished one."""
    return job.text is None or not unfinished_of(model, job.text)
