"""Targets that send without end, drip or keep silent: memory stays flat, slots become free, /health goes on."""

import asyncio
from pathlib import Path

import pytest

from .processes import add, health_times, until

KEPT = 32_000_000  # of an answer, in the control
BEARABLE = KEPT // 2


class Flood:
    """/endless announces 10 GB and sends all it can; /drip sends a byte a second; /silent sends nothing."""

    def __init__(self) -> None:
        self.sent = 0
        self.url = ""
        self._tasks: set[asyncio.Task] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader, writer) -> None:
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader, writer) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        part, pause_s = {b"/endless": (b"x" * 65_536, 0), b"/drip": (b"x", 1), b"/silent": (b"", 1)}[path]
        if part:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(part)
                await writer.drain()
                self.sent += len(part)
                await asyncio.sleep(pause_s)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


@pytest.fixture
async def flood():
    target = Flood()
    await target.start()
    yield target
    await target.stop()


def _forget_peak(node):
    Path(f"/proc/{node.process.pid}/clear_refs").write_text("5")


def _memory(node, field):
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return 1024 * int(status.partition(f"{field}:")[2].split()[0])


async def _healthy_within(http, node, ended):
    """Ask /health until `ended`; return how long nine of ten answers took at most."""
    took = await health_times(node, ended.is_set, http=http)
    return sorted(took)[len(took) * 9 // 10]


async def test_answers_of_ten_gigabytes_leave_memory_flat(node, flood, http):
    await node.start("--concurrency=8")
    _forget_peak(node)
    before = _memory(node, "VmRSS")
    ended = asyncio.Event()
    health = asyncio.create_task(_healthy_within(http, node, ended))
    for _ in range(24):
        await add(http, node, url=f"{flood.url}/endless")
    await until(http, node, completed=24)
    ended.set()
    assert await health < 0.1
    assert _memory(node, "VmHWM") - before < BEARABLE
    assert flood.sent < 24 * 16_000_000


async def test_a_node_that_kept_what_it_is_sent_would_grow(node, flood, http):
    await node.start(f"--max-response-bytes={KEPT}")
    _forget_peak(node)
    before = _memory(node, "VmRSS")
    await add(http, node, url=f"{flood.url}/endless")
    await until(http, node, completed=1)
    assert _memory(node, "VmHWM") - before > BEARABLE


async def test_targets_that_drip_or_keep_silent_hold_their_slots_no_longer_than_their_timeout(
    node, flood, target, http
):
    await node.start("--concurrency=2")
    uids = [await add(http, node, url=f"{flood.url}/{path}", timeout=1) for path in ("drip", "silent")]
    await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1, error=2, within_s=10)
    for uid in uids:
        async with http.get(f"{node.url}/job/{uid}") as answer:
            job = await answer.json()
        assert job["error"] == {"kind": "timeout", "message": "no whole answer within 1 s", "status": None}
        assert job["attempts"][0]["duration"] < 5


async def test_without_their_timeout_they_would_hold_them(node, flood, target, http):
    await node.start("--concurrency=2")
    for path in ("drip", "silent"):
        await add(http, node, url=f"{flood.url}/{path}", timeout=60)
    await until(http, node, running=2)
    await add(http, node, url=f"{target.url}/ok")
    await asyncio.sleep(3)
    await until(http, node, running=2, waiting=1)
