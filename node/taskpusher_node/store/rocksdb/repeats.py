"""Adds that come again: known by their uid, also when the job was deleted since, or by their idempotency key.

A key is kept until its job has ended and a time has passed since, whether the job is still there or not; a uid as long
as it may be repeated. Both are forgotten from the oldest on, and no look goes behind what was forgotten before.
"""

from collections.abc import Sequence

from taskpusher.job import Spec

from ... import digests
from ...lifecycle import FINISHED
from ...request import CLOCK_SKEW_MS, REPEAT_WITHIN_MS
from ..base import NewJob, Placed, Put
from . import keys, records
from .book import Book
from .commit import Commit
from .db import Batch

_Key = tuple[bytes, bytes]  # (id of the job that it made, digest of what was asked for)
_TOMBSTONE_MS = REPEAT_WITHIN_MS + CLOCK_SKEW_MS


def is_repeatable(job: NewJob) -> bool:
    """Tell whether a job has to be looked up before it is stored."""
    return job.given or job.digest is not None


class Repeats:
    """Looks up what was added before, and forgets it in time."""

    def __init__(self, book: Book, commit: Commit, *, retention_ms: int) -> None:
        self._book = book
        self._commit = commit
        self._retention_ms = retention_ms
        self._asked: dict[bytes, bytes] = {}  # digests by id and keys of what this call of put_new stores
        self._keys: dict[bytes, _Key] = {}

    def begin(self, jobs: Sequence[NewJob]) -> bool:
        """Let the jobs of one call be looked up; False where what was added before cannot be read now.

        It is written first. The call's own jobs are remembered instead, as they are to be in one write.
        """
        if not any(map(is_repeatable, jobs)):
            return True
        self._asked.clear()
        self._keys.clear()
        return self._commit.write_now()

    def find(self, job: NewJob, job_id: bytes) -> Placed | None:
        """Return what stands for an add that was made before, None for a new one."""
        asked = self._asked_by_uid(job_id) if job.given else None
        if asked is not None:
            return Placed(Put.SAME if asked == digests.of_spec(job.spec) else Put.CONFLICT, job.uid)
        known = self._known(keys.repeat_key(job.spec)) if job.digest is not None else None
        if known is None:
            return None
        first_id, digest = known
        if digest != job.digest:
            return Placed(Put.MISMATCH, self._book.uid_of(first_id))
        self._book.totals.deduplicated += 1
        return Placed(Put.SAME, self._book.uid_of(first_id))

    def enter(self, batch: Batch, job: NewJob, job_id: bytes) -> None:
        """A job is stored that was not there before."""
        if job.given:
            self._asked[job_id] = digests.of_spec(job.spec)
        if job.digest is not None:
            key = keys.repeat_key(job.spec)
            self._keys[key] = job_id, job.digest
            batch.put(key, keys.repeat_value(job_id, job.digest, 0))

    def stand_for(self, batch: Batch, job: NewJob, placed: Placed) -> None:
        """Another job stands for one with an idempotency key: it has taken its fields, or it has fields of its own."""
        if job.digest is None or placed.put is Put.BUSY:
            return
        key, job_id = keys.repeat_key(job.spec), keys.id_of(placed.uid)
        self._keys[key] = job_id, job.digest
        ended_ms = 0 if placed.put is Put.REPLACED else job.added_ms
        batch.put(key, keys.repeat_value(job_id, job.digest, ended_ms))
        if ended_ms:  # nobody else would say when it may be forgotten
            batch.put(keys.ended_key(ended_ms, key), b"")
            self._book.first_ended_ms = min(self._book.first_ended_ms, ended_ms)

    def _asked_by_uid(self, job_id: bytes) -> bytes | None:
        if job_id in self._asked:
            return self._asked[job_id]
        birth = self._book.birth(job_id)
        return records.asked_for(birth) if birth is not None else self._book.db.get(keys.tombstone_key(job_id))

    def _known(self, key: bytes) -> _Key | None:
        if key in self._keys:
            return self._keys[key]
        value = self._book.db.get(key)
        return keys.parse_repeat(value)[:2] if value is not None else None

    def forget(self, now_ms: int, limit: int) -> int | None:
        """Forget at most `limit` keys and as many uids; returns when the next one is to be forgotten."""
        times = (self._forget_keys(now_ms, limit), self._forget_tombstones(now_ms, limit))
        return min((t for t in times if t is not None), default=None)

    def _forget_keys(self, now_ms: int, limit: int) -> int | None:
        book = self._book
        if book.first_ended_ms + self._retention_ms > now_ms:
            return book.first_ended_ms + self._retention_ms if book.first_ended_ms != keys.T_MAX else None
        found = book.db.scan(keys.ended_key(book.first_ended_ms, b""), keys.after(b"e"), limit)
        first_kept_ms = keys.T_MAX
        for key, _ in found:
            ended_ms, repeat = keys.parse_ended(key)
            book.first_ended_ms = min(ended_ms, first_kept_ms)
            if ended_ms + self._retention_ms > now_ms:
                return book.first_ended_ms + self._retention_ms
            self._commit.batch().delete(key)
            first_kept_ms = min(first_kept_ms, self._forget_key(repeat, ended_ms, now_ms))
        if len(found) == limit:
            return now_ms
        book.first_ended_ms = first_kept_ms
        return first_kept_ms + self._retention_ms if first_kept_ms != keys.T_MAX else None

    def _forget_key(self, key: bytes, ended_ms: int, now_ms: int) -> int:
        """Forget a key, unless its job, made by another add, ended later or has not; returns when it did."""
        known = self._book.db.get(key)
        if known is None or keys.parse_repeat(known)[2] != ended_ms:
            return keys.T_MAX
        batch = self._commit.batch()
        job_id, digest, _ = keys.parse_repeat(known)
        kept_ms = self._kept_ms(job_id, now_ms)
        if kept_ms + self._retention_ms <= now_ms:
            batch.delete(key)
            return keys.T_MAX
        batch.put(key, keys.repeat_value(job_id, digest, kept_ms))
        batch.put(keys.ended_key(kept_ms, key), b"")
        return kept_ms

    def _kept_ms(self, job_id: bytes, now_ms: int) -> int:
        """Return when a job ended: now at the earliest where it has not, long ago where it is deleted."""
        birth = self._book.birth(job_id)
        head = self._book.head(job_id, birth) if birth is not None else None
        if head is None:
            return -self._retention_ms
        return head.ended_ms or 0 if head.state in FINISHED else now_ms

    def _forget_tombstones(self, now_ms: int, limit: int) -> int | None:
        book = self._book
        if book.first_tombstone_ms + _TOMBSTONE_MS > now_ms:
            return book.first_tombstone_ms + _TOMBSTONE_MS if book.first_tombstone_ms != keys.T_MAX else None
        first = keys.tombstone_key(book.first_tombstone_ms.to_bytes(keys.MINTED_BYTES))
        found = book.db.scan(first, keys.after(b"t"), limit)
        for key, _ in found:
            minted_ms = keys.minted_ms(key[1:])
            book.first_tombstone_ms = minted_ms
            if minted_ms + _TOMBSTONE_MS > now_ms:
                return minted_ms + _TOMBSTONE_MS
            self._commit.batch().delete(key)
        if len(found) == limit:
            return now_ms
        book.first_tombstone_ms = keys.T_MAX
        return None


def ended(book: Book, batch: Batch, job_id: bytes, spec: Spec, ended_ms: int) -> None:
    """A job with an idempotency key has ended: from now on the key is kept for a time only."""
    key = keys.repeat_key(spec)
    known = book.db.get(key)
    if known is None:
        return  # forgotten, before the job was retried by hand
    first_id, digest, _ = keys.parse_repeat(known)
    if first_id == job_id:
        batch.put(key, keys.repeat_value(job_id, digest, ended_ms))
        batch.put(keys.ended_key(ended_ms, key), b"")
        book.first_ended_ms = min(book.first_ended_ms, ended_ms)


def revived(book: Book, batch: Batch, job_id: bytes, spec: Spec) -> None:
    """A job with an idempotency key was retried by hand: the key, where it is still known, is kept without limit."""
    key = keys.repeat_key(spec)
    known = book.db.get(key)
    if known is None:
        return
    first_id, digest, ended_ms = keys.parse_repeat(known)
    if first_id == job_id:
        batch.put(key, keys.repeat_value(job_id, digest, 0))
        batch.delete(keys.ended_key(ended_ms, key))
