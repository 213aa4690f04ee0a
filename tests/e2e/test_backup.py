"""From a backup of a running node to a node that goes on from it, by the commands."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import aiohttp

from .processes import NodeProcess, Target, add, until

COMMAND = Path(sys.executable).with_name("taskpusher")


async def run(*args: object, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *map(str, args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **env},
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_node_goes_on_from_its_backup_when_a_person_says_so(tmp_path, target: Target):
    node = await NodeProcess(tmp_path, "--basicauth=me:secret", f"--backup-dir={tmp_path}/backups").start()
    own = {"Authorization": aiohttp.encode_basic_auth("me", "secret")}
    try:
        async with aiohttp.ClientSession(headers=own) as http:
            ended = await add(http, node, url=f"{target.url}/ok")
            await until(http, node, completed=1)
            waiting = await add(http, node, url=f"{target.url}/ok", delay=1)
            code, out, err = await run("backup", "--server", node.url, TASKPUSHER_AUTH="me:secret")
            assert (code, err.startswith("2 jobs")) == (0, True), err
            backup = Path(out.strip())
            assert backup.parent == tmp_path / "backups"
            await target.called(2)
            code, _, err = await run("restore", node.store, "--store", tmp_path / "of-a-running-store")
            assert (code, "another process has" in err) == (78, True)
            await node.kill()

            node.store = tmp_path / "restored"
            code, out, err = await run("restore", backup, "--store", node.store)
            assert (code, out, "2 jobs" in err, "/resume" in err) == (0, "", True, True)
            await node.start()
            async with http.get(f"{node.url}/queues/default") as answer:
                assert (await answer.json())["paused"]["by"] == "restore"
            await until(http, node, waiting=1)
            assert target.calls[waiting] == 1
            async with http.post(f"{node.url}/queues/default/resume"):
                pass
            await until(http, node, completed=2)
            assert (target.calls[ended], target.calls[waiting]) == (1, 2)
            assert (await run("restore", backup, "--store", node.store))[0] == 78
    finally:
        await node.kill()


async def test_what_cannot_be_backed_up_is_told_with_its_exit_code(node, tmp_path):
    code, _, err = await run("backup", "--server", "http://127.0.0.1:1")
    assert (code, err) == (69, "taskpusher: http://127.0.0.1:1/backup: Connection refused\n")
    assert (await run("backup", "--server", "ftp://127.0.0.1"))[0] == 78
    await node.start("--basicauth=me:secret")
    code, _, err = await run("backup", "--server", node.url, TASKPUSHER_AUTH="me:wrong")
    assert (code, len(err.splitlines())) == (77, 1)
    code, _, err = await run("backup", "--server", node.url, TASKPUSHER_AUTH="me:secret")
    assert (code, "backup_dir" in err, len(err.splitlines())) == (1, True, 1)


async def test_credentials_are_not_given_to_whom_a_redirect_leads():
    heard = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" if len(heard) < 2 else b"?\r\n"
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    code, _, err = await run("backup", "--server", url, TASKPUSHER_AUTH="me:secret")
    server.close()
    assert [b"Basic" in head for head in heard] == [True, False]
    assert (code, len(err.splitlines())) == (69, 1), err  # the second answer was no HTTP
    code, _, err = await run("backup", "--server", "http://localhost:99x")
    assert (code, len(err.splitlines())) == (69, 1), err


async def test_the_answer_can_be_json_and_the_name_be_given(node, tmp_path):
    await node.start(f"--backup-dir={tmp_path}/backups")
    code, out, _ = await run("backup", "--server", node.url, "--name", "first", "-o", "json")
    assert (code, json.loads(out)["path"], json.loads(out)["jobs"]) == (0, str(tmp_path / "backups" / "first"), 0)
    code, _, err = await run("backup", "--server", node.url, "--name", "../first")
    assert (code, "name" in err) == (1, True)


def test_help_imports_neither_server_nor_store():
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "check", "--help"], capture_output=True, text=True, check=True
    ).stderr
    assert not [name for name in ("aiohttp", "rocksdict", "structlog", "uvloop", "msgspec") if f" {name}\n" in loaded]


def test_where_no_store_is_there_is_nothing_to_check(tmp_path):
    ended = subprocess.run(
        [COMMAND, "check", "--store", tmp_path], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert list(tmp_path.iterdir()) == []
