"""What happens to jobs that their targets accept: from the end of their call to the word that ends them, or a lease."""

import random
from collections.abc import Callable

from msgspec import structs

from ...lifecycle import Head, State, Verdict, settled
from ...reports import Heartbeat, Report, is_repeated, lease_over, progress, renewed_ms, verdict
from ...tokens import Tokens
from ..base import Settled, StoreBusy, Token
from . import keys, records
from .book import Book
from .calls import Call
from .changes import Changes
from .commit import Commit
from .handed import Handed
from .ties import is_tied


class Handing:
    """Takes the word of whoever has the token of a call."""

    def __init__(self, book: Book, commit: Commit, changes: Changes, now_ms: Callable[[], int]) -> None:
        self._book = book
        self._commit = commit
        self._changes = changes
        self._now_ms = now_ms
        self._tokens = Tokens(book.token_key)
        self.token = self._tokens.of

    def handed_off(self) -> int:
        """Return how many jobs there are that their targets have accepted."""
        return len(self._book.handed)

    def authorised(self, uid: str, text: str) -> Token | None:
        """Return the call of a job that a text is the token of, also where it has long ended."""
        attempt = self._tokens.attempt_of(uid, text)
        return Token(uid, attempt) if attempt is not None and self._book.id_of(uid) is not None else None

    async def accept(self, call: Call, head: Head) -> None:
        """A call has ended, its job has not: what it held is free once that is durable."""
        book, batch = self._book, self._commit.batch()
        self._commit.hides_changes = True
        del book.calls[call.id]
        if call.lease_ms is not None:
            head = structs.replace(head, lease_ms=call.lease_ms)  # it was renewed before the answer was read
        handed = Handed(call.uid, call.id, call.added_ms, call.spec, head, call.progress)
        book.leave(batch, call.id, call.spec, call.head)
        book.store(batch, call.id, call.spec, head)
        if handed.progress is not None:
            self._write(handed)
        book.handed.take(handed)
        self._commit.after_flush(self._changes.free, call)
        self._commit.after_flush(book.events.due, handed.armed_ms)
        await self._commit.durable()

    async def report(self, token: Token, report: Report) -> Settled:
        """Take what the target of a call says: APPLIED, also again, or FENCED where the call has ended otherwise."""
        self._commit.check()
        if not self._commit.write_now():
            raise StoreBusy("the engine takes no writes at the moment")
        took = self._take(token, report, self._now_ms())
        await self._commit.durable()
        return Settled.APPLIED if took else Settled.FENCED

    def end_leases(self, now_ms: int, limit: int) -> tuple[int, int | None]:
        """End at most `limit` jobs whose leases are over; returns how many, and when the next one is."""
        n = 0
        while n < limit and (handed := self._book.handed.over(now_ms)) is not None:
            if is_tied(handed.spec) and not self._commit.write_now():
                return n, now_ms  # what the one before it let go cannot be read
            ended = lease_over(handed.spec, handed.head, now_ms, random.random)
            self._book.count_lease(handed.spec.queue, ended)
            self._changes.end_handed(handed, settled(handed.head, ended, now_ms))
            n += 1
        return n, now_ms if n == limit else self._book.handed.next_ms()

    def _take(self, token: Token, report: Report, now_ms: int) -> bool:
        book = self._book
        job_id = keys.id_of(token.uid)
        call = self._changes.running(token)
        handed = book.handed.get(job_id)
        if call is not None:
            self._take_early(call, report, now_ms)
        elif handed is not None and handed.head.attempt == token.attempt:
            self._take_late(handed, report, now_ms)
        else:
            view = book.view(job_id)
            return view is not None and is_repeated(view.head, token.attempt, view.spec, report)
        return True

    def _take_early(self, call: Call, report: Report, now_ms: int) -> None:
        """The call itself is still under way: its target was faster than its answer, whatever that will be."""
        if isinstance(report, Heartbeat):
            call.lease_ms = renewed_ms(call.lease_ms, report, now_ms)
            call.progress = progress(call.progress, report, now_ms)
            return
        ended = verdict(call.spec, call.head, report, now_ms, random.random)
        self._book.count_call(call.spec.queue, Verdict(State.RUNNING, ended.attempt))
        self._book.count_report(call.spec.queue, ended)
        self._changes.end_call(call, settled(call.head, ended, now_ms))
        self._book.events.woke()  # what it held is free, though the call goes on

    def _take_late(self, handed: Handed, report: Report, now_ms: int) -> None:
        if isinstance(report, Heartbeat):
            self._book.handed.renew(handed, renewed_ms(handed.head.lease_ms, report, now_ms))
            handed.progress = progress(handed.progress, report, now_ms)
            self._write(handed)
            self._commit.after_flush(self._book.events.due, handed.armed_ms)
            return
        ended = verdict(handed.spec, handed.head, report, now_ms, random.random)
        self._book.count_report(handed.spec.queue, ended)
        self._changes.end_handed(handed, settled(handed.head, ended, now_ms))

    def _write(self, handed: Handed) -> None:
        record = records.Accepted(handed.head.attempt, handed.head.lease_ms or 0, handed.progress)
        self._commit.batch().put(keys.handed_key(handed.id), records.encode(record))
