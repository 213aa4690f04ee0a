"""The errors of the HTTP API, each with its type and status; their text is an RFC 9457 problem detail."""

from typing import Any, ClassVar


class Problem(Exception):
    """Something that an answer of the API tells instead of a result."""

    type: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    stored: ClassVar[bool | None] = False  # None: unknown

    def __init__(self, detail: str, *, retry_after_s: int | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.members = members

    def document(self) -> dict[str, Any]:
        """Return the members of the problem document; `stored` tells whether the job is in the store."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "stored": self.stored,
            **self.members,
        }


class Malformed(Problem):
    """The request cannot be read at all."""

    type, status, title = "malformed", 400, "The request cannot be read"


class Unauthorized(Problem):
    """No credentials, or wrong ones."""

    type, status, title = "unauthorized", 401, "Credentials are missing or wrong"

    def __init__(self, detail: str, *, challenges: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.challenges = challenges


class Forbidden(Problem):
    """The caller is known, and may not do this."""

    type, status, title = "forbidden", 403, "These credentials do not allow this"


class CrossSite(Problem):
    """A browser was made to send this by another site's page."""

    type, status, title = "cross-site", 403, "Another site's page sent this"


class NotFound(Problem):
    """Nothing is there."""

    type, status, title = "not-found", 404, "Nothing is there"


class CursorGone(Problem):
    """The uid that a page should go on from has left the listing."""

    type, status, title = "cursor-gone", 404, "The job to go on from is no longer in this listing"


class MethodNotAllowed(Problem):
    """The path exists, the method does not."""

    type, status, title = "method-not-allowed", 405, "This path takes other methods"


class TooSlow(Problem):
    """The client sends its body too slowly."""

    type, status, title = "too-slow", 408, "The request came too slowly"


class WrongState(Problem):
    """The job's state does not allow what was asked."""

    type, status, title = "wrong-state", 409, "The job's state does not allow this"


class Conflict(Problem):
    """Another job has this uid."""

    type, status, title = "conflict", 409, "Another job has this uid"


class WrongVersion(Problem):
    """Somebody has changed it since the version that was given."""

    type, status, title = "wrong-version", 409, "It was changed meanwhile"


class BackupRefused(Problem):
    """No backup is made now; the detail says what to do."""

    type, status, title = "backup-refused", 409, "No backup can be made now"


class TooLarge(Problem):
    """The request is larger than the node takes."""

    type, status, title = "too-large", 413, "The request is too large"


class UnsupportedMediaType(Problem):
    """The body is of a type that the call does not take."""

    type, status, title = "unsupported-media-type", 415, "The body is of a type that is not taken here"


class ExpectationFailed(Problem):
    """An Expect header that asks for what HTTP does not know."""

    type, status, title = "expectation-failed", 417, "The expectation cannot be met"


class HostNotAllowed(Problem):
    """The Host header names another machine."""

    type, status, title = "host-not-allowed", 421, "This is not the host that was asked for"


class InvalidField(Problem):
    """Fields break their rules; `errors` names every one of them."""

    type, status, title = "invalid-field", 422, "Fields break their rules"

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__(
            "; ".join(f"{path}: {rule}" for path, rule in errors),
            errors=[{"path": path, "rule": rule} for path, rule in errors],
        )


class IdempotencyMismatch(Problem):
    """An add of other fields had this idempotency key."""

    type, status, title = "idempotency-mismatch", 422, "An add of other fields had this idempotency key"


class Internal(Problem):
    """A fault of TaskPusher's own; the log has it."""

    type, status, title = "internal", 500, "TaskPusher failed"
    stored = None


class Starting(Problem):
    """The store is not open yet."""

    type, status, title = "starting", 503, "The node is starting"


class Draining(Problem):
    """The node takes no new jobs."""

    type, status, title = "draining", 503, "The node takes no new jobs"


class Stalled(Problem):
    """The store takes no writes for a moment; nothing happened."""

    type, status, title = "stalled", 503, "The store cannot write at the moment"


class Busy(Problem):
    """As much is being done as is allowed; nothing happened."""

    type, status, title = "busy", 503, "The node has as much to do as it takes"


class OwnerDown(Problem):
    """The one node that may do this does not take it; nothing happened."""

    type, status, title = "owner-down", 503, "The node that this belongs to is down"


class NodesDown(Problem):
    """No node answers."""

    type, status, title = "nodes-down", 502, "No node answers"


class DiskLow(Problem):
    """The node's disk is nearly full."""

    type, status, title = "disk-low", 507, "The node has too little disk left to take jobs"


class UnknownOutcome(Problem):
    """The write may have happened; repeating the same call is safe."""

    type, status, title = "unknown-outcome", 503, "Whether this was stored is unknown"
    stored = None


class UnknownAtNode(UnknownOutcome):
    """A node that a router has asked did not answer in time; repeating the same call is safe."""

    status = 504
