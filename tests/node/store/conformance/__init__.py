"""What every engine must do, as classes of tests. They ask for a fixture `bench`, which an engine's module provides."""

from .adding import Adding, GivenUids, QueueLimit
from .changing import Changing
from .changing_many import ChangingMany
from .claiming import Claiming, HostLimits, Parking, QueuesInTurn, Reserve
from .editing import Editing, EditingWhatIsHeld
from .ending import Callbacks, Snoozing
from .grouping import Groups
from .handing_off import EndingByToken, HandingOff, HandingOffWhatHolds, Leases
from .limiting import LimitKeys, QueueLimits
from .ordering import Ordering
from .paging import Filtering, FilteringByJob, Moving, Paging
from .promoting import Expiring, Promoting, TimedPauses
from .pruning import Pruning
from .queues import DeletingQueues, Holds, Queues, QueueSettingsKept, QueuesOfACluster, Shares
from .reading import Reading
from .reopening import Crashing, Reopening
from .repeating import DeletedUids, IdempotencyKeys, KeptKeys
from .settling import Fencing, Settling
from .telling import Remembering, Tallying
from .unique import Unique, UniqueInOrder

SUITE = (
    Adding,
    GivenUids,
    QueueLimit,
    IdempotencyKeys,
    KeptKeys,
    DeletedUids,
    Claiming,
    HostLimits,
    Reserve,
    QueuesInTurn,
    Parking,
    Settling,
    Snoozing,
    Callbacks,
    Fencing,
    HandingOff,
    EndingByToken,
    Leases,
    HandingOffWhatHolds,
    Promoting,
    Expiring,
    TimedPauses,
    Reading,
    Paging,
    Filtering,
    FilteringByJob,
    Moving,
    Changing,
    ChangingMany,
    Editing,
    EditingWhatIsHeld,
    DeletingQueues,
    QueueSettingsKept,
    QueuesOfACluster,
    Shares,
    Groups,
    Pruning,
    Queues,
    Holds,
    LimitKeys,
    QueueLimits,
    Reopening,
    Crashing,
    Remembering,
    Tallying,
    Ordering,
    Unique,
    UniqueInOrder,
)

__all__ = ["SUITE"]
