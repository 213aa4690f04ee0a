"""Every setting of a router with its default: the one place that the command line, the docs and the server read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskpusher.incoming import ABOVE_0, SIZE, Incoming, a_limit, a_setting
from taskpusher.kinds import BadValue, Files, Folder, Kind
from taskpusher.settings import BadSettings

from . import members
from .members import Member

_NODES = "Nodes"  # a heading of --help-all


class Members(Kind):
    """Names of nodes with their addresses, in a text or an array of texts."""

    metavar = "NAME=URL"
    rule = members.RULE
    toml = (str, list)
    one = "node"

    def parse(self, text: str) -> tuple[Member, ...]:
        """Read one or several, with spaces or line ends between them."""
        return members.parse(text)

    def take(self, value: object, files: Files) -> Any:
        """Join an array."""
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = "\n".join(value)
        return super().take(value, files)

    def show(self, value: Iterable[Member]) -> str:
        """Return them as one would write them."""
        return " ".join(str(member) for member in value)


@dataclass(frozen=True, kw_only=True)
class Config(Incoming):
    """The settings of one router; each is a flag, a variable and a key of the TOML file of the same name."""

    nodes: tuple[Member, ...] = a_setting(
        (),
        "A node, as n1=http://10.0.0.1:9900 or n1=http://...,weight=2; again for each, or tp-{0..4}=http://tp-{0..4}.tp:9900.",
        kind=Members(),
        group=_NODES,
    )
    nodes_file: Path | None = a_setting(
        None, "File that names the nodes, one a line; read again when it changes.", kind=Folder(), group=_NODES
    )
    node_timeout: float = a_setting(
        5.0, "How long one call to a node may take.", advanced=True, kind=ABOVE_0, group=_NODES
    )
    add_timeout: float = a_setting(
        10.0, "How long an add is tried again while its outcome is unknown.", advanced=True, kind=ABOVE_0, group=_NODES
    )
    list_timeout: float = a_setting(
        2.0, "How long listings and numbers wait for all nodes.", advanced=True, kind=ABOVE_0, group=_NODES
    )
    health_every: float = a_setting(
        2.0, "How often each node is asked whether it is ready.", advanced=True, kind=ABOVE_0, group=_NODES
    )
    health_timeout: float = a_setting(
        1.0,
        "How long it may take to answer that; two misses mark it down.",
        advanced=True,
        kind=ABOVE_0,
        group=_NODES,
    )
    max_coalesced: int = a_limit(500, "Most jobs that one call hands to a node.", group=_NODES)
    max_coalesced_bytes: int = a_limit(1_048_576, "Most bytes of jobs in one such call.", kind=SIZE, group=_NODES)


def read_members(config: Config) -> tuple[Member, ...]:
    """Return the members that the settings or their file name; raises BadSettings."""
    if config.nodes and config.nodes_file is not None:
        raise BadSettings(["nodes and nodes_file: give only one of them"])
    if config.nodes_file is None:
        if not config.nodes:
            raise BadSettings(["nodes: name at least one, as --node n1=http://10.0.0.1:9900, or a --nodes-file"])
        return config.nodes
    try:
        return members.read(config.nodes_file)
    except BadValue as error:
        raise BadSettings([f"nodes_file: {error}"]) from error
