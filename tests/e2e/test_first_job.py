"""What a newcomer does first: start a node, push a job with curl, look at it."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import aiohttp

from .processes import NodeProcess, Target, add, job, until


def test_a_job_pushed_by_curl_is_called_and_can_be_read_back(tmp_path):
    # no client library between: these are the two lines of the README
    async def story():
        target, node = Target(), NodeProcess(tmp_path)
        await target.start()
        await node.start()
        try:
            curl = await asyncio.to_thread(
                subprocess.run,
                ["curl", "-s", "-d", f"url={target.url}/ok", f"{node.url}/add"],
                capture_output=True,
                check=True,
            )
            uid = json.loads(curl.stdout)["uid"]
            async with aiohttp.ClientSession() as http, http.get(f"{node.url}/job/{uid}/wait") as answer:
                seen = await answer.json()
        finally:
            await node.kill()
            await target.stop()
        return seen, target.calls[uid]

    seen, calls = asyncio.run(story())
    assert (seen["state"], seen["response"]["status"], seen["response"]["body"]) == ("completed", 200, "ok")
    assert calls == 1


async def test_the_seeds_line_with_one_dash_and_basic_auth_runs_a_node(tmp_path, http, target):
    node = await NodeProcess(tmp_path).start("--basicauth=test:test", "-concurrency=2", "-log-level=production")
    try:
        async with http.post(f"{node.url}/add", data={"url": f"{target.url}/ok"}) as refused:
            assert refused.status == 401
        own = {"Authorization": aiohttp.encode_basic_auth("test", "test")}
        async with http.post(f"{node.url}/add", data={"url": f"{target.url}/ok"}, headers=own) as taken:
            assert taken.status == 201
    finally:
        await node.kill()


async def test_results_survive_a_stop_and_a_start(node, http, target):
    await node.start()
    uid = await add(http, node, url=f"{target.url}/ok")
    await until(http, node, completed=1)
    node.signal(15)
    assert await node.wait() == 0
    await node.start()
    assert (await job(http, node, uid))["state"] == "completed"
    assert (await until(http, node, completed=1))["waiting"] == 0


async def test_a_second_process_on_a_store_is_refused_with_78(node, tmp_path):
    await node.start()
    second = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("taskpusher"),
        "--address=127.0.0.1:0",
        f"--store={node.store}",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    _, said = await second.communicate()
    assert second.returncode == 78
    what, todo = said.splitlines()
    assert (b"another process has" in what, b"another --store" in todo) == (True, True)


async def test_the_log_has_one_json_line_for_each_finished_call(node, http, target):
    await node.start()
    uid = await add(http, node, url=f"{target.url}/ok", queue="mail")
    await until(http, node, completed=1)
    node.signal(15)
    await node.wait()
    (line,) = node.events("call")
    assert (line["uid"], line["queue"], line["status"], line["state"]) == (uid, "mail", 200, "completed")
    assert line["result"] == "success"
