"""What the supervisor makes of the lines of its children."""

import json

import pytest

from taskpusher_router.local.child import named


def test_a_line_of_json_stays_one_and_says_whose_it_is():
    line = b'{"timestamp":"2026-11-28T05:00:00.000Z","event":"call","error":"\\"process\\":\\"n9\\""}'
    assert json.loads(named("n1", line)) == {"process": "n1", **json.loads(line)}


@pytest.mark.parametrize("line", [b"", b"taskpusher: the port is taken", b"{}", b"12:00:01 [info] ready"])
def test_any_other_line_begins_with_whose_it_is(line):
    assert named("router", line) == b"router: " + line + b"\n"
