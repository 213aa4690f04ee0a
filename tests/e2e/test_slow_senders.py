"""500 clients that send one byte a second change nothing for the others."""

import asyncio
import statistics
from collections import Counter
from urllib.parse import urlsplit

import aiohttp
import pytest

from .processes import NodeProcess, add, health_times

SENDERS = 500
WITHIN_S = 45.0  # headers have five seconds, a body is measured for ten: fifteen, but this machine may be busy
HEADERS = b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = HEADERS + b"Content-Length: 1000\r\n\r\n"


class Sender:
    """A client that sends its headers, or after them its body, byte by byte; it tells how it was answered."""

    def __init__(self, node: NodeProcess, *, in_body: bool) -> None:
        self._node = node
        self._begin = BODY if in_body else b""
        self._drip = b" " * 1_000 if in_body else HEADERS + b"X: " + b"y" * 1_000
        self.answer = b""
        self.ended = False

    async def run(self) -> None:
        """Send until it is cut off."""
        parts = urlsplit(self._node.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        reading = asyncio.create_task(self._read(reader))
        try:
            writer.write(self._begin)
            for at in range(0, 1_000, 2):
                if self.ended:
                    break
                writer.write(self._drip[at : at + 2])
                await asyncio.sleep(1)
        finally:
            reading.cancel()
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while part := await reader.read(4_096):
                self.answer += part
        except ConnectionError:
            pass
        self.ended = True


async def _adds(node: NodeProcess, over: asyncio.Event) -> int:
    """Add one job after another, on a connection of its own each; returns how many."""
    n = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        while not over.is_set():
            await add(http, node, url="http://127.0.0.1:9/", delay=3_600)
            await asyncio.sleep(0.02)
            n += 1
    return n


@pytest.fixture
async def nodes(tmp_path):
    """One that looks after its clients, and one that lets them be: the control."""
    (tmp_path / "guarded").mkdir()
    (tmp_path / "patient").mkdir()
    guarded = NodeProcess(tmp_path / "guarded", "--header-timeout=5")
    patient = NodeProcess(tmp_path / "patient", "--header-timeout=1000", "--client-min-rate=1")
    await asyncio.gather(guarded.start(), patient.start())
    yield guarded, patient
    await asyncio.gather(guarded.kill(), patient.kill())


async def test_slow_senders_are_cut_off_and_adds_and_health_go_on(nodes):
    guarded, _ = nodes
    cut, held = ([Sender(node, in_body=n % 2 == 0) for n in range(SENDERS)] for node in nodes)
    tasks = [asyncio.create_task(sender.run()) for sender in (*cut, *held)]
    over = asyncio.Event()
    others = asyncio.gather(health_times(guarded, over.is_set, every_s=0.1), _adds(guarded, over))
    async with asyncio.timeout(WITHIN_S):
        while not all(sender.ended for sender in cut):
            await asyncio.sleep(0.1)
    still_held = [sender for sender in held if not sender.ended]
    over.set()
    took, added = await others
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert added > 100
    assert len(took) > 50
    assert statistics.median(took) < 0.1, sorted(took)[-5:]
    assert max(took) < 2.0, sorted(took)[-5:]  # a margin for a machine that has other things to do
    answers = Counter(sender.answer.split(b"\r\n")[0] for sender in cut)
    assert answers.keys() <= {b"HTTP/1.1 408 Request Timeout", b""}  # none: its next byte crossed the end
    assert answers[b"HTTP/1.1 408 Request Timeout"] > SENDERS / 2
    assert len(still_held) == SENDERS  # the control: where nobody looks, they hold what they have
