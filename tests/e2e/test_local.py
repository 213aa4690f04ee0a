"""`taskpusher local`: nodes and a router on one machine, which live and die together."""

import asyncio
import json
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from .processes import COMMAND, LITTLE_DISK, NodeProcess, add

NODES = 2


class Local(NodeProcess):
    """A `taskpusher local` process; `url` is its router's."""

    def arguments(self) -> list[str]:
        """Return what its command line says in any case."""
        return ["local", f"--nodes={NODES}", f"--address={self.address}", f"--store={self.store}"]

    async def start(self, *flags: str) -> "Local":
        """Start it, and wait until all are up and the router knows."""
        before = len(self.events("up")) if self.log.exists() else 0
        await super().start(*flags)
        await self.event("up", before + 1)
        self.url = [line["addresses"][0] for line in self.events("ready") if line["process"] == "router"][-1]
        async with asyncio.timeout(20), aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{self.url}/ready") as answer:
                    if answer.status == 200 and not (await answer.json())["warnings"]:
                        return self
                await asyncio.sleep(0.02)

    async def event(self, name: str, n: int = 1, **fields: object) -> list[dict]:
        """Wait until an event was logged so often, with these fields, and return its lines."""
        async with asyncio.timeout(20):
            while True:
                found = [one for one in self.events(name) if fields.items() <= one.items()]
                if len(found) >= n:
                    return found
                await asyncio.sleep(0.02)

    def pid(self, name: str) -> int:
        """Return the process that runs as this child, or ran last."""
        return [line["pid"] for line in self.events("started") if line["child"] == name][-1]


@pytest.fixture
async def local(tmp_path):
    process = Local(tmp_path)
    yield process
    await process.kill()


def handed_to(pid: int) -> str:
    """Return the cluster token in the environment of a process, after a look that it is nowhere in its command line."""
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    (token,) = [one.partition("=")[2] for one in variables if one.startswith("TASKPUSHER_CLUSTER_TOKEN=")]
    assert token not in Path(f"/proc/{pid}/cmdline").read_text()
    return token


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # whoever adopted it has not looked yet


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(20):
        while any(map(lives, pids)):
            await asyncio.sleep(0.02)


async def test_jobs_that_come_by_the_router_run_and_a_signal_ends_all_of_it(local, http, target):
    await local.start()
    uids = [await add(http, local, url=f"{target.url}/ok") for _ in range(20)]
    await target.called(20)
    assert {uid.rpartition("-")[2] for uid in uids} == {"n1", "n2"}
    pids = [local.pid(name) for name in ("n1", "n2", "router")]
    assert all(map(lives, pids))
    local.signal(signal.SIGTERM)
    assert await local.wait() == 0
    assert not any(map(lives, pids))


async def test_flags_after_two_dashes_are_for_the_nodes_and_one_that_is_killed_comes_back_with_its_jobs(
    local, http, target
):
    await local.start("--", "--tokens=reader:read:of-nodes")
    uids = [await add(http, local, url=f"{target.url}/ok", delay=3_600) for _ in range(20)]
    os.kill(local.pid("n1"), signal.SIGKILL)
    (ended,) = await local.event("ended", child="n1")
    assert ended["code"] == -signal.SIGKILL
    before, after = await local.event("ready", 2, process="n1")
    assert before["addresses"] == after["addresses"]
    async with http.get(
        f"{after['addresses'][0]}/jobs/scheduled", headers={"Authorization": "Bearer of-nodes"}
    ) as found:
        jobs = (await found.json())["jobs"]
    assert {job["uid"] for job in jobs} == {uid for uid in uids if uid.endswith("-n1")}


async def test_a_router_that_is_killed_comes_back(local, http, target):
    await local.start()
    os.kill(local.pid("router"), signal.SIGKILL)
    await local.event("ready", 2, process="router")
    local.url = local.events("ready")[-1]["addresses"][0]
    await add(http, local, url=f"{target.url}/ok")
    await target.called(1)


async def test_no_child_outlives_a_parent_that_is_killed(local):
    await local.start()
    pids = [local.pid(name) for name in ("n1", "n2", "router")]
    assert all(map(lives, pids))
    await local.kill()
    await gone(pids)


async def test_adds_are_kept_while_nodes_run_down_and_a_second_signal_ends_calls(local, http, target):
    await local.start()
    await add(http, local, url=f"{target.url}/hang")
    await target.called(1)
    local.signal(signal.SIGTERM)
    await local.event("stopping")
    late = [await add(http, local, url=f"{target.url}/ok") for _ in range(3)]
    local.signal(signal.SIGTERM)
    assert await local.wait() == 0
    assert all(target.calls[uid] == 0 for uid in late)
    target.released.set()
    await local.start()
    async with asyncio.timeout(20):
        while not all(target.calls[uid] for uid in late):
            await asyncio.sleep(0.02)


async def test_a_reload_reaches_all(local):
    await local.start()
    local.signal(signal.SIGHUP)
    for name in ("n1", "n2", "router"):
        await local.event("reload", process=name)


async def test_all_are_handed_one_cluster_token_which_is_another_at_each_start(local):
    tokens = []
    for _ in range(2):
        await local.start()
        (token,) = {handed_to(local.pid(name)) for name in ("n1", "n2", "router")}
        tokens.append(token)
        local.signal(signal.SIGTERM)
        assert await local.wait() == 0
    assert tokens[0] != tokens[1]


async def test_clients_need_the_credentials_of_the_router_also_at_the_nodes(local, http, target):
    local.env["TASKPUSHER_BASICAUTH"] = "user:password"
    await local.start()
    for url in [line["addresses"][0] for line in local.events("ready")]:
        async with http.get(f"{url}/jobs/waiting") as answer:
            assert answer.status == 401
    async with http.post(
        f"{local.url}/add", json={"url": f"{target.url}/ok"}, headers={"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}
    ) as answer:
        assert answer.status == 201, await answer.text()


async def run(*arguments: str | Path, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "local",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **LITTLE_DISK, **env},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_more_nodes_than_before_are_a_resize_and_fewer_are_refused(local, tmp_path):
    await local.start()
    assert local.events("resize") == []
    local.signal(signal.SIGTERM)
    assert await local.wait() == 0
    code, out, err = await run("--nodes=1", f"--store={local.store}")
    assert (code, out) == (78, "")
    assert "--nodes 2" in err
    await local.start("--nodes=3")
    (resize,) = local.events("resize")
    assert (resize["before"], resize["now"]) == (2, 3)


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--nodes=2", "--", "--allow=10.0.0.1"], 78, "deny_private"),
        (["--nodes=2", "--", "--no-such-flag"], 2, "no-such-flag"),
        (["--nodes=2", "--no-such-flag"], 2, "no-such-flag"),
        (["--nodes=2", "--address=0.0.0.0:0"], 78, "set basicauth"),
        (["--nodes=0"], 2, "--nodes"),
    ],
)
async def test_what_cannot_start_ends_all_of_it_and_says_why(tmp_path, flags, code, said):
    ended, _, err = await run(f"--store={tmp_path}/store", *flags)
    assert ended == code
    assert said in err


async def test_one_settings_file_for_all_is_refused(tmp_path):
    code, _, err = await run("--nodes=2", f"--store={tmp_path}/store", TASKPUSHER_CONFIG="node.toml")
    assert code == 78
    assert "TASKPUSHER_CONFIG" in err


async def test_each_line_is_json_that_says_whose_it_is(local, http, target):
    await local.start()
    await add(http, local, url=f"{target.url}/ok")
    await local.event("call")
    local.signal(signal.SIGTERM)
    assert await local.wait() == 0
    lines = [json.loads(line) for line in local.log.read_text().splitlines()]
    assert {line["process"] for line in lines} == {"local", "n1", "n2", "router"}
