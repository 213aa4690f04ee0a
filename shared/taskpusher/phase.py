"""The phases of a daemon's life, as /ready tells them, and what is told beside them."""

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


class Condition:
    """How a daemon is: the phase that the server sets, a drain, a failure, and what a person must look at."""

    def __init__(self) -> None:
        self.base = Phase.STARTING
        self.draining = False
        self.failure: str | None = None
        self._warnings: dict[str, str] = {}  # by topic

    def warn(self, topic: str, text: str) -> None:
        """Say something that a person must look at, though the daemon goes on; the newest of a topic stands."""
        self._warnings[topic] = text

    def all_clear(self, topic: str) -> None:
        """Take back what was said of a topic."""
        self._warnings.pop(topic, None)

    @property
    def warnings(self) -> dict[str, str]:
        """What a person must look at, by topic."""
        return dict(self._warnings)
