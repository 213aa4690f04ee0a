"""What a newcomer does first: start a node, push a job with curl, look at it."""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp

from .processes import NodeProcess, add, job, until

README = Path(__file__).parents[2] / "README.md"


async def test_the_first_job_of_the_readme_is_called_and_can_be_read_back(node):
    await node.start()
    _, _, section = README.read_text().partition("## A first job\n")
    _, _, lines = section.partition("```sh\n")
    lines, _, _ = lines.partition("```")
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        lines.replace("http://localhost:9900", node.url).replace("localhost:9900", node.url),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await shell.communicate()
    seen = json.loads(said)
    assert (seen["state"], seen["url"], seen["response"]["status"]) == ("completed", f"{node.url}/health", 200)


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
