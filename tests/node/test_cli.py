"""The command line: what it takes, what it refuses and with which exit code."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from taskpusher_node.config import settings

COMMAND = Path(sys.executable).with_name("taskpusher")


def run(*args, **env):
    return subprocess.run(
        [COMMAND, *args], capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **env}
    )


def test_help_shows_the_settings_a_newcomer_needs_and_help_all_every_one():
    few, every = run("--help"), run("--help-all")
    assert (few.returncode, every.returncode) == (0, 0)
    for name, _, _, advanced in settings():
        flag = f"--{name.replace('_', '-')}"
        assert (flag in few.stdout.split()) is not advanced
        assert flag in every.stdout.split()


def test_help_imports_neither_server_nor_store():
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "--help"], capture_output=True, text=True, check=True
    ).stderr
    assert not [name for name in ("aiohttp", "rocksdict", "structlog", "uvloop") if f" {name}\n" in loaded]


def test_the_version_is_told():
    assert "0.1.0" in run("--version").stdout


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["--address=0.0.0.0:0"], 78, "basicauth"),
        (["--address=nonsense"], 78, "HOST:PORT"),
        (["--address=localhost:99999"], 78, "address"),
        (["--address=nothing.invalid:80"], 78, "resolved"),
        (["--name=Not_A_Name"], 78, "name"),
        (["--basicauth=nocolon"], 78, "USER:PASSWORD"),
        (["--unreached-status=often"], 78, "unreached_status"),
        (["--signing-secrets=x"], 78, "signing_secrets"),
        (["--deny=10.0.0.1/8"], 78, "deny: '10.0.0.1/8'"),
        (["--deny-private", "--allow=a.example,http://b"], 78, "allow: 'http://b'"),
        (["--allow=a.example"], 78, "deny_private is not set"),
        (["--concurrency=0"], 2, "--concurrency"),
        (["--log-level=loud"], 2, "--log-level"),
        (["--timeout=0"], 2, "--timeout"),
        (["--drain-timeout=-1"], 2, "--drain-timeout"),
        (["--no-such-flag"], 2, "--no-such-flag"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line_with_its_exit_code(tmp_path, args, code, word):
    ended = run(f"--store={tmp_path}/store", *args)
    assert (ended.returncode, word in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr
    assert code == 2 or len(ended.stderr.splitlines()) == 1


def test_settings_come_from_the_environment_too(tmp_path):
    ended = run(f"--store={tmp_path}/store", TASKPUSHER_ADDRESS="0.0.0.0:0")
    assert (ended.returncode, "0.0.0.0:0" in ended.stderr) == (78, True)


def test_a_flag_wins_over_the_environment(tmp_path):
    ended = run(f"--store={tmp_path}/store", "--address=1.2.3.4.5:0", TASKPUSHER_ADDRESS="0.0.0.0:0")
    assert "1.2.3.4.5" in ended.stderr


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run(f"--store={tmp_path}/store", f"--address=127.0.0.1:{taken.getsockname()[1]}")
    assert ended.returncode == 1
    assert "cannot listen" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
