"""What a service manager hears: a real node, and a socket of datagrams as systemd binds it."""

import asyncio
import os
import signal
import socket
from time import monotonic

import pytest

from .processes import add, until


class Manager(asyncio.DatagramProtocol):
    """A service manager: keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def datagram_received(self, data: bytes, _: object) -> None:
        self.heard += data.decode().split("\n")

    async def hears(self, line: str, within_s: float = 10) -> None:
        """Wait for a line that has not come yet, or has."""
        async with asyncio.timeout(within_s):
            while line not in self.heard:
                await asyncio.sleep(0.01)

    def beats(self) -> int:
        """Return how many signs of life came."""
        return self.heard.count("WATCHDOG=1")


@pytest.fixture
async def manager(node, tmp_path, request):
    """A service manager on a socket in a folder, or on an abstract one."""
    bound, told = {
        "path": (f"{tmp_path}/notify", f"{tmp_path}/notify"),
        "abstract": (f"\0taskpusher-{os.getpid()}", f"@taskpusher-{os.getpid()}"),
    }[getattr(request, "param", "path")]
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(bound)
    sock.setblocking(False)
    transport, manager = await asyncio.get_running_loop().create_datagram_endpoint(Manager, sock=sock)
    node.env["NOTIFY_SOCKET"] = told
    yield manager
    transport.close()


@pytest.mark.parametrize("manager", ["path", "abstract"], indirect=True)
async def test_start_ready_and_stop_are_told(node, manager, http, target):
    await node.start("--stop-grace=10")
    await manager.hears("READY=1")
    assert manager.heard.index("EXTEND_TIMEOUT_USEC=30000000") < manager.heard.index("READY=1")
    assert manager.heard.index("STATUS=the store is being opened") < manager.heard.index("STATUS=Ready")
    assert "STOPPING=1" not in manager.heard
    await add(http, node, url=f"{target.url}/hang")
    await until(http, node, running=1)
    manager.heard.clear()
    node.signal(signal.SIGTERM)
    await manager.hears("STOPPING=1")
    await manager.hears("STATUS=Stopping: 1 running")
    await manager.hears("EXTEND_TIMEOUT_USEC=30000000")
    target.released.set()
    assert await node.wait(5) == 0
    assert not [line for line in manager.heard if line.startswith(("WATCHDOG", "READY"))]


async def test_a_reload_is_told_with_its_time_and_its_end(node, manager):
    await node.start()
    await manager.hears("READY=1")
    manager.heard.clear()
    before = int(monotonic() * 1_000_000)
    node.signal(signal.SIGHUP)
    await manager.hears("READY=1")
    assert manager.heard[0] == "RELOADING=1"
    name, _, at = manager.heard[1].partition("=")
    assert (name, before <= int(at) <= monotonic() * 1_000_000) == ("MONOTONIC_USEC", True)


async def test_signs_of_life_come_while_the_loop_turns_and_at_no_other_time(node, manager):
    node.env["WATCHDOG_USEC"] = "400000"
    await node.start()
    async with asyncio.timeout(10):
        while manager.beats() < 5:
            await asyncio.sleep(0.01)
    node.signal(signal.SIGSTOP)
    await asyncio.sleep(0.2)  # what was sent before
    before = manager.beats()
    await asyncio.sleep(1.5)
    assert manager.beats() == before
    node.signal(signal.SIGCONT)
    async with asyncio.timeout(10):
        while manager.beats() < before + 3:
            await asyncio.sleep(0.01)


async def test_a_service_manager_that_is_gone_keeps_no_node_from_its_work(node, tmp_path, http, target):
    node.env |= {"NOTIFY_SOCKET": f"{tmp_path}/nowhere", "WATCHDOG_USEC": "100000"}
    await node.start()
    await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    assert len(node.events("service manager")) == 1
