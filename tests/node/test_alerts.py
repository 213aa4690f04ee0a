"""Alerts: one POST when a trouble begins and one when it is over, to a real server, with times cut short."""

import asyncio
import socket

import pytest
import structlog
from aiohttp import web

from taskpusher.phase import Phase
from taskpusher_node import alerts
from taskpusher_node.alerts import Alerts
from taskpusher_node.status import Status


class Receiver:
    """What an operator has: it keeps what it gets, and refuses as often as it is told to."""

    def __init__(self) -> None:
        self.got: list[dict] = []
        self.asked = 0
        self.refuse = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.asked <= self.refuse:
            return web.Response(status=500 if self.asked % 2 else 302, headers={"Location": "/"})
        self.got.append(await request.json())
        return web.Response(status=204)

    async def has(self, n: int, within_s: float = 10) -> list[tuple[str, str]]:
        """Wait for `n` alerts, and return what all are about."""
        async with asyncio.timeout(within_s):
            while len(self.got) < n:
                await asyncio.sleep(0.005)
        return self.what()

    def what(self) -> list[tuple[str, str]]:
        return [(one["alert"], one["state"]) for one in self.got]


@pytest.fixture
async def receiver(serve):
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.answer)
    receiver.url = f"{await serve(app)}/hook/s3cret"
    return receiver


@pytest.fixture
def status():
    status = Status()
    status.base, status.name = Phase.READY, "n1"
    return status


@pytest.fixture
async def begin(receiver, status, tmp_path):
    """Start alerts on the status; what is given replaces a setting."""
    started = []

    def start(**given):
        settings = {"style": "json", "look_every_s": 0.01, "open_after_s": 0.1, "close_after_s": 0.3, "pause_s": 0.01}
        started.append(Alerts(status, tmp_path / "alerts", **{"url": receiver.url, **settings, **given}))
        started[-1].start()
        return started[-1]

    yield start
    status.failure = None
    for one in started:
        await one.stop()


async def test_a_trouble_is_told_when_it_begins_and_when_it_is_over(begin, receiver, status):
    begin()
    status.stalled = True
    assert await receiver.has(1) == [("stalled", "open")]
    status.warn("damage", "a table is damaged")
    assert await receiver.has(2) == [("stalled", "open"), ("damage", "open")]
    status.stalled = False
    assert (await receiver.has(3))[2] == ("stalled", "closed")
    status.all_clear("damage")
    assert (await receiver.has(4))[3] == ("damage", "closed")
    await asyncio.sleep(0.3)
    assert len(receiver.got) == 4
    first, second = receiver.got[:2]
    assert (first["node"], first["text"]) == ("n1", "the store cannot write at the moment")
    assert second["text"] == "a table is damaged"
    assert first["since"] <= first["time"]


async def test_a_trouble_that_another_hides_is_not_over(begin, receiver, status):
    begin(close_after_s=0.1)
    status.stalled = True
    await receiver.has(1)
    status.failure = "x"
    await receiver.has(2)
    await asyncio.sleep(0.3)
    assert receiver.what() == [("stalled", "open"), ("failed", "open")]


async def test_what_an_operator_does_is_no_trouble(begin, receiver, status):
    begin(open_after_s=0.0)
    status.draining = True
    await asyncio.sleep(0.1)
    status.base = Phase.STOPPING
    status.warn("damage", "said while it stops")
    await asyncio.sleep(0.1)
    assert receiver.got == []


async def test_a_trouble_that_goes_at_once_is_not_told(begin, receiver, status):
    begin(open_after_s=5.0)
    status.stalled = True
    await asyncio.sleep(0.1)
    status.stalled = False
    await asyncio.sleep(0.3)
    assert receiver.got == []


@pytest.mark.parametrize(("close_after_s", "storm"), [(5.0, False), (0.0, True)])
async def test_a_trouble_that_comes_and_goes_is_told_once(begin, receiver, status, close_after_s, storm):
    begin(open_after_s=0.0, close_after_s=close_after_s)
    for n in range(10):
        status.stalled = not n % 2
        await asyncio.sleep(0.1)
    assert (len(receiver.got) > 4) is storm
    assert storm or receiver.what() == [("stalled", "open")]


async def test_a_receiver_that_refuses_is_asked_again_and_then_left_alone(begin, receiver, status):
    begin()
    receiver.refuse = 2
    status.stalled = True
    assert await receiver.has(1) == [("stalled", "open")]
    assert receiver.asked == 3
    receiver.refuse = 1_000
    status.warn("damage", "x")
    await asyncio.sleep(1.0)
    assert receiver.asked == 3 + alerts.TRIES


async def test_no_more_troubles_are_told_than_a_person_reads(begin, receiver, status):
    begin(open_after_s=0.0)
    for n in range(1_000):
        status.warn(f"topic-{n}", "x")
    await receiver.has(alerts.TROUBLES_MAX)
    await asyncio.sleep(0.2)
    assert len(receiver.got) == alerts.TROUBLES_MAX


async def test_a_failure_is_told_before_the_end(begin, receiver, status):
    running = begin(open_after_s=60.0)
    status.failure = "no space left on device"
    await running.stop()
    assert receiver.what() == [("failed", "open")]


async def test_a_receiver_that_does_not_answer_holds_up_the_end_for_a_moment_only(begin, status, monkeypatch):
    monkeypatch.setattr(alerts, "LAST_WORDS_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        running = begin(url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        status.failure = "x"
        async with asyncio.timeout(3):
            await running.stop()


@pytest.mark.parametrize(("kept", "told"), [(True, 1), (False, 2)])
async def test_a_node_that_fails_at_each_start_tells_it_once(begin, receiver, status, tmp_path, kept, told):
    for _ in range(3):
        running = begin()
        status.failure = "the disk is full"
        await running.stop()
        status.failure = None
        if not kept:
            (tmp_path / "alerts" / "failed").unlink()
            kept = True
    assert receiver.what() == [("failed", "open")] * told


async def test_what_was_told_before_a_restart_is_taken_back_after_it(begin, receiver, status):
    running = begin()
    status.failure = "the disk is full"
    await running.stop()
    status.failure, status.base = None, Phase.STARTING
    begin(close_after_s=0.1)
    await asyncio.sleep(0.3)
    assert receiver.what() == [("failed", "open")]
    status.base = Phase.READY
    assert (await receiver.has(2))[1] == ("failed", "closed")
    assert receiver.got[1]["since"][:16] == receiver.got[0]["since"][:16]


async def test_slack_gets_a_sentence_without_mark_up_and_secrets(begin, receiver, status):
    begin(style="slack")
    status.warn("damage", "<!channel> & \x1b[31m https://a.example/?token=s3cret")
    async with asyncio.timeout(10):
        while not receiver.got:
            await asyncio.sleep(0.01)
    assert list(receiver.got[0]) == ["text"]
    assert receiver.got[0]["text"].startswith("TaskPusher n1 on ")
    assert ": &lt;!channel&gt; &amp; \\x1b[31m https://a.example/?token=" in receiver.got[0]["text"]
    assert "s3cret" not in receiver.got[0]["text"]


@pytest.mark.parametrize(
    "url", ["{url}", "http://127.0.0.1:1/s3cret", "http://nothing.invalid/s3cret", "http://[s3cret"]
)
async def test_the_url_is_a_secret_that_no_log_repeats(begin, receiver, status, url):
    receiver.refuse = 1_000
    with structlog.testing.capture_logs() as lines:
        begin(url=url.format(url=receiver.url))
        status.stalled = True
        async with asyncio.timeout(10):
            while len(lines) < 2:
                await asyncio.sleep(0.01)
    assert "s3cret" not in str(lines)
    assert {line["event"] for line in lines} == {"alert"}


async def test_a_url_may_come_later(begin, receiver, status):
    running = begin(url=None)
    status.stalled = True
    await asyncio.sleep(0.2)
    running.url = receiver.url
    assert await receiver.has(1) == [("stalled", "open")]
