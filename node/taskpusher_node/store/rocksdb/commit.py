"""Group commit: one batch a turn of the loop, one flush at a time in one thread, an answer when the flush is done.

    batch() ... batch()  --call_soon-->  write  --now, or within 10 ms-->  flush_log in the thread  -->  waiters, calls

A waiter belongs to the batch that was open when it came: only the write of that batch moves it to the next flush. A
timer may start a flush while a batch is open, and must not acknowledge what is in it.

A stall of the engine keeps the batch and writes it later, so memory may change as soon as the batch is filled: it is
written in the end, or the store has failed and memory is thrown away with the process.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any

from taskpusher.histogram import FAST_S, Histogram

from ..base import Events, StoreBusy, StoreDamaged, StoreFailed, StoreUnknown
from ..tallies import Totals
from .db import Batch, Database, Stalled

FLUSH_WITHIN_S = 0.010  # where nobody waits for the flush, as after a settle
STALL_RETRY_S = 0.050
JOBS_A_FLUSH = tuple(2**n for n in range(12))


class _Group:
    """One batch and who waits for it."""

    __slots__ = ("batch", "calls", "durable", "soon", "written")

    def __init__(self) -> None:
        self.batch = Batch()
        self.written: list[asyncio.Future[None]] = []
        self.durable: list[asyncio.Future[None]] = []
        self.calls: list[tuple[Callable[..., None], Any]] = []  # run after the flush, in order
        self.soon = False  # flushed at once, though nobody waits for it


class Commit:
    """Collects what the turn of the loop wants written. All of it runs on the loop but the flush itself."""

    def __init__(self, db: Database, events: Events, before_write: Callable[[Batch], None], totals: Totals) -> None:
        self._db = db
        self._events = events
        self._totals = totals
        self._before_write = before_write
        self._loop = asyncio.get_running_loop()
        self._open: _Group | None = None
        self._written: list[_Group] = []
        self._flushing: list[_Group] = []
        self._awaited = False  # somebody waits for what is written and not flushed
        self._flush_timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="flush")
        self.hides_changes = False  # of jobs that may be read: the open batch has to be written before the next read
        self.stalled = False
        self.failure: str | None = None
        self.damage: StoreDamaged | None = None  # where that is why
        self.flush_durations = Histogram(FAST_S)
        self.flush_jobs = Histogram(JOBS_A_FLUSH)
        self._flush_began = 0.0

    def check(self) -> None:
        """Raise StoreBusy or StoreFailed where a new change cannot be taken now."""
        if self.failure is not None:
            raise StoreFailed(self.failure)
        if self.stalled:
            raise StoreBusy("the engine takes no writes at the moment")

    @property
    def is_open(self) -> bool:
        """Whether something waits to be written."""
        return self._open is not None

    def batch(self) -> Batch:
        """Return the open batch; it is written at the end of this turn of the loop."""
        return self._group().batch

    def after_flush(self, call: Callable[[Any], None], argument: Any) -> None:
        """Call when what is in the open batch is durable."""
        self._group().calls.append((call, argument))

    def flush_soon(self) -> None:
        """Flush what is in the open batch as soon as it is written: jobs are ready after it."""
        self._group().soon = True

    def written(self) -> asyncio.Future[None]:
        """Return what is done when the open batch is written. StoreUnknown where that failed."""
        return self._waiter(self._group().written)

    def durable(self) -> asyncio.Future[None]:
        """Return what is done when all up to the open batch is flushed. StoreUnknown where that failed."""
        return self._waiter(self._group().durable)

    def _waiter(self, waiters: list[asyncio.Future[None]]) -> asyncio.Future[None]:
        future = self._loop.create_future()
        if self.failure is not None:
            future.set_exception(StoreFailed(self.failure))  # nothing will ever be written again
        else:
            waiters.append(future)
        return future

    def write_now(self) -> bool:
        """Write the open batch, so that reads see what is in it; False where the engine stalls."""
        if self._open is None:
            return True
        return self._write(self._open)

    async def close(self) -> None:
        """Flush what is open and end the thread."""
        try:
            if self.failure is None:
                await self.durable()
        finally:
            if self._flush_timer is not None:
                self._flush_timer.cancel()
            await asyncio.to_thread(self._thread.shutdown)

    def _group(self) -> _Group:
        if self._open is None:
            self._open = _Group()
            if not self.stalled:
                self._loop.call_soon(self._turn)
        return self._open

    def _turn(self) -> None:
        if self._open is not None and self.failure is None:
            self._write(self._open)

    def _write(self, group: _Group) -> bool:
        if self.failure is not None:
            return False
        try:
            self._before_write(group.batch)
            self._db.write(group.batch)
        except Stalled:
            self._set_stalled(on=True)
            if self._retry is None:
                self._retry = self._loop.call_later(STALL_RETRY_S, self._write_again)
            return False
        except StoreFailed as error:
            self._totals.write_errors += 1
            self.fail(error)
            return False
        self._open = None
        self.hides_changes = False
        self._set_stalled(on=False)
        _resolve(group.written)
        self._written.append(group)
        self._awaited = self._awaited or group.soon or bool(group.durable)
        self._plan_flush()
        return True

    def _write_again(self) -> None:
        self._retry = None
        self._turn()

    def _set_stalled(self, *, on: bool) -> None:
        if on is not self.stalled:
            self.stalled = on
            self._totals.stalls += on
            self._events.stalled(on)

    def _plan_flush(self) -> None:
        if self._flushing or not self._written:
            return
        if self._awaited:
            self._flush()
        elif self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_WITHIN_S, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._flushing or not self._written or self.failure is not None:
            return
        self._flushing, self._written = self._written, []
        self._awaited = False
        self._flush_began = monotonic()
        done = self._thread.submit(self._db.flush_log)
        done.add_done_callback(self._from_thread)

    def _from_thread(self, done: Future[None]) -> None:
        self._loop.call_soon_threadsafe(self._flushed, done)

    def _flushed(self, done: Future[None]) -> None:
        error = done.exception()
        if error is not None:
            self._totals.flush_errors += 1
            self.fail(error)
            return
        groups, self._flushing = self._flushing, []
        self.flush_durations.observe(monotonic() - self._flush_began)
        self.flush_jobs.observe(sum(len(group.calls) for group in groups))
        for group in groups:
            _resolve(group.durable)
            for call, argument in group.calls:
                try:
                    call(argument)
                except Exception as bug:  # noqa: BLE001 - one bad listener must not keep the others from hearing
                    self._loop.call_exception_handler({"message": "after a flush", "exception": bug})
        self._plan_flush()

    def fail(self, error: BaseException) -> None:
        """Fail closed: after one error every later write on the handle fails, and what this one did is unknown."""
        if self.failure is not None:
            return
        self.failure = str(error)
        self.damage = error if isinstance(error, StoreDamaged) else None
        groups = [*self._flushing, *self._written, *([self._open] if self._open is not None else [])]
        self._flushing, self._written, self._open = [], [], None
        for group in groups:
            for future in (*group.written, *group.durable):
                if not future.done():
                    future.set_exception(StoreUnknown(self.failure))
        self._events.failed(self.failure)


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():  # its caller was cancelled
            future.set_result(None)
    futures.clear()
