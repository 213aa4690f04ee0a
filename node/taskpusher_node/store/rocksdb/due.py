"""What happens to jobs by time alone: scheduled ones become ready, and those whose ttl is over end."""

from ...lifecycle import State, can_expire, expired, ready
from . import keys
from .book import Book
from .changes import Changes
from .commit import Commit
from .ties import is_tied


class Due:
    """Looks from the low-water marks of the book on, a bounded number of jobs at once."""

    def __init__(self, book: Book, commit: Commit, changes: Changes) -> None:
        self._book = book
        self._commit = commit
        self._changes = changes

    def expire(self, now_ms: int, limit: int) -> tuple[int, int | None]:
        """End at most `limit` jobs whose ttl is over; returns how many were looked at, and when the next one is."""
        book = self._book
        end = keys.after(b"x")
        found = book.db.scan(book.first_expiry, end, limit)
        for index, (key, _) in enumerate(found):
            expires_ms, job_id = keys.parse_expiry(key)
            book.first_expiry = key
            if expires_ms > now_ms:
                return index, expires_ms
            birth = book.birth(job_id)
            if birth is not None and is_tied(birth.spec) and not self._commit.write_now():
                return index, now_ms  # what the one before it let go cannot be read
            self._commit.batch().delete(key)
            if birth is None or job_id in book.calls:
                continue  # deleted; or running, and it comes back here if its call does not arrive
            before = book.head(job_id, birth)
            if can_expire(before) and before.expires_ms == expires_ms:
                self._changes.replace(job_id, birth.spec, before, expired(before, now_ms))
        if len(found) == limit:
            return limit, now_ms
        book.first_expiry = end
        return len(found), None

    def promote(self, now_ms: int, limit: int) -> int | None:
        """Make ready at most `limit` jobs that are due; returns when the next one is."""
        book = self._book
        end = keys.after(keys.listing_prefix(State.SCHEDULED))
        found = book.db.scan(book.first_due, end, limit)
        for key, _ in found:
            due_ms, job_id = keys.listed(key)
            book.first_due = key
            if due_ms > now_ms:
                return due_ms
            birth = book.birth(job_id)
            if birth is None:  # one batch writes and deletes both
                raise book.db.damaged(f"{book.uid_of(job_id)} is listed as scheduled, and is not there")
            before = book.head(job_id, birth)
            self._changes.replace(job_id, birth.spec, before, ready(before, book.next_seq(), now_ms))
        if len(found) == limit:
            return now_ms
        book.first_due = end
        return None
