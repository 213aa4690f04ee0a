"""Log lines: JSON in production, for people in debug or about errors, and no control character for a terminal."""

import asyncio
import io
import subprocess
import sys

import orjson
import pytest

from taskpusher.logs import LineWriter

SCRIPT = """
import structlog
from taskpusher.logs import configure
configure({level!r})
log = structlog.get_logger()
log.info("call", error="a\\x1b[31mred\\nnew line", uid="1-x")
log.debug("detail", n=1)
log.warning("end")
"""


def lines_of(level):
    ended = subprocess.run([sys.executable, "-c", SCRIPT.format(level=level)], capture_output=True, check=True)
    return ended.stdout.splitlines()


def test_production_writes_json_lines_without_debug():
    lines = [orjson.loads(line) for line in lines_of("production")]
    assert [line["event"] for line in lines] == ["call", "end"]
    assert lines[0]["error"] == "a\x1b[31mred\nnew line"
    assert lines[0]["timestamp"].endswith("Z")
    assert list(lines[0])[:3] == ["timestamp", "level", "event"]  # a person reads them too


def test_debug_shows_control_characters_instead_of_sending_them():
    lines = lines_of("debug")
    assert len(lines) == 3
    assert b"x1b[31mred" in lines[0]
    assert b"\x1b" not in b"".join(lines)


def test_debug_shows_them_in_tracebacks_too():
    script = (
        SCRIPT.format(level="debug")
        + "\ntry: raise ValueError('a\\x1b[31mred')\nexcept ValueError: log.exception('bug')"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert b"ValueError: a\\x1b[31mred" in told
    assert b"\x1b" not in told
    assert b"most recent call last):\n" in told


def test_errors_alone_can_be_shown():
    script = SCRIPT.format(level="errors") + "\nlog.error('disk')"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert b"disk" in told
    assert len(told.splitlines()) == 1


async def test_lines_of_a_moment_are_written_together_and_a_warning_at_once():
    file = io.BytesIO()
    writer = LineWriter(file)
    writer.info(b"one")
    writer.info(b"two")
    assert file.getvalue() == b""
    writer.warning(b"three")
    assert file.getvalue() == b"one\ntwo\nthree\n"
    writer.info(b"four")
    await asyncio.sleep(0.2)
    assert file.getvalue() == b"one\ntwo\nthree\nfour\n"


def test_outside_a_loop_lines_are_written_at_once():
    file = io.BytesIO()
    LineWriter(file).info(b"one")
    assert file.getvalue() == b"one\n"


def test_a_reader_that_has_gone_is_no_reason_to_fail():
    script = SCRIPT.format(level="production") + "\nimport sys; print('still here', file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", f"import os; os.close(1); r, w = os.pipe(); os.close(r)\n{script}"],
        capture_output=True,
        check=False,
    )
    assert b"still here" in ended.stderr


SECRETS_SCRIPT = """
import logging
import structlog
from taskpusher.logs import configure
configure({level!r})
try:
    raise ValueError("http://joe:S3CR3T@a/?token=S3CR3T")
except ValueError:
    structlog.get_logger().exception("bug", uid="1-x")
    logging.getLogger("aiohttp").warning("no answer of https://a/?KEY=S3CR3T")
    logging.getLogger("aiohttp").exception("bug")
"""


@pytest.mark.parametrize("level", ["production", "debug"])
def test_no_secret_of_a_url_is_in_a_traceback_or_in_what_a_library_says(level):
    ended = subprocess.run([sys.executable, "-c", SECRETS_SCRIPT.format(level=level)], capture_output=True, check=True)
    text = (ended.stdout + ended.stderr).decode()
    assert text.count("ValueError: http://[masked]@a/?token=[masked]") == 2
    assert "https://a/?KEY=[masked]" in text
    assert "S3CR3T" not in text.replace('raise ValueError("http://joe:S3CR3T@a/?token=S3CR3T")', "")
