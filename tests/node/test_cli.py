"""The command line: what it takes, what it refuses and with which exit code."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from taskpusher.cli import main
from taskpusher.settings import CONFIG, settings_of
from taskpusher_node.config import Config

COMMAND = Path(sys.executable).with_name("taskpusher")
README = Path(__file__).parents[2] / "node" / "README.md"
COMMON = [
    *("config", "basicauth", "address", "store", "name", "concurrency", "log-level", "drain-timeout", "stop-grace"),
    *("timeout", "retention", "disk-reserve"),
]
SETTINGS = settings_of(Config)
SECRETS = [setting.name for setting in SETTINGS if setting.kind.secret]


def run(*args, **env):
    return subprocess.run(
        [COMMAND, *args], capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **env}
    )


def test_help_shows_the_settings_a_newcomer_needs_and_help_all_every_one():
    few, every = run("--help"), run("--help-all")
    assert (few.returncode, every.returncode) == (0, 0)
    for setting in SETTINGS:
        flag = f"--{setting.flag}"
        assert (flag in few.stdout.split()) is (setting.flag in COMMON)
        assert flag in every.stdout.split()
        assert (f"{flag}-file" in every.stdout.split()) is setting.kind.secret


def test_help_names_the_other_commands():
    *_, last = run("--help").stdout.split("Other commands: ")
    named = last.partition(";")[0].replace(",", "").split()
    assert named == sorted(set(main.list_commands(click.Context(main))) - {"node"})


def test_the_readme_names_every_setting_with_its_default():
    rows = [
        [cell.strip() for cell in line.split("|")[1:3]] for line in README.read_text().splitlines() if line[:2] == "| "
    ]
    shown = dict(reversed(rows))  # a later table may begin a row with the same word
    wanted = {setting.flag: setting.show(setting.default) for setting in [CONFIG, *SETTINGS]}
    assert {name: shown.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("args", [["--help"], ["demo", "--help"]])
def test_help_imports_neither_server_nor_store(args):
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, *args], capture_output=True, text=True, check=True
    ).stderr
    assert not [
        name
        for name in ("aiohttp", "msgspec", "orjson", "rocksdict", "structlog", "tomllib", "uvloop")
        if f" {name}\n" in loaded
    ]


def test_the_version_is_told():
    assert "0.1.0" in run("--version").stdout


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["--address=0.0.0.0:0"], 78, "basicauth"),
        (["--address=nonsense"], 78, "HOST:PORT"),
        (["--address=localhost:99999"], 78, "address"),
        (["--address=nothing.invalid:80"], 78, "resolved"),
        (["--address=a..b:80"], 78, "resolved"),
        ([f"--address={'a' * 64}:80"], 78, "resolved"),
        (["--public-url=http://[::1"], 2, "--public-url"),
        (["--name=Not_A_Name"], 2, "--name"),
        (["--basicauth=nocolon"], 2, "USER:PASSWORD"),
        (["--unreached-status=often"], 2, "--unreached-status"),
        (["--signing-secrets=x"], 78, "signing_secrets"),
        (["--signing-secrets=, "], 78, "signing_secrets"),
        (["--deny=10.0.0.1/8"], 78, "deny: '10.0.0.1/8'"),
        (["--deny-private", "--allow=a.example,http://b"], 78, "allow: 'http://b'"),
        (["--allow=a.example"], 78, "deny_private is not set"),
        (["--alert-url=ftp://x/"], 2, "--alert-url"),
        (["--max-body-bytes=1X"], 2, "--max-body-bytes"),
        (["--tokens=ci:push"], 2, "--tokens"),
        (["--tokens= ,"], 2, "--tokens"),
        (["--tokens=ci:push:abc", "--cluster-token=abc"], 78, "cluster_token"),
        (["--cluster-token=a b"], 2, "--cluster-token"),
        (["--concurrency=0"], 2, "--concurrency"),
        (["--log-level=loud"], 2, "--log-level"),
        (["--timeout=0"], 2, "--timeout"),
        (["--drain-timeout=-1"], 2, "--drain-timeout"),
        (["--no-such-flag"], 2, "--no-such-flag"),
    ],
)
def test_what_cannot_run_is_refused_in_two_lines_with_its_exit_code(tmp_path, args, code, word):
    ended = run(f"--store={tmp_path}/store", *args)
    assert (ended.returncode, word in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr
    assert code == 2 or len(ended.stderr.splitlines()) == 2


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
    what, todo = ended.stderr.splitlines()
    assert ("cannot listen" in what, "another --address" in todo) == (True, True)


def test_wrong_variables_are_a_matter_of_configuration_and_told_at_once():
    wrong = [
        f"TASKPUSHER_{name}" for name in ("TIMEOUT", "CONCURRENCY", "BASICAUTH", "INSECURE", "TOKENS_FILE", "NAME")
    ]
    ended = run("config", **dict.fromkeys(wrong, "\x1b[31mwrong"))
    assert (ended.returncode, ended.stdout) == (78, "")
    assert [name for name in wrong if name not in ended.stderr] == []
    assert len(ended.stderr.splitlines()) == len(wrong) + 1


def test_unknown_variables_are_others():
    assert run("config", TASKPUSHER_PORT="tcp://10.0.0.1:80").returncode == 0


def test_no_text_of_a_setting_commands_the_terminal(tmp_path):
    hostile = "\x1b]0;x\x07\x9b31m\u202e"
    file = tmp_path / "settings.toml"
    file.write_text(f'"{json.dumps(hostile)[1:-1]}" = 1\nstore = "{json.dumps(hostile)[1:-1]}"\n')
    for args in (
        ["config", f"--store={hostile}"],
        ["config", f"--config={hostile}"],
        ["config", f"--config={file}"],
        ["node", f"--timeout={hostile}"],
        ["node", f"--{hostile}"],
        ["node", f"--address={hostile}"],
        ["node", hostile],
        [hostile],
    ):
        ended = run(*args)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", ended.stdout + ended.stderr), args


def test_config_tells_each_value_and_its_origin_and_no_secret(tmp_path):
    file, secret = tmp_path / "settings.toml", tmp_path / "basicauth"
    file.write_text(
        'timeout = "10m"\nstop_grace = 5\nmax_queues = 7\nstore = "data"\n[[tokens]]\n'
        'name = "ci"\nrole = "push"\nsecret = "hidden-1"\n'
    )
    file.chmod(0o600)
    secret.write_text("me:hidden-2\n")
    secret.chmod(0o600)
    env = {"TASKPUSHER_MAX_QUEUES": "8", "TASKPUSHER_STOP_GRACE": "6", "TASKPUSHER_BASICAUTH_FILE": str(secret)}
    hidden = ["--alert-url=https://example/hidden-3", "--cluster-token=hidden-4"]
    args = ["config", f"--config={file}", "-stop-grace=7s", *hidden]
    table, as_json = run(*args, **env), run(*args, "-o", "json", **env)
    told = json.loads(as_json.stdout)
    assert list(told) == [setting.name for setting in SETTINGS]
    assert told["timeout"] == {"value": 600.0, "origin": f"file {file}"}
    assert told["store"] == {"value": f"{tmp_path}/data", "origin": f"file {file}"}
    assert told["max_queues"] == {"value": 8, "origin": "environment TASKPUSHER_MAX_QUEUES"}
    assert told["stop_grace"] == {"value": 7.0, "origin": "flag"}
    assert told["concurrency"] == {"value": 4, "origin": "default"}
    assert told["basicauth"] == {"value": "set", "origin": f"environment TASKPUSHER_BASICAUTH_FILE, {secret}"}
    assert [told[name]["value"] for name in SECRETS if name != "signing_secrets"] == ["set"] * (len(SECRETS) - 1)
    assert ["timeout", "10m", "file", str(file)] in [line.split() for line in table.stdout.splitlines()]
    assert "hidden" not in table.stdout + table.stderr + as_json.stdout + as_json.stderr
    assert table.stderr == as_json.stderr == ""


def test_secrets_that_every_user_can_read_are_warned_of(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('basicauth = "me:secret"')
    file.chmod(0o644)
    assert "chmod" in run("config", f"--config={file}").stderr
    file.chmod(0o640)
    assert run("config", f"--config={file}").stderr == ""


def test_a_cluster_token_alone_lets_a_node_listen_beyond_its_machine():
    assert Config(cluster_token="abc").has_credentials
    assert not Config().has_credentials
