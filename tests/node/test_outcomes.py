"""What the header TaskPusher-Outcome of an answer asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpusher_node.lifecycle import Response
from taskpusher_node.outcomes import LEASE_DEFAULT_S, RULE, SECONDS_MAX, Asked, Word, asked


def answer(*values: str, status: int = 200, name: str = "TaskPusher-Outcome") -> Response:
    return Response(
        status, [("Content-Type", "text/plain"), *((name, value) for value in values)], b"", truncated=False
    )


@pytest.mark.parametrize("name", ["TaskPusher-Outcome", "taskpusher-outcome", "TASKPUSHER-OUTCOME"])
@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("fail", Asked(Word.FAIL)),
        ("Retry", Asked(Word.RETRY)),
        (" fail\t", Asked(Word.FAIL)),
        ("snooze; after=60", Asked(Word.SNOOZE, 60.0)),
        ("SNOOZE;After=1", Asked(Word.SNOOZE, 1.0)),
        ("snooze ; after = 86400", Asked(Word.SNOOZE, 86_400.0)),
    ],
)
def test_a_word_is_read_in_any_case_and_with_any_spaces(name, value, want):
    assert asked(answer(value, name=name)) == want


@pytest.mark.parametrize(
    ("value", "seconds"), [("accepted", LEASE_DEFAULT_S), ("accepted; lease=600", 600), ("Accepted ;LEASE=1", 1)]
)
def test_a_job_is_accepted_with_202_alone(value, seconds):
    assert asked(answer(value, status=202)) == Asked(Word.ACCEPTED, float(seconds))
    assert asked(answer(value, status=200)) == Asked(Word.RETRY, error=RULE)


@pytest.mark.parametrize(
    "value",
    [
        "", "failed", "fail; after=1", "retry; after=60", "snooze", "snooze; after=", "snooze; after=0",
        "snooze; after=86401", "snooze; after=999999", "snooze; after=-1", "snooze; after=1.5", "snooze; lease=5",
        "snooze; after=60; after=60", "snooze after=60", "snooze, after=60", "accepted; after=60", "accepted; lease=0",
        "accepted;", "snooze; after=\u0663", "fail, retry", "fail\nretry",
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 202])
def test_what_cannot_be_read_is_a_failed_try_that_tells_the_rule(value, status):
    assert asked(answer(value, status=status)) == Asked(Word.RETRY, error=RULE)


def test_two_headers_are_one_too_many():
    assert asked(answer("fail", "fail")) == Asked(Word.RETRY, error=RULE)


def test_an_answer_without_the_header_asks_for_nothing():
    assert asked(answer()) is None
    assert asked(answer("fail", name="X-TaskPusher-Outcome")) is None


@given(st.text(max_size=40), st.integers(100, 599))
def test_no_text_breaks_the_reading(text, status):
    got = asked(answer(text, status=status))
    assert got.error in (None, RULE)
    assert (1 <= got.seconds <= SECONDS_MAX) is (got.word in (Word.SNOOZE, Word.ACCEPTED))
