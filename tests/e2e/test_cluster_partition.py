"""The cable between one router and one node is pulled under load: the other goes on, and nobody is told wrong."""

import os
import subprocess

import pytest

from .cluster import Cluster
from .processes import COMMAND

NAMESPACE = f"taskpusher-{os.getpid()}"
NETWORK = f"10.{200 + os.getpid() % 50}"  # .0.0: of the clients; .1.0 and on: of a node each
SUDO = [] if os.geteuid() == 0 else ["sudo"]


def ip(command: str) -> None:
    subprocess.run([*SUDO, "ip", *command.split()], check=True)


def device(number: int, end: str) -> str:
    return f"tp{os.getpid()}{end}{number}"


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


@pytest.fixture
def cables():
    """A namespace for the second router, with a cable to the clients, number 0, and one to each node.

    What is sent into a cable that is pulled is gone, as in a real network: nobody says that there is no way.
    """
    ip(f"netns add {NAMESPACE}")
    try:
        ip(f"-n {NAMESPACE} link set lo up")
        for number in range(4):
            here, there, net = device(number, "a"), device(number, "b"), f"{NETWORK}.{number}"
            ip(f"link add {here} address {mac(number)} type veth peer name {there} netns {NAMESPACE}")
            ip(f"addr add {net}.1/24 dev {here}")
            ip(f"link set {here} up")
            ip(f"-n {NAMESPACE} addr add {net}.2/24 dev {there}")
            ip(f"-n {NAMESPACE} link set {there} up")
            ip(f"-n {NAMESPACE} neigh replace {net}.1 lladdr {mac(number)} dev {there} nud permanent")
            if number:
                ip(f"addr add {net}.9/32 dev lo")  # of the node, also while its cable is pulled
                ip(f"-n {NAMESPACE} route add {net}.9 via {net}.1")
        yield
    finally:
        for number in (1, 2, 3):
            subprocess.run([*SUDO, "ip", "addr", "del", f"{NETWORK}.{number}.9/32", "dev", "lo"], check=False)
        ip(f"netns del {NAMESPACE}")  # and with it the cables


@pytest.fixture
async def cluster(tmp_path, cables):
    cluster = Cluster(tmp_path)
    try:
        for number, node in enumerate(cluster.nodes.values(), 1):
            cluster.place(node, f"{NETWORK}.{number}.9")
            node.flags += ("--insecure",)
        apart = cluster.routers[1]
        apart.command = (*SUDO, "ip", "netns", "exec", NAMESPACE, *COMMAND)
        cluster.place(apart, f"{NETWORK}.0.2")
        apart.flags += ("--insecure",)
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


async def test_a_router_that_is_cut_off_from_a_node_loses_and_doubles_nothing(cluster, load):
    async with load:
        await load.more()
        ip(f"link set {device(2, 'a')} down")
        together, apart = cluster.routers
        await cluster.until_down(apart, "n2")
        await cluster.until_down(together)
        await load.until_repeated()
        await load.more()
        ip(f"link set {device(2, 'a')} up")
        await cluster.until_whole()
        await load.more()
    account = load.account
    assert await load.faults() == {}
    assert account.partial_walks > 0, "of the router that was cut off"
    assert account.whole_walks > 0, "of the other one"
    assert "lost" in await load.faults(without="n2"), "the control: it would be seen"
