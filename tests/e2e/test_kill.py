"""SIGKILL at any moment: every acknowledged job is known, ends, and its URL was called."""

import asyncio
import importlib.util
from pathlib import Path

from .processes import add, job, until

ROUNDS = 10
LOADTEST = Path(__file__).parents[2] / "loadtest"


async def test_a_job_that_was_running_runs_again_and_keeps_its_call_numbers(node, http, target):
    await node.start()
    uid = await add(http, node, url=f"{target.url}/hang")
    await target.called(1)
    await node.kill()
    target.released.set()
    await node.start()
    await until(http, node, completed=1)
    seen = await job(http, node, uid)
    assert (seen["attempt"], seen["tries"], seen["crashes"]) == (2, 1, 0)
    assert [attempt["outcome"] for attempt in seen["attempts"]] == ["answered", "crashed"]
    assert target.numbers == [(uid, "1"), (uid, "2")]


async def test_after_three_crashes_under_it_a_job_is_given_up(node, http, target):
    await node.start()
    uid = await add(http, node, url=f"{target.url}/hang")
    for crash in range(3):
        await target.called(crash + 1)
        await node.kill()
        await node.start()
    seen = await job(http, node, uid)
    assert (seen["state"], seen["error"]["kind"], seen["crashes"]) == ("error", "crashed-node", 3)
    assert target.calls[uid] == 3


async def test_suspects_of_a_crash_run_one_at_a_time_beside_healthy_jobs(node, http, target):
    await node.start()
    suspects = [await add(http, node, url=f"{target.url}/hang") for _ in range(3)]
    await target.called(3)
    await node.kill()
    await node.start()
    healthy = [await add(http, node, url=f"{target.url.replace('127.0.0.1', 'localhost')}/ok") for _ in range(20)]
    await until(http, node, completed=20, running=1, waiting=2)
    assert sum(target.calls[uid] for uid in suspects) == 4
    assert all(target.calls[uid] == 1 for uid in healthy)
    target.released.set()
    await until(http, node, completed=23)


async def test_nothing_acknowledged_is_lost_over_ten_kills_under_load(tmp_path):
    spec = importlib.util.spec_from_file_location("loadtest_kill", LOADTEST / "kill.py")
    kill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kill)
    report = await asyncio.to_thread(kill.run, ROUNDS, folder=tmp_path)
    assert report.acknowledged > 100 * ROUNDS
    assert (report.lost, report.unended, report.uncalled) == (0, 0, 0)
