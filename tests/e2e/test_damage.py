"""Damage of the files of a node that was killed: always said, in log, /ready and exit code, and never silent."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .processes import NodeProcess, add, counts, job, until

COMMAND = Path(sys.executable).with_name("taskpusher")
JOBS = 60


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *map(str, args)], capture_output=True, text=True, timeout=60, check=False)


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0x40
    file.write_bytes(content)


def logs(node: NodeProcess) -> list[Path]:
    return sorted(node.store.glob("*.log"), key=lambda file: file.stat().st_size)


async def ready(http, node: NodeProcess) -> tuple[int, dict]:
    async with http.get(f"{node.url}/ready") as answer:
        return answer.status, await answer.json()


@pytest.fixture
async def killed(node, http) -> list[str]:
    """A node with scheduled jobs that was killed; returns their uids in the order they were added."""
    await node.start()
    fields = {"url": "http://127.0.0.1:1/", "delay": 3_600, "method": "POST", "body": "x" * 500}
    uids = [await add(http, node, **fields) for _ in range(JOBS)]
    await node.kill()
    return uids


async def test_after_a_plain_kill_nothing_is_said_and_all_is_verified_behind_traffic(killed, node, http):
    await node.start()
    status, said = await ready(http, node)
    assert (status, said["warnings"]) == (200, {})
    assert [line["kind"] for line in node.events("recovery")] == ["clean", "clean"]
    assert [line["stopped_clean"] for line in node.events("recovery")] == [True, False]
    await _verified(node, 1)
    assert node.events("verified")[0]["found"] == 0
    assert node.events("verified")[0]["examined"] > 2 * JOBS


async def test_after_a_stop_nothing_is_verified(node, http):
    await node.start()
    await add(http, node, url="http://127.0.0.1:1/", delay=3_600)
    node.signal(signal.SIGTERM)
    assert await node.wait() == 0
    await node.start()
    await asyncio.sleep(0.3)
    assert node.events("recovery")[-1]["stopped_clean"] is True
    assert node.events("verified") == []


async def test_a_flipped_byte_in_the_log_is_said_until_the_copies_are_deleted(killed, node, http):
    flip(logs(node)[-1], logs(node)[-1].stat().st_size // 2)
    await node.start()
    status, said = await ready(http, node)
    assert (status, "the log was damaged" in said["warnings"]["recovery"]) == (200, True)
    [line] = [line for line in node.events("recovery") if line["kind"] == "point_in_time"]
    assert line["level"] == "error"
    assert 0 < (await counts(http, node))["scheduled"] < JOBS
    assert (await job(http, node, killed[0]))["state"] == "scheduled"

    copies = node.store / "damaged-logs"
    assert str(copies) in said["warnings"]["recovery"]
    await node.kill()
    shutil.rmtree(copies)
    await node.start()
    assert (await ready(http, node))[1]["warnings"] == {}


@pytest.mark.parametrize("zeroed", [False, True])
async def test_a_torn_or_zeroed_end_of_the_log_is_said(killed, node, http, zeroed):
    log = logs(node)[-1]
    content = log.read_bytes()
    log.write_bytes(content + bytes(20_000) if zeroed else content[:-20])
    await node.start()
    status, said = await ready(http, node)
    assert (status, "the end of the log was cut off" in said["warnings"]["recovery"]) == (200, True)
    assert [line["level"] for line in node.events("recovery") if line["kind"] == "torn_tail"] == ["error"]
    assert (await counts(http, node))["scheduled"] == (JOBS if zeroed else JOBS - 1)


async def test_a_job_in_a_damaged_table_stops_the_node_with_78_and_a_repair_brings_it_back(killed, node, http):
    await node.start()  # what was in the log is in tables now
    await node.kill()
    table = max(node.store.glob("*.sst"), key=lambda file: file.stat().st_size)
    flip(table, 2_000)
    await node.start()
    assert await _first_refusal(http, node, killed) == 503
    assert await node.wait() == 78
    said = node.log.read_text()
    assert table.name in said
    assert "taskpusher check --repair" in said
    assert "Traceback" not in said

    mended = run("check", "--repair", "--store", node.store, "-o", "json")
    report = json.loads(mended.stdout)
    assert (mended.returncode, bool(report["found"]["unreadable"])) == (0, True)
    assert 0 < len(report["lost_jobs"]) < JOBS
    assert (Path(report["kept"]) / table.name).exists()
    await node.start()
    assert (await counts(http, node))["scheduled"] == JOBS - len(report["lost_jobs"])
    for uid in killed:
        async with http.get(f"{node.url}/job/{uid}") as answer:
            assert answer.status == (404 if uid in report["lost_jobs"] else 200)


def test_a_check_says_what_is_wrong_and_exits_with_1(killed, node):
    flip(logs(node)[-1], logs(node)[-1].stat().st_size // 2)
    looked = run("check", "--store", node.store)
    assert (looked.returncode, looked.stdout.startswith("log: "), "--repair" in looked.stderr) == (1, True, True)


async def test_damage_that_nobody_reads_is_found_behind_traffic_and_said(killed, node, http):
    await node.start()
    await node.kill()  # not a stop: so it is verified; what was in the log is in tables now
    table = max(node.store.glob("*.sst"), key=lambda file: file.stat().st_size)
    flip(table, 2_000)
    await node.start()
    await _verified(node, 1)
    status, said = await ready(http, node)
    assert (status, "taskpusher check --repair" in said["warnings"]["damage"]) == (200, True)
    assert table.name in node.events("damage")[0]["text"]
    assert node.events("damage")[0]["level"] == "error"
    assert await add(http, node, url="http://127.0.0.1:1/", delay=60)


async def test_a_store_that_cannot_be_opened_is_78_and_what_its_tables_have_is_repaired(killed, node, http):
    [file] = node.store.glob("MANIFEST-*")
    flip(file, file.stat().st_size // 2)
    refused = run("--address=127.0.0.1:0", f"--store={node.store}")
    assert (refused.returncode, "check --repair" in refused.stderr) == (78, True)
    assert run("check", "--repair", "--store", node.store).returncode == 0
    await node.start()
    assert (await counts(http, node))["scheduled"] == JOBS


async def test_a_running_store_is_not_checked(node, http, target):
    await node.start()
    refused = run("check", "--repair", f"--store={node.store}")
    assert (refused.returncode, "another process has" in refused.stderr) == (78, True)
    uid = await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    assert (await job(http, node, uid))["state"] == "completed"


async def _first_refusal(http, node: NodeProcess, uids: list[str]) -> int | None:
    for uid in uids:
        async with http.get(f"{node.url}/job/{uid}") as answer:
            if answer.status != 200:
                return answer.status
    return None


async def _verified(node: NodeProcess, n: int) -> None:
    async with asyncio.timeout(20):
        while len(node.events("verified")) < n:
            await asyncio.sleep(0.05)
