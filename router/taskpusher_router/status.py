"""What a router says of itself at /ready: it is ready when one of its nodes is."""

from taskpusher.phase import Condition, Phase

from .nodes import Nodes


class Status(Condition):
    """The phase and its reason; the server sets start and stop, the rest is how the nodes are."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: Nodes | None = None

    @property
    def warnings(self) -> dict[str, str]:
        """What a person must look at, by topic: also every node that is not up, or kept out."""
        told = super().warnings
        for node in self.nodes or ():
            if node.kept_out is not None:
                told[f"node {node.name}"] = f"kept out: {node.kept_out}"
            elif not node.up:
                told[f"node {node.name}"] = f"down, at {node.member.url}"
        return told

    @property
    def phase(self) -> Phase:
        """The one phase that matters most."""
        if self.failure is not None:
            return Phase.FAILED
        if self.base is not Phase.READY:
            return self.base
        if self.draining:
            return Phase.DRAINING
        return Phase.READY if any(node.takes_new for node in self.nodes or ()) else Phase.UNREACHABLE

    @property
    def accepts_adds(self) -> bool:
        """Whether POST /add is handed on to a node."""
        return self.phase is Phase.READY

    @property
    def reason(self) -> str | None:
        """A sentence for people, None when ready."""
        return {
            Phase.STARTING: "the nodes are being asked how they are",
            Phase.DRAINING: "drained by hand; POST /resume takes jobs again",
            Phase.STOPPING: "stopping",
            Phase.FAILED: f"failed: {self.failure}",
            Phase.UNREACHABLE: "no node is ready",
        }.get(self.phase)
