"""Fills free slots with ready jobs, has them called, and settles what comes back.

The only part that sees both store and runner.

woke --> claim as many as slots are free --> a task each: call --> judge --> settle --> woke
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from taskpusher.job import Spec
from taskpusher.masking import mask_text

from .lifecycle import FINISHED, Attempt, Head, State, Verdict
from .retry import Kind, Outcome, judge, result_of, retry_after_s
from .store.base import Claimed, Settled, Store, StoreBusy, StoreError, Token
from .targets import Targets
from .why import Slots

PROGRESS_EVERY_S = 5.0
CLAIM_AT_ONCE = 256  # so that thousands of slots do not hold up the loop
HOSTS_SHOWN = 10

Call = Callable[[str, Spec, Head], Awaitable[Outcome]]

log = structlog.get_logger()


class Dispatcher:
    """Runs up to `concurrency` calls at once. `start` begins, `drain` ends it. Made where a loop runs."""

    def __init__(
        self, store: Store, call: Call, *, concurrency: int, unreached_status: str, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._call = call
        self._concurrency = concurrency
        # a quarter of the slots is for hosts with no call running, so that a slow host never has them all
        self._reserve = max(1, concurrency // 4)
        self._unreached_status = unreached_status
        self._now_ms = now_ms
        self._log = log.bind()  # once, for the lazy proxy would do it again for every line
        self._calls: dict[Token, asyncio.Task[None]] = {}
        self._cancelled: set[Token] = set()  # between their claim and their call
        self._settling: set[Token] = set()  # their calls have ended: nothing is left to abort
        self._wake = asyncio.Event()
        self._claiming = True
        self._held = False
        self._idle = asyncio.Event()  # nothing runs, and the last claim found nothing
        self._loop_task: asyncio.Task[None] | None = None
        store.events.woke = self._wake.set
        store.events.cancelled = self._abort
        self.targets = Targets(store.limit_host, slots=concurrency, later=asyncio.get_running_loop().call_later)
        store.events.held = self.targets.hold
        for host, hold in store.holds().items():
            self.targets.hold(host, hold)

    @property
    def busy(self) -> int:
        """How many calls run."""
        return len(self._calls)

    @property
    def limit(self) -> int:
        """How many calls may run at once."""
        return self._concurrency

    def slots(self) -> Slots:
        """Return how many calls run and may run, of which hosts most."""
        calls = self.targets.calls()
        hosts = dict(sorted(calls.items(), key=lambda host: -host[1])[:HOSTS_SHOWN])
        return Slots(self.busy, self._concurrency, self._reserve, hosts, claiming=self._claiming and not self._held)

    def start(self) -> asyncio.Task[None]:
        """Begin to claim; returns the task that does it."""
        self._wake.set()
        self._loop_task = asyncio.create_task(self._run(), name="dispatcher")
        return self._loop_task

    def hold(self, on: bool) -> None:  # noqa: FBT001
        """Begin no calls for a while; those that run go on."""
        self._held = on
        self._wake.set()

    async def drain(self, *, timeout_s: float | None, grace_s: float, hurry: asyncio.Event) -> None:
        """Run down what is ready; after `timeout_s` start nothing more, after `grace_s` more abort what runs.

        `hurry` skips to the abort. What is ready was fixed by `store.park`; once only jobs of held hosts are left,
        they are left for the next start.
        """
        if self._loop_task is not None and not self._loop_task.done():
            self._idle.clear()
        self._wake.set()
        progress = asyncio.create_task(self._tell_progress())
        try:
            if not await _unless(hurry, self._until_idle(), timeout_s):
                self._claiming = False
                await _unless(hurry, self._until_done(), grace_s)
        finally:
            progress.cancel()
            await self.stop()

    async def stop(self) -> None:
        """Claim no more and abort what runs: it is settled as interrupted and waits for the next start."""
        self._claiming = False
        self._wake.set()
        if self._loop_task is not None:
            await self._loop_task  # not cancelled: what a claim under way brings would be lost until the next start
        for token in self._calls:
            self._abort(token)
        await self._until_done()
        self.targets.close()

    async def _run(self) -> None:
        try:
            await self._claim_and_call()
        finally:
            self._idle.set()  # nobody waits for a dispatcher that has ended

    async def _claim_and_call(self) -> None:
        while self._claiming:
            await self._wake.wait()
            self._wake.clear()
            if self._held and not self._calls:
                self._idle.set()  # a stop must not wait until the hold is over
            free = self._concurrency - len(self._calls)
            if self._held or free <= 0 or not self._claiming:
                continue
            self._idle.clear()
            n = min(free, CLAIM_AT_ONCE)
            try:
                claimed = await self._store.claim(n, reserve=max(0, self._reserve - (free - n)))
            except StoreBusy:
                await asyncio.sleep(0.05)
                self._wake.set()
                continue
            except StoreError as error:
                log.error("claim", error=str(error))
                return
            for job in claimed:
                if job.token in self._cancelled:
                    self._cancelled.discard(job.token)
                    await self._settle(job, _never_begun(job.head))
                    self._wake.set()  # its slot is free again
                    continue
                self.targets.began(job.spec.host)
                task = asyncio.create_task(self._perform(job))
                self._calls[job.token] = task
            if len(claimed) == n < free:
                self._wake.set()
            if not self._calls and not self._wake.is_set():
                self._idle.set()

    async def _perform(self, job: Claimed) -> None:
        """Call, judge and settle one job; its slot is free when the call is closed."""
        start = monotonic()
        try:
            try:
                outcome = await self._call(job.uid, job.spec, job.head)
            except asyncio.CancelledError:
                outcome = Outcome(Kind.ABORTED, monotonic() - start, "the node stopped under this call")
            except Exception as bug:
                log.exception("runner", uid=job.uid)
                outcome = Outcome(Kind.DISCONNECT, monotonic() - start, mask_text(f"TaskPusher failed: {bug!r}"))
            verdict = judge(
                job.spec,
                job.head,
                outcome,
                now_ms=self._now_ms(),
                random_share=random.random,
                unreached_status=self._unreached_status,
            )
            self._tell_targets(job.spec.host, verdict)
            self._settling.add(job.token)
            await self._settle(job, verdict)
        except Exception as bug:
            # the job would seem to run for ever: fail, and let the next start put it back in line
            log.exception("bug", uid=job.uid)
            self._store.events.failed(mask_text(f"dispatcher: {bug!r}"))  # /ready shows it to anybody
        finally:
            del self._calls[job.token]
            self._settling.discard(job.token)
            self._wake.set()

    def _tell_targets(self, host: str, verdict: Verdict) -> None:
        attempt = verdict.attempt
        self.targets.ended(
            host,
            attempt.outcome,
            attempt.duration_s,
            good=verdict.to in (State.COMPLETED, State.RUNNING) or attempt.outcome == Kind.SNOOZED,
            retry_after_s=retry_after_s(attempt.response, self._now_ms()) if verdict.unreached else None,
        )

    async def _settle(self, job: Claimed, verdict: Verdict) -> None:
        try:
            settled = await self._store.settle(job.token, verdict)
        except StoreError as error:
            log.error("settle", uid=job.uid, error=str(error))
            return
        attempt = verdict.attempt
        status = attempt.response.status if attempt.response is not None else None
        state = verdict.to if settled is Settled.APPLIED else self._state(job.uid)
        self._log.info(
            "call",
            uid=job.uid,
            queue=job.spec.queue,
            host=job.spec.host,
            call=attempt.n,
            result=result_of(verdict),
            status=status,
            duration=round(attempt.duration_s, 6),
            state=state,
            error=attempt.error,
        )

    def _state(self, uid: str) -> str:
        """Return what has become of a job that ended before its call."""
        view = self._store.get(uid)
        return view.head.state if view is not None else "deleted"

    def _abort(self, token: Token) -> None:
        if token not in self._calls:
            self._cancelled.add(token)
        else:
            # not at once: a task that is cancelled before its first step would never settle its job
            asyncio.get_running_loop().call_soon(self._abort_call, token)

    def _abort_call(self, token: Token) -> None:
        task = self._calls.get(token)
        if task is not None and token not in self._settling:
            task.cancel()

    async def _until_idle(self) -> None:
        await self._idle.wait()

    async def _until_done(self) -> None:
        while self._calls:
            await asyncio.wait(self._calls.values())

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            log.warning("stopping", calls=len(self._calls), claiming=self._claiming, **unfinished(self._store))


def _never_begun(head: Head) -> Verdict:
    """Return the verdict over a call whose job was cancelled before it began."""
    return Verdict(State.CANCELLED, Attempt(head.attempt, head.started_ms or 0, 0.0, "cancelled"))


def unfinished(store: Store) -> dict[str, int]:
    """Return how many jobs have not ended, for a log line."""
    return {state.value: n for state, n in store.counts().items() if state not in FINISHED}


async def _unless(hurry: asyncio.Event, work: Awaitable[None], timeout_s: float | None) -> bool:
    """Wait for `work`, at most `timeout_s` and not once `hurry` is set; tells whether it was done."""
    done = asyncio.ensure_future(work)
    other = asyncio.create_task(hurry.wait())
    await asyncio.wait({done, other}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finished = done.done()
    for task in (done, other):
        task.cancel()
    await asyncio.gather(done, other, return_exceptions=True)
    return finished
