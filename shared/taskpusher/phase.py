"""The phases of a daemon's life, as /ready tells them."""

from enum import StrEnum


class Phase(StrEnum):
    """The phases of a life, and three troubles of nodes."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    STALLED = "stalled"
    DISK_LOW = "disk-low"
    FAILED = "failed"
    UNREACHABLE = "unreachable"  # of a router: no node is ready
