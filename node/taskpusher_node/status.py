"""What a node says of itself at /ready: its phase, why, and whether it takes jobs."""

from taskpusher.phase import Condition, Phase

_TAKES_ADDS = frozenset({Phase.READY, Phase.STOPPING})


class Status(Condition):
    """The phase and its reason. The server sets start and stop, the store's troubles and a drain come on top."""

    def __init__(self) -> None:
        super().__init__()
        self.stalled = False
        self.disk_low: str | None = None  # a sentence
        self.name: str | None = None
        self.store_id: str | None = None

    @property
    def phase(self) -> Phase:
        """The one phase that matters most."""
        if self.failure is not None:
            return Phase.FAILED
        if self.base is not Phase.READY:
            return self.base
        if self.stalled:
            return Phase.STALLED
        if self.disk_low is not None:
            return Phase.DISK_LOW
        return Phase.DRAINING if self.draining else Phase.READY

    @property
    def accepts_adds(self) -> bool:
        """Whether POST /add is answered 201; while stopping it is, and parked for the next start."""
        return self.phase in _TAKES_ADDS and not self.draining and self.disk_low is None

    @property
    def reason(self) -> str | None:
        """A sentence for people, None when ready."""
        return {
            Phase.STARTING: "the store is being opened",
            Phase.READY: None,
            Phase.DRAINING: "drained by hand; POST /resume takes jobs again",
            Phase.STOPPING: "stopping; new jobs are kept for the next start",
            Phase.STALLED: "the store cannot write at the moment",
            Phase.DISK_LOW: self.disk_low,
            Phase.FAILED: f"failed: {self.failure}",
        }[self.phase]
