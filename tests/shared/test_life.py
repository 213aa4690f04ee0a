"""What a service manager hears of a status, on a real socket of datagrams, with times cut short."""

import asyncio
import os
import socket
from math import inf

import pytest

from taskpusher import life
from taskpusher.life import Life
from taskpusher.phase import Phase
from taskpusher.systemd import ServiceManager
from taskpusher_node.status import Status


@pytest.fixture
def sock(tmp_path):
    """A service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"{tmp_path}/notify")
        sock.setblocking(False)
        yield sock


def heard(sock) -> list[str]:
    lines = []
    while True:
        try:
            lines += sock.recv(4_096).decode().split("\n")
        except BlockingIOError:
            return lines


def manager_of(sock, **environ) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": sock.getsockname(), **environ})


@pytest.mark.parametrize(
    ("phase", "every_s", "more"),
    [(Phase.STARTING, 0.0, True), (Phase.STOPPING, 0.0, True), (Phase.STOPPING, inf, False), (Phase.READY, 0.0, False)],
)
async def test_a_start_and_a_stop_that_take_long_go_on_asking_for_time(sock, monkeypatch, phase, every_s, more):
    monkeypatch.setattr(life, "TELL_EVERY_S", 0.01)
    monkeypatch.setattr(life, "EXTEND_EVERY_S", every_s)
    status = Status()
    status.base = phase
    running = Life(status, manager_of(sock), lambda: "words")
    running.start()
    await asyncio.sleep(0.3)
    await running.stop()
    assert (heard(sock).count("EXTEND_TIMEOUT_USEC=30000000") > 3) is more


async def test_words_are_told_when_they_change_and_are_one_line(sock, monkeypatch):
    monkeypatch.setattr(life, "TELL_EVERY_S", 0.01)
    words = ["one\nREADY=1", "one\nREADY=1", "two"]
    running = Life(Status(), manager_of(sock), lambda: words.pop(0) if len(words) > 1 else words[0])
    running.start()
    await asyncio.sleep(0.2)
    await running.stop()
    assert [line for line in heard(sock) if not line.startswith("EXTEND")] == ["STATUS=one READY=1", "STATUS=two"]


async def test_a_reload_before_the_node_is_ready_does_not_say_that_it_is(sock):
    status = Status()
    running = Life(status, manager_of(sock), lambda: "words")
    running.reloading()
    running.reloaded()
    assert heard(sock) == []
    status.base = Phase.READY
    running.reloaded()
    assert heard(sock) == ["READY=1"]
    await running.stop()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
async def test_signs_of_life_go_to_whom_they_concern(sock, environ, seconds):
    manager = manager_of(sock, **environ)
    assert manager.watchdog_s == seconds
    running = Life(Status(), manager, lambda: "words")
    running.start()
    await asyncio.sleep(0.05)
    await running.stop()
    assert heard(sock).count("WATCHDOG=1") == (seconds is not None)


async def test_a_service_manager_that_reads_nothing_holds_nothing_up(sock):
    manager = manager_of(sock)
    for _ in range(10_000):
        manager.alive()
    manager.close()
    assert 0 < len(heard(sock)) < 10_000
