"""Which errors fall together: what of a target's answer makes the line, and what of the line is left out."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskpusher.job import Spec
from taskpusher_node.grouping import LINE_MAX, group_of, normalised
from taskpusher_node.lifecycle import Attempt, Head, JobError, Response, State

SPEC = Spec("http://a:1/", "a:1", redact=("sig",))


def line(body: bytes, *, truncated: bool = False) -> str:
    """Return the line of a 500 with this body."""
    last = Attempt(1, 0, 0.1, "answered", None, Response(500, [], body, truncated))
    group = group_of(SPEC, Head(State.ERROR, 1, error=JobError("status", "the target answered 500", 500), last=last))
    assert (group.host, group.kind) == ("a:1", "status 500")
    return group.line


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"Boom\nmore", "Boom"),
        (b"\n \r\n  Boom\r\nmore", "Boom"),
        (b"", "the target answered #"),
        (b" \n ", "the target answered #"),
        (b"\xff\xfe\x00binary", "the target answered #"),
        (("x" * 4_095 + "\u00fc").encode(), "x" * 120),
        (b'{"message": "no user 7", "code": 3}', "no user #"),
        (b'{"error": {"message": "no user 7"}}', "no user #"),
        (b'{"type": "x", "title": "Out of stock", "status": 409}', "Out of stock"),
        (b'{"error": 7}', '{"*": #}'),
        (b'{"error', '{"error'),
        (b"<!DOCTYPE html>\n<html><head><title>KeyError at /x</title>", "KeyError at /x"),
        (b"<html>no title", "<html>no title"),
        (b"[1, 2]", "[#, #]"),
    ],
)
def test_the_line_is_what_the_target_says_first(body, expected):
    assert line(body) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("order 4711 of 12", "order # of #"),
        ("no user 'ann@example.com'", 'no user "*"'),
        ('no user "ann" or "bob"', 'no user "*" or "*"'),
        ("job 0199f3a2c5d07e6b8a1f2e3d4c5b6a79-n1", "job *n#"),
        ("id 123e4567-e89b-12d3-a456-426614174000 is gone", "id * is gone"),
        ("a facade of deadbeef", "a facade of deadbeef"),
        ("at 2026-11-24T23:13:32Z", "at *#T#:#:#Z"),
        ("Cannot GET /a?token=se-cret&b=1 now", "Cannot GET /a?token=[masked]&b=# now"),
        ("failed for http://me:se-cret@host/x", "failed for http://[masked]@host/x"),
        ("tab\tand \x1b[31mred\x9b bell\x07", "tab and [#mred bell"),
        ("x" * 500, "x" * LINE_MAX),
    ],
)
def test_what_differs_from_job_to_job_is_left_out(text, expected):
    assert normalised(text) == expected


def test_what_the_job_itself_names_is_masked_too():
    assert line(b"no /a?SIG=se-cret") == "no /a?SIG=[masked]"


def test_without_an_answer_it_is_the_message():
    head = Head(
        State.ERROR, 1, error=JobError("unreached", "11 calls did not reach the application; the last: refused")
    )
    group = group_of(SPEC, head)
    assert (group.kind, group.line) == ("unreached", "# calls did not reach the application; the last: refused")


def test_an_earlier_answer_is_not_the_line_of_an_expiry():
    last = Attempt(1, 0, 0.1, "unavailable", None, Response(503, [], b"down", truncated=False))
    assert group_of(SPEC, Head(State.ERROR, 1, error=JobError("expired", "too late"), last=last)).line == "too late"


def test_a_job_without_an_error_has_no_group():
    assert group_of(SPEC, Head(State.COMPLETED, 1)) is None


@given(st.binary(max_size=5_000), st.booleans())
@settings(max_examples=300, deadline=None, database=None)
def test_any_answer_makes_a_short_line_of_printable_text(body, truncated):
    text = line(body, truncated=truncated)
    assert len(text) <= LINE_MAX
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in text)


@pytest.mark.parametrize("piece", [b"a-", b'"', b"'", b"<title", b"0", b"a", b"{", b'{"error":', b"\t", b"\xc2\x9b"])
def test_a_hostile_answer_costs_no_time(piece):
    start = time.process_time()
    for _ in range(20):
        line(b"<" + piece * (65_536 // len(piece)))
        line(piece * (65_536 // len(piece)))
    assert time.process_time() - start < 1
