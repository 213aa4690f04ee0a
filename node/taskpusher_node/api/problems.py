"""Which problem of the API an error of the store is, and the problems that several calls tell in the same words."""

from taskpusher import errors

from ..store.base import BackupRefused, StoreBusy, StoreFailed, StoreUnknown


def store_problem(error: Exception) -> errors.Problem | None:
    """Return the problem that tells a store's error, None for any other exception."""
    match error:
        case BackupRefused():
            return errors.BackupRefused(str(error))
        case StoreBusy():
            return errors.Stalled("nothing happened; send it again", retry_after_s=1)
        case StoreUnknown():
            return errors.UnknownOutcome("it may have happened; repeating the same call is safe", retry_after_s=5)
        case StoreFailed():
            return errors.Stalled(f"the store failed, nothing happened: {error}", retry_after_s=5)
    return None


def no_job(uid: str) -> errors.NotFound:
    """Return the problem that a job is not there."""
    return errors.NotFound(f"there is no job {uid[:100]}")


def no_queue_left(field: str, max_queues: int) -> errors.InvalidField:
    """Return the problem that a field names a queue which would be one too many."""
    return errors.InvalidField([(field, f"a new one, and there are {max_queues} already")])
