"""What the model knows of edits."""

from typing import Any

from taskpusher_node.lifecycle import State

from .model import Job, Model


def edit(model: Model, job: Job, fields: dict[str, Any], due_ms: int | None, now_ms: int) -> None:
    """Give a job that waits or is scheduled other fields, and another time when it is due."""
    lane, ttl_ms = job.lane, job.ttl_ms
    for name in {"queue", "host", "priority"}.intersection(fields):
        setattr(job, name, fields[name])
    if "ttl_s" in fields:
        job.ttl_ms = None if fields["ttl_s"] is None else round(fields["ttl_s"] * 1_000)
    if due_ms is not None:
        job.due_ms = due_ms
    if due_ms is not None or job.ttl_ms != ttl_ms:
        job.expires_ms = None if job.ttl_ms is None else job.due_ms + job.ttl_ms
    if job.held:
        return  # it waits on, and is let go at its old place
    if due_ms is not None and due_ms > now_ms:
        job.state, job.t_ms = State.SCHEDULED, due_ms
    elif due_ms is not None and job.state is State.SCHEDULED:
        model.wait(job, now_ms)
    elif job.state is State.WAITING and job.lane != lane:
        job.place = model.place()
