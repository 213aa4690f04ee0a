"""The commands `ring` and `ring diff`, as one runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("taskpusher")
THREE, FOUR = "n{0..2}=http://n{0..2}:9900", "n{0..3}=http://n{0..3}:9900"
KEYS = [f"{letter}:order-{number}" for letter in "lkui" for number in range(25)]


def ring(*args, sent=""):
    return subprocess.run(
        [COMMAND, "ring", *args], input=sent, capture_output=True, text=True, timeout=30, check=False, encoding="utf-8"
    )


def answer(*args, **more):
    return json.loads(ring(*args, "-o", "json", **more).stdout)


def test_a_ring_is_shown_with_shares_and_weights():
    shown = ring("n1=http://10.0.0.1:9900", "n22=http://10.0.0.2:9900,weight=2", "n3=http://10.0.0.3:9900,weight=0")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines() == [
        "n1   32.27%  weight 1  http://10.0.0.1:9900",
        "n22  67.73%  weight 2  http://10.0.0.2:9900",
        "n3    0.00%  weight 0  http://10.0.0.3:9900",
    ]


def test_members_may_stand_in_a_file(tmp_path):
    (tmp_path / "nodes").write_text("# the cellar\nn1=http://a\nn2=http://b,weight=0.5\n")
    assert ring("--nodes-file", tmp_path / "nodes").stdout == ring("show", "n1=http://a n2=http://b,weight=0.5").stdout
    told = answer("--nodes-file", tmp_path / "nodes")["members"]
    assert [(member["name"], member["url"], member["weight"]) for member in told] == [
        ("n1", "http://a:80", 1),
        ("n2", "http://b:80", 0.5),
    ]
    assert sum(member["share"] for member in told) == pytest.approx(1)


def test_a_diff_shows_what_moves_and_how_much_of_all(tmp_path):
    (tmp_path / "old").write_text(THREE)
    shown = ring("diff", tmp_path / "old", FOUR)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines() == [
        "n0 -> n3   8.08%",
        "n1 -> n3   9.25%",
        "n2 -> n3   8.06%",
        "25.39% of all keys move",
    ]
    told = answer("diff", THREE, FOUR)
    assert [(move["from"], move["to"]) for move in told["shares"]] == [("n0", "n3"), ("n1", "n3"), ("n2", "n3")]
    assert told["moves"] == pytest.approx(sum(move["share"] for move in told["shares"]))
    assert ring("diff", THREE, THREE).stdout == "0.00% of all keys move\n"


def test_of_keys_those_that_move_are_shown_with_both_owners(tmp_path):
    (tmp_path / "keys").write_text("\n".join([*KEYS, "k:größe", ""]), "utf-8")
    moving = answer("diff", THREE, FOUR, "--keys", tmp_path / "keys")["keys"]
    assert 0 < len(moving) < len(KEYS) / 2
    assert {move["to"] for move in moving} == {"n3"}
    shown = ring("diff", THREE, FOUR, "--keys", "-", sent="\r\n".join([*KEYS, "k:größe"]))
    assert shown.stdout.splitlines() == [f"{move['key']}  {move['from']} -> {move['to']}" for move in moving]
    back = answer("diff", FOUR, THREE, "--keys", tmp_path / "keys")["keys"]
    assert back == [{"key": move["key"], "from": move["to"], "to": move["from"]} for move in moving]
    assert answer("diff", THREE, THREE, "--keys", tmp_path / "keys") == {"keys": []}


def test_a_key_commands_no_terminal():
    sent = "".join(f"k:\x1b[2J{number}\n" for number in range(50))
    shown = ring("diff", THREE, FOUR, "--keys", "-", sent=sent).stdout
    assert "k:\\x1b[2J" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        ([], 2, "Name members"),
        (["n1=http://a", "--nodes-file", "there"], 2, "Name members"),
        (["n1"], 78, "not n1"),
        (["\x1b[2J"], 78, "\\x1b[2J"),
        (["n1=http://a n1=http://b"], 78, "two have the name n1"),
        (["--nodes-file", "missing"], 78, "missing: No such file"),
        (["--nodes-file", "binary"], 78, "binary must be UTF-8"),
        (["--nodes-file", "bad"], 78, "bad must be members like"),
        (["diff", "missing", "n1=http://a"], 78, "missing: No such file"),
        (["diff", "n1=http://a", "n1=http://a,weight=0"], 78, "weights"),
        (["diff", "n1=http://a", "n1=http://a", "--keys", "missing"], 2, "missing"),
        (["diff", "n1=http://a", "n1=http://a", "--keys", "bad"], 78, "line 2 of the keys must begin with"),
        (["diff", "n1=http://a", "n1=http://a", "--keys", "binary"], 78, "line 1 of the keys is not UTF-8"),
        (["diff", "n1=http://a"], 2, "NEW"),
    ],
)
def test_what_is_wrong_is_said_and_told_by_the_exit_code(tmp_path, monkeypatch, args, code, word):
    (tmp_path / "binary").write_bytes(b"\xff\n")
    (tmp_path / "bad").write_text("k:order-1\norder-2\n")
    monkeypatch.chdir(tmp_path)
    refused = ring(*args)
    assert (refused.returncode, refused.stdout) == (code, "")
    assert word in refused.stderr
    assert "\x1b" not in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("args", [["--help"], ["show", "--help"], ["diff", "--help"]])
def test_help_imports_nothing_that_is_slow(args):
    told = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "ring", *args], capture_output=True, text=True, check=True
    )
    assert "Usage: taskpusher ring" in told.stdout
    assert not [name for name in ("aiohttp", "msgspec", "orjson", "xxhash", "uvloop") if f" {name}\n" in told.stderr]
