"""The demo as a person starts it: it fills the page, its shop can be mended, and it leaves nothing behind."""

import asyncio
import os
import re
import signal
import socket
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from .processes import COMMAND, START_WITHIN_S

WITHIN_S = 60  # also on a machine that is busy
QUEUES = {
    *(
        "crm",
        "default",
        "films",
        "images",
        "invoices",
        "ledger",
        "mail",
        "newsletter",
        "parcels",
        "reminders",
        "reports",
    ),
    *("search", "stock", "webhooks"),
}


class Demo:
    """A `taskpusher demo` on a free port, with its temporary files in a folder of the test."""

    def __init__(self, process):
        self.process = process
        self.url = self.shop = ""

    async def greeted(self):
        """Read where the page is and where the shop can be mended."""
        async with asyncio.timeout(START_WITHIN_S):
            while not self.shop:
                line = (await self.process.stdout.readline()).decode()
                assert line, (await self.process.stderr.read()).decode()
                if page := re.search(r"(http\S+)/tasks", line):
                    self.url = page[1]
                if fix := re.search(r"curl -X POST (http\S+)/admin/fix", line):
                    self.shop = fix[1]

    async def ended(self):
        """Wait for its end; return its exit code and its last line."""
        async with asyncio.timeout(WITHIN_S):
            said, told = await self.process.communicate()
        assert told == b""
        return self.process.returncode, said.decode().splitlines()[-1]


@asynccontextmanager
async def running(folder, *flags):
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "demo",
        *flags,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        yield Demo(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def get(http, url):
    async with http.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def post(http, url):
    async with http.post(url) as answer:
        assert answer.status == 200, await answer.text()


async def until(condition):
    async with asyncio.timeout(WITHIN_S):
        while not await condition():
            await asyncio.sleep(0.1)


async def test_a_deploy_has_broken_an_endpoint_and_what_failed_goes_through_once_it_is_mended(tmp_path, http):
    async with running(tmp_path, "--address=localhost:0", "--rate=0") as demo:
        await demo.greeted()
        host = urlsplit(demo.shop).netloc

        async def failures():
            groups = (await get(http, f"{demo.url}/errors"))["groups"]
            return {group["class"]: group["count"] for group in groups if group["host"] == host}

        async def all_have_failed():
            return sum((await failures()).values()) == 300

        async def all_went_through():
            await post(http, f"{demo.url}/jobs/errors/retry?queue=invoices")
            return (await get(http, f"{demo.url}/queues/invoices"))["counts"]["completed"] == 300

        await until(all_have_failed)
        assert set(await failures()) == {"status 500", "status 422", "timeout"}
        await post(http, f"{demo.shop}/admin/fix")
        await until(all_went_through)
        assert await failures() == {}


async def test_there_is_something_of_every_kind_to_look_at(tmp_path, http):
    async with running(tmp_path, "--address=localhost:0", "--rate=100") as demo:
        await demo.greeted()

        async def of_every_state():
            return all((await get(http, f"{demo.url}/stats"))["states"].values())

        async def a_film_has_come_so_far():
            films = await get(http, f"{demo.url}/jobs/running?queue=films")
            return any(film["progress"] for film in films["jobs"])

        async def someone_holds_back_who_refuses():
            targets = (await get(http, f"{demo.url}/targets"))["targets"]
            return {target["held"]["by"] for target in targets if target["held"]} == {None, "unreached"}

        async def of_every_queue():
            queues = (await get(http, f"{demo.url}/queues"))["queues"]
            paused = [queue["name"] for queue in queues if queue["paused"]]
            return paused == ["newsletter"] and {queue["name"] for queue in queues} >= QUEUES

        async with http.get(f"{demo.url}/tasks") as page:
            assert (page.status, page.content_type) == (200, "text/html")
        for condition in (of_every_state, a_film_has_come_so_far, someone_holds_back_who_refuses, of_every_queue):
            await until(condition)
        assert (await get(http, f"{demo.url}/limits"))["limits"]
        async with http.get(f"{demo.url}/metrics") as answer:
            rejected = re.findall(r"^taskpusher_jobs_rejected_total\S* .*", await answer.text(), re.MULTILINE)
        assert [line for line in rejected if not line.endswith(" 0.0")] == []


async def test_it_ends_by_itself_and_removes_its_store(tmp_path):
    async with running(tmp_path, "--address=localhost:0", "--for=1") as demo:
        await demo.greeted()
        assert await demo.ended() == (0, "The demo is over. Its store is removed.")
        assert list(tmp_path.iterdir()) == []


async def test_an_interrupt_ends_it_and_leaves_a_store_that_was_asked_for(tmp_path):
    store = tmp_path / "kept"
    async with running(tmp_path, "--address=localhost:0", f"--store={store}") as demo:
        await demo.greeted()
        demo.process.send_signal(signal.SIGINT)
        assert await demo.ended() == (0, f"The demo is over. Its store is kept in {store}.")
    assert list(tmp_path.iterdir()) == [store]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_every_signal_that_means_the_end_ends_it_and_removes_its_store(tmp_path, number):
    async with running(tmp_path, "--address=localhost:0") as demo:
        await demo.greeted()
        assert [folder.name for folder in tmp_path.glob("*/*")] == ["store"]
        demo.process.send_signal(number)
        assert (await demo.ended())[0] == 0
        assert list(tmp_path.iterdir()) == []


async def test_where_it_cannot_listen_it_says_so_and_leaves_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for given, code, word in ((address, 1, "cannot listen"), ("0.0.0.0:0", 78, "other machines")):
            async with running(tmp_path, f"--address={given}") as demo:
                said, told = await asyncio.wait_for(demo.process.communicate(), WITHIN_S)
                assert (demo.process.returncode, said) == (code, b"")
                what, todo = told.decode().splitlines()
                assert (word in what, "another --address" in todo) == (True, True)
    assert list(tmp_path.iterdir()) == []
