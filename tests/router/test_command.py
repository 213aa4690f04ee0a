"""The command `taskpusher router`: its help, and how it ends where it cannot run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from taskpusher.settings import settings_of
from taskpusher_router.config import Config

COMMAND = Path(sys.executable).with_name("taskpusher")
README = Path(__file__).parents[2] / "router" / "README.md"
OWN = [each for each in settings_of(Config) if each.group == "Nodes" or each.name == "cluster_token"]


def run(*args, **env):
    return subprocess.run([COMMAND, "router", *args], capture_output=True, text=True, timeout=60, env=env, check=False)


def test_help_shows_the_common_settings_and_help_all_every_one():
    few, every = run("--help"), run("--help-all")
    assert (few.returncode, every.returncode) == (0, 0)
    for setting in settings_of(Config):
        flag = f"--{setting.kind.one or setting.flag}"
        assert (flag in few.stdout.split()) is setting.common
        assert flag in every.stdout.split()


def test_the_readme_names_every_setting_of_a_router_with_its_default():
    rows = [
        [cell.strip() for cell in line.split("|")[1:3]] for line in README.read_text().splitlines() if line[:2] == "| "
    ]
    shown = dict(rows)
    assert {each.flag: shown.get(each.kind.one or each.flag) for each in OWN} == {
        each.flag: each.show(each.default) for each in OWN
    }


def test_help_imports_no_server():
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "router", "--help"], capture_output=True, text=True, check=True
    ).stderr
    assert not [name for name in ("aiohttp", "msgspec", "orjson", "structlog", "uvloop") if f" {name}\n" in loaded]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 78, "name at least one"),
        (["--node=n1"], 2, "--node"),
        (["--node=n1=http://a", "--node=n1=http://b"], 2, "two have the name n1"),
        (["--nodes-file=/nowhere"], 78, "/nowhere: No such file"),
        (["--node=n1=http://a", "--nodes-file=/nowhere"], 78, "only one"),
        (["--node=n1=http://a", "--address=0.0.0.0:0"], 78, "other machines"),
        (["--node=n1=http://a", "--address=nowhere"], 78, "HOST:PORT"),
        (["--node=n1=http://a", "--list-timeout=0"], 2, "--list-timeout"),
    ],
)
def test_what_does_not_fit_is_named_with_an_exit_code_that_systemd_does_not_restart_on(args, code, said):
    ended = run(*args)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert said in ended.stderr


def test_what_is_wrong_with_a_command_line_is_told_without_what_would_command_the_terminal():
    for args in (["--node=n1=http://a\x1b[31m"], ["--nodes-file=\x1b[31m"], ["--node=\u202en1=http://a"]):
        ended = run(*args)
        assert ended.returncode in (2, 78)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", ended.stdout + ended.stderr), args
