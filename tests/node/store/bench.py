"""A store on the bench: opened by an engine, with a clock of its own, and its operations in short form."""

import asyncio
import itertools
import json
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol

from msgspec import structs

from taskpusher import uid as uids
from taskpusher.job import Limit, Spec
from taskpusher_node import digests
from taskpusher_node.lifecycle import FINISHED, STATES, Attempt, Head, JobError, Response, State, Verdict
from taskpusher_node.reports import Report
from taskpusher_node.store.base import (
    Changed,
    Claimed,
    Events,
    Filters,
    JobView,
    NewJob,
    Page,
    Pause,
    Placed,
    Put,
    QueueState,
    Settled,
    Store,
    Token,
    Verb,
    Walked,
)
from taskpusher_node.store.queues import NO_SETTINGS, QueueSettings

NAME = "bench"
START_MS = 1_800_000_000_000
SOON_S = 3.0  # every operation takes milliseconds


class Engine(Protocol):
    """How a kind of store is opened, and how its process dies."""

    async def open(self, **options: Any) -> Store:
        """Open the store, made where there is none."""

    async def kill(self) -> None:
        """Leave what a SIGKILL at this moment leaves, and let go of the store that was open."""


class Heard:
    """What a store told."""

    def __init__(self) -> None:
        self.woke = 0
        self.due: list[int] = []
        self.ended: list[str] = []
        self.cancelled: list[Token] = []
        self.held: list[tuple[str, Pause | None]] = []

    def events(self) -> Events:
        """Return listeners that write into this."""
        return Events(
            woke=self._wake,
            due=self.due.append,
            ended=self.ended.append,
            cancelled=self.cancelled.append,
            held=lambda host, hold: self.held.append((host, hold)),
        )

    def _wake(self) -> None:
        self.woke += 1


class Bench:
    """One store under test; the clock stands still unless a test moves it."""

    store: Store

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now_ms = START_MS
        self.heard = Heard()
        self._options: dict[str, Any] = {}
        self._minted = itertools.count()

    # -- opening

    async def open(self, **options: Any) -> None:
        """Open the store; the options are kept for the next time."""
        self._options |= options
        self.heard = Heard()
        opening = self.engine.open(
            **{
                "name": NAME,
                "events": self.heard.events(),
                "now_ms": lambda: self.now_ms,
                "ticks_ms": lambda: self.now_ms,
                "tell": tell,
                **self._options,
            }
        )
        self.store = await soon(opening)

    async def reopen(self, **options: Any) -> None:
        """Stop in peace and start again."""
        await soon(self.store.close())
        await self.open(**options)

    async def kill_and_reopen(self, **options: Any) -> None:
        """Die now and start again."""
        await self.engine.kill()
        await self.open(**options)

    # -- adding

    def job(self, *, uid: str | None = None, delay_ms: int = 0, given: bool = False, **fields: Any) -> NewJob:
        """Return a new job; `fields` are those of its spec."""
        host = fields.pop("host", "a:80")
        if isinstance(fields.get("limit"), tuple):
            fields["limit"] = Limit(*fields["limit"])  # (key, concurrency, rate, per)
        spec = Spec(url=f"http://{host}/", host=host, **fields)
        keyed = spec.idempotency_key is not None
        digest = digests.of_spec(structs.replace(spec, idempotency_key=None)) if keyed else None
        return NewJob(uid or uids.mint(NAME), spec, self.now_ms, self.now_ms + delay_ms, given, digest)

    def fresh_uid(self, age_ms: int = 0) -> str:
        """Return a uid that was minted by the clock of the bench; all others are old by it."""
        # in order, also of those of one moment: what a test finds must be found again
        return f"{self.now_ms - age_ms:012x}70008{next(self._minted):015x}-{NAME}"

    async def put(self, *jobs: NewJob) -> list[Put]:
        """Put jobs."""
        return [placed.put for placed in await self.place(*jobs)]

    async def place(self, *jobs: NewJob) -> list[Placed]:
        """Put jobs, and hear under which uid each of them is known."""
        return await soon(self.store.put_new(jobs))

    async def add(self, **fields: Any) -> str:
        """Put one new job and return its uid."""
        job = self.job(**fields)
        assert await self.put(job) == [Put.CREATED]
        return job.uid

    async def add_many(self, n: int, **fields: Any) -> list[str]:
        """Put several jobs that are alike and return their uids."""
        jobs = [self.job(**fields) for _ in range(n)]
        await self.put(*jobs)
        return [job.uid for job in jobs]

    # -- calling

    async def claim(self, n: int = 1, *, reserve: int = 0) -> list[Claimed]:
        """Claim up to `n` jobs."""
        return await soon(self.store.claim(n, reserve=reserve))

    async def claim_uids(self, n: int = 1, **how: Any) -> list[str]:
        """Claim up to `n` jobs and return their uids."""
        return [job.uid for job in await self.claim(n, **how)]

    async def start(self) -> Claimed:
        """Claim the one next job."""
        [job] = await self.claim()
        return job

    async def settle(self, job: Claimed, to: State, **changes: Any) -> Settled:
        """Settle a call."""
        return await soon(self.store.settle(job.token, verdict(job, to, **changes)))

    async def hand_off(self, job: Claimed, lease_ms: int) -> Settled:
        """Settle a call whose target has accepted the job."""
        return await self.settle(job, State.RUNNING, status=202, lease_ms=self.now_ms + lease_ms)

    async def report(self, job: Claimed, report: Report) -> Settled:
        """Say what the target of a call says later."""
        return await soon(self.store.report(job.token, report))

    async def run_all(self) -> list[str]:
        """Claim and complete whatever is ready, one call at a time; returns the uids in that order."""
        order = []
        while claimed := await self.claim():
            order.append(claimed[0].uid)
            assert await self.settle(claimed[0], State.COMPLETED, tries=1) is Settled.APPLIED
        return order

    async def bring(self, state: State, **fields: Any) -> str:
        """Add a job and bring it into a state; nothing else may be ready."""
        uid = await self.add(**{"delay_ms": 60_000} | fields if state is State.SCHEDULED else fields)
        if state is State.RUNNING or state in FINISHED - {State.CANCELLED}:
            job = await self.start()
            assert job.uid == uid
            if state in FINISHED:
                await self.settle(job, state, tries=1)
        if state is State.CANCELLED:
            await self.change(uid, Verb.CANCEL)
        return uid

    # -- everything else

    async def promote(self, later_ms: int = 0) -> int | None:
        """Move the clock and promote."""
        self.now_ms += later_ms
        return await soon(self.store.promote(self.now_ms))

    async def change(self, uid: str, verb: Verb) -> Changed:
        """Do a verb."""
        return await soon(self.store.change(uid, verb))

    async def cancel(self, uid: str) -> Changed:
        """Cancel a job."""
        return await self.change(uid, Verb.CANCEL)

    async def edit(self, uid: str, *, due_ms: int | None = None, **fields: Any) -> Changed:
        """Give a job other fields of its spec, and another time when it is due."""
        return await soon(self.store.edit(uid, lambda spec: (structs.replace(spec, **fields), due_ms)))

    async def change_many(
        self,
        state: State,
        verb: Verb,
        *,
        before_ms: int | None = None,
        after: str | None = None,
        limit: int = 1_000,
        dry_run: bool = False,
        **filters: Any,
    ) -> Walked:
        """Do a verb to a part of a listing; by default to all that came before now, or in this very moment."""
        work = self.store.change_many(
            state, verb, before_ms=self.now_ms + 1 if before_ms is None else before_ms, after=after, limit=limit,
            filters=Filters(**filters), dry_run=dry_run,
        )  # fmt: skip
        return await soon(work)

    async def declare(self, name: str, settings: QueueSettings = NO_SETTINGS, version: int | None = None) -> Put:
        """Declare a queue."""
        return await soon(self.store.declare_queue(name, settings, version))

    async def take(self, name: str, state: QueueState) -> Put:
        """Let a queue be what another store says."""
        return await soon(self.store.take_queue(name, state))

    async def delete_queue(self, name: str) -> Changed:
        """Delete a queue."""
        return await soon(self.store.delete_queue(name))

    async def pause(self, queue: str = "default", until_ms: int | None = None) -> None:
        """Pause a queue."""
        await soon(self.store.set_pause(queue, Pause("me", self.now_ms, until_ms)))

    async def resume(self, queue: str = "default") -> None:
        """Resume a queue."""
        await soon(self.store.set_pause(queue, None))

    async def hold(self, host: str, until_ms: int | None = None) -> bool:
        """Hold a host by hand."""
        return await soon(self.store.set_hold(host, Pause("me", self.now_ms, until_ms)))

    async def release(self, host: str) -> None:
        """Release a host."""
        await soon(self.store.set_hold(host, None))

    async def pin(self, *limit: Any) -> bool:
        """Fix the numbers (key, concurrency, rate, per) of a limit key."""
        return await soon(self.store.pin_limit(Limit(*limit)))

    async def number_queue(
        self, concurrency: int | None = None, rate: float | None = None, *, queue: str = "default"
    ) -> None:
        """Give a queue its numbers, by the second."""
        await soon(self.store.set_queue_limits(queue, concurrency, rate, 1.0))

    async def durable(self) -> None:
        """Wait for the flush."""
        await soon(self.store.durable())

    # -- reading

    def view(self, uid: str) -> JobView:
        """Return a job that is there, with its earlier attempts."""
        view = self.store.get(uid, attempts=True)
        assert view is not None
        return view

    def head(self, uid: str) -> Head:
        """Return what has become of a job that is there."""
        return self.view(uid).head

    def state(self, uid: str) -> State:
        """Return the state of a job that is there."""
        return self.head(uid).state

    async def page(self, state: State, after: str | None = None, limit: int = 100, **filters: Any) -> Page:
        """Read one page."""
        return await soon(self.store.page(state, after=after, limit=limit, filters=Filters(**filters)))

    async def walk(self, state: State, limit: int = 100, **filters: Any) -> list[str]:
        """Return the uids of a whole listing."""
        found: list[str] = []
        position: str | None = None
        for _ in itertools.count():
            page = await self.page(state, position, limit, **filters)
            found += [job.uid for job in page.jobs]
            position = page.scanned_to
            if position is None:
                return found
        raise AssertionError

    async def where(self) -> dict[State, list[str]]:
        """Return every listing that is not empty."""
        listings = {state: await self.walk(state) for state in STATES}
        return {state: listing for state, listing in listings.items() if listing}

    def counts(self) -> dict[State, int]:
        """Return the counters that are not zero."""
        return {state: n for state, n in self.store.counts().items() if n}


def tell(view: JobView) -> bytes:
    """Return what a callback says of a job: enough to see that nothing of it was left out."""
    calls = [attempt.n for attempt in [*([view.head.last] if view.head.last is not None else []), *view.attempts]]
    return json.dumps({"uid": view.uid, "state": view.head.state, "added": view.added_ms, "calls": calls}).encode()


async def soon(work: Awaitable[Any]) -> Any:
    """Await an operation; one that never ends fails its own test, not the whole run."""
    async with asyncio.timeout(SOON_S):
        return await work


async def close(bench: Bench) -> None:
    """Close a store at the end of a test, also one that a fault has left unable to write."""
    with suppress(TimeoutError, AttributeError):
        async with asyncio.timeout(0.5):
            await bench.store.close()
            return
    await bench.engine.kill()


def response(status: int, body: bytes = b"") -> Response:
    """Return an answer of a target."""
    return Response(status, [("content-type", "text/plain")], body, truncated=False)


def verdict(job: Claimed, to: State, *, outcome: str = "answered", status: int | None = 200, **changes: Any) -> Verdict:
    """Return the verdict over a call; an interrupted one got no answer."""
    body = changes.pop("body", b"")
    got = None if to is State.WAITING or status is None else response(status, body)
    attempt = Attempt(job.token.attempt, job.head.started_ms or 0, 0.1, outcome, None, got)
    if to is State.ERROR:
        changes.setdefault("error", JobError("status", "the target answered", status))
    return Verdict(to, attempt, **changes)
