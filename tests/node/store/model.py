"""The store as plain Python: a dict of jobs, searched in full for every answer."""

from collections.abc import Callable
from dataclasses import dataclass, field

from taskpusher.job import CALLBACK_QUEUE
from taskpusher_node.lifecycle import CRASHES_MAX, FINISHED, State

from . import model_handed, model_ties
from .model_limits import Limits
from .model_repeats import Repeats
from .model_ties import Open

CALLBACK_HOST = "told:1"
UNFINISHED = (State.WAITING, State.SCHEDULED)


@dataclass
class Job:
    """What the model knows of a job."""

    uid: str
    queue: str
    host: str
    priority: int
    ttl_ms: int | None
    state: State
    place: int
    t_ms: int  # by which it stands in the listing of its state
    due_ms: int
    expires_ms: int | None
    waiting_ms: int = 0
    key: str | None = None
    line: str | None = None  # its ordered key
    line_place: int = 0
    text: tuple[str | None, str] | None = None  # its unique text, in its scope
    turn: int = 0  # among those of its text
    held: int = 0
    on: tuple[str, ...] = ()  # the ends that a callback tells of
    tells: bool = False  # it is a callback
    attempt: int = 0
    tries: int = 0
    unreached: int = 0
    snoozes: int = 0
    crashes: int = 0
    limit: str | None = None
    lease_ms: int | None = None  # of one that is handed off
    asked_ms: int | None = None  # the lease that was asked for before its call had ended
    reported: tuple[int, str] | None = None  # by which word of which call it ended

    @property
    def counters(self) -> tuple[int, int, int, int, int]:
        """The counters of its head."""
        return self.attempt, self.tries, self.unreached, self.snoozes, self.crashes

    @property
    def lane(self) -> tuple[str, str, int]:
        """What it stands in line with; suspects of a crash stand apart."""
        return self.queue, "" if self.crashes else self.host, self.priority


@dataclass
class Model:
    """All jobs, which queues stand still until when, and how many calls at once a host may run."""

    jobs: dict[str, Job] = field(default_factory=dict)
    pauses: dict[str, int | None] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    repeats: Repeats = field(default_factory=Repeats)
    open: dict[str, Open] = field(default_factory=dict)  # by uid and attempt
    callback_of: Callable[[str], str] = str  # the uid of the one that was just made for a job
    gates: Limits = field(default_factory=Limits)
    last_place: int = 0

    def place(self) -> int:
        """Return the next place in line."""
        self.last_place += 1
        return self.last_place

    def those(self, *states: State) -> list[Job]:
        """Return the jobs in some states, oldest uid first."""
        return sorted((job for job in self.jobs.values() if job.state in states), key=lambda job: job.uid)

    def listing(self, state: State, queue: str | None = None) -> list[str]:
        """Return the uids of a listing, which passes over callbacks unless they are asked for."""
        jobs = sorted(self.those(state), key=lambda job: (job.t_ms, job.uid), reverse=state not in UNFINISHED)
        return [job.uid for job in jobs if (job.queue != CALLBACK_QUEUE if queue is None else job.queue == queue)]

    def counts(self, queue: str | None = None) -> dict[State, int]:
        """Return how many jobs are in each state."""
        return {state: sum(queue in (None, job.queue) for job in self.those(state)) for state in State}

    def add(self, uid: str, now_ms: int, delay_ms: int, ttl_ms: int | None, lane: tuple[str, str, int]) -> None:
        """Add a job."""
        due_ms = now_ms + delay_ms
        expires_ms = None if ttl_ms is None else due_ms + ttl_ms
        state = State.SCHEDULED if delay_ms > 0 else State.WAITING
        t_ms = due_ms if delay_ms > 0 else now_ms
        self.jobs[uid] = Job(uid, *lane, ttl_ms, state, self.place(), t_ms, due_ms, expires_ms, now_ms)

    def tie(self, job: Job, line: str | None, text: tuple[str | None, str] | None, now_ms: int) -> None:
        """A job has come, or come back, to the end of its ordered line and behind those of its text."""
        job.line, job.text = line, text
        job.line_place = job.turn = job.place
        job.held = model_ties.held(self, job)
        if job.held and job.state is State.SCHEDULED:
            job.state, job.t_ms = State.WAITING, now_ms

    def take_fields(self, job: Job, other: Job, now_ms: int) -> None:
        """A job that does not run takes the fields of an add; `other` is what that would have been."""
        turn = job.turn
        for name in ("queue", "host", "priority", "ttl_ms", "state", "place", "t_ms", "due_ms", "expires_ms", "on"):
            setattr(job, name, getattr(other, name))
        job.waiting_ms, job.tries, job.unreached, job.snoozes, job.crashes = now_ms, 0, 0, 0, 0
        self.tie(job, other.line, job.text, now_ms)
        job.turn = turn
        job.held = model_ties.held(self, job)
        self.let_go(now_ms)

    def let_go(self, now_ms: int) -> None:
        """Who is held by others follows from all jobs."""
        model_ties.let_go(self, now_ms)

    def may_be_claimed(self, now_ms: int) -> list[Job]:
        """Return what a claim may take; of the suspects none while one runs."""
        running = [job for job in self.those(State.RUNNING) if not model_handed.is_handed_off(job)]
        suspect_runs = any(job.crashes for job in running)
        full = {host for host, n in self.limits.items() if sum(job.host == host for job in running) >= n}
        return [
            job
            for job in self.those(State.WAITING)
            if not job.held
            and job.queue not in self.pauses
            and job.host not in full
            and not (job.crashes and suspect_runs)
            and self.gates.lets_pass(job, self.those(State.RUNNING), now_ms)
            and not self.is_over(job, now_ms)
        ]

    def is_over(self, job: Job, now_ms: int) -> bool:
        """Tell whether a job must end as expired."""
        ttl_matters = job.state in UNFINISHED and job.tries == 0
        return ttl_matters and job.expires_ms is not None and job.expires_ms <= now_ms

    def claim(self, uid: str, now_ms: int) -> None:
        """A call begins."""
        job = self.jobs[uid]
        self.gates.take(job.limit, now_ms)
        job.state, job.t_ms = State.RUNNING, now_ms
        job.attempt += 1
        model_handed.forget(job)

    def wait(self, job: Job, now_ms: int) -> None:
        """A job joins the end of its line."""
        job.state, job.place, job.t_ms, job.waiting_ms = State.WAITING, self.place(), now_ms, now_ms

    def put_back(self, job: Job) -> None:
        """A job takes its old place in line."""
        job.state, job.t_ms = State.WAITING, job.waiting_ms

    def end(self, job: Job, to: State, now_ms: int) -> None:
        """A job has ended."""
        called = job.state is State.RUNNING and not model_handed.is_handed_off(job)
        if to is State.CANCELLED and called and (job.line or job.text):
            self.open[f"{job.uid} {job.attempt}"] = Open(job.line, job.text)
        job.state, job.t_ms = to, now_ms
        model_handed.forget(job)
        self.repeats.ended(job.key, job.uid, now_ms)
        if to in job.on:
            uid = self.callback_of(job.uid)
            self.add(uid, now_ms, 0, None, (CALLBACK_QUEUE, CALLBACK_HOST, 0))
            self.jobs[uid].tells = True
        self.let_go(now_ms)

    def delete(self, job: Job) -> None:
        """A job goes, by hand or pruned."""
        del self.jobs[job.uid]
        if not job.tells:  # their uids are of the store's own clock
            self.repeats.deleted.add(job.uid)

    def settle(self, job: Job, to: State, now_ms: int, due_ms: int, added: tuple[int, int]) -> None:
        """A call has ended."""
        job.tries += added[0]
        job.unreached += added[1]
        model_handed.forget(job)
        if to is State.WAITING:
            self.put_back(job)
            return
        job.crashes = 0
        if to is State.SCHEDULED:
            job.state, job.t_ms, job.due_ms = to, due_ms, due_ms
        else:
            self.end(job, to, now_ms)

    def promote(self, now_ms: int) -> None:
        """What has expired ends, leases too, what is due waits, pauses that are over go."""
        model_handed.end_leases(self, now_ms)
        for job in sorted(self.those(*UNFINISHED), key=lambda job: (job.expires_ms or 0, job.uid)):
            if self.is_over(job, now_ms):
                self.end(job, State.ERROR, now_ms)
        for job in sorted(self.those(State.SCHEDULED), key=lambda job: (job.due_ms, job.uid)):
            if job.due_ms <= now_ms:
                self.wait(job, now_ms)
        for queue, until_ms in list(self.pauses.items()):
            if until_ms is not None and until_ms <= now_ms:
                del self.pauses[queue]
        self.repeats.forget(now_ms)

    def next_ms(self) -> int | None:
        """Return when a promote must come again."""
        times = [job.due_ms for job in self.those(State.SCHEDULED)]
        times += [job.expires_ms for job in self.those(*UNFINISHED) if job.expires_ms is not None and not job.tries]
        times += [job.lease_ms for job in self.those(State.RUNNING) if job.lease_ms is not None]
        times += [until_ms for until_ms in self.pauses.values() if until_ms is not None]
        return min([*times, *self.repeats.times()], default=None)

    def retry(self, job: Job, now_ms: int) -> None:
        """Retry by hand."""
        self.repeats.revived(job.key, job.uid)
        self.wait(job, now_ms)
        job.due_ms = now_ms
        job.tries = job.unreached = job.snoozes = job.crashes = 0
        job.expires_ms = None if job.ttl_ms is None else now_ms + job.ttl_ms
        self.tie(job, job.line, job.text, now_ms)

    def crash(self, now_ms: int) -> None:
        """The process went down."""
        for job in self.those(State.RUNNING):
            if model_handed.is_handed_off(job):
                continue
            job.crashes += 1
            if job.crashes >= CRASHES_MAX:
                self.end(job, State.ERROR, now_ms)
            else:
                self.put_back(job)
        self.open.clear()
        self.let_go(now_ms)

    def finished(self) -> list[Job]:
        """Return what has ended."""
        return self.those(*FINISHED)
