"""The rules that are read out of a job's fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpusher.job import Backoff, backoff_delay_s, parse_statuses, status_in

STATUS = st.integers(100, 599)
BACKOFFS = st.builds(
    Backoff,
    initial=st.floats(0, 315_360_000),
    factor=st.floats(1, 100),
    max=st.floats(0, 315_360_000),
    jitter=st.floats(0, 1),
)
SHARES = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("200", {200}),
        ("200,204", {200, 204}),
        (" 200 , 204 ", {200, 204}),
        ("2xx", set(range(200, 300))),
        ("5XX", set(range(500, 600))),
        ("200-299", set(range(200, 300))),
        ("404-404", {404}),
        ("100,599", {100, 599}),
        ("2xx,404,500-501", {*range(200, 300), 404, 500, 501}),
    ],
)
def test_a_text_of_statuses_names_exactly_these(text, statuses):
    assert {status for status in range(1_000) if status_in(status, text)} == statuses


@pytest.mark.parametrize(
    "text",
    ["", " ", ",", "200,", ",200", "20", "2000", "099", "600", "xxx", "2x", "2x0", "2xx-299", "200-2xx", "200-", "-200",
     "200--299", "200 299", "200;204", "+200", "2\u06630", "200\n204", "200-99", "200-600", "ok"],
)  # fmt: skip
def test_a_text_that_names_no_statuses_is_refused(text):
    with pytest.raises(ValueError, match=r"(?s).*"):
        parse_statuses(text)


def test_a_range_that_ends_before_it_begins_is_refused_since_nothing_could_be_in_it():
    with pytest.raises(ValueError, match="299-200"):
        parse_statuses("299-200")


@given(st.lists(st.tuples(STATUS, STATUS).map(sorted), min_size=1, max_size=5), STATUS)
def test_a_status_is_in_a_text_if_it_is_in_any_of_its_parts(spans, status):
    text = ",".join(f"{first}-{last}" for first, last in spans)
    assert status_in(status, text) is any(first <= status <= last for first, last in spans)


@given(st.text(max_size=12))
def test_any_text_is_either_ranges_or_a_value_error(text):
    try:
        spans = parse_statuses(text)
    except ValueError:
        return
    assert spans
    assert all(100 <= status <= 599 for span in spans for status in span)


@given(BACKOFFS, st.integers(1, 2_000), SHARES)
def test_a_delay_is_between_nothing_and_the_maximum(backoff, n, share):
    assert 0 <= backoff_delay_s(backoff, n, share) <= backoff.max


@given(BACKOFFS, st.integers(1, 1_000))
def test_delays_never_shrink_without_jitter(backoff, n):
    assert backoff_delay_s(backoff, n, 0.0) <= backoff_delay_s(backoff, n + 1, 0.0)


@given(BACKOFFS, st.integers(1, 1_000), SHARES)
def test_jitter_takes_off_no_more_than_its_share(backoff, n, share):
    full = backoff_delay_s(backoff, n, 0.0)
    assert full * (1 - backoff.jitter) <= backoff_delay_s(backoff, n, share) <= full


def test_delays_grow_by_their_factor_from_the_initial_one():
    backoff = Backoff(initial=1, factor=2, max=10, jitter=0)
    assert [backoff_delay_s(backoff, n, 0.5) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_the_default_is_what_the_contract_says():
    assert Backoff() == Backoff(initial=1, factor=2, max=3600, jitter=0.5)
    assert backoff_delay_s(Backoff(), 3, 0.5) == 3.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.integers(1, 300), SHARES)
def test_a_list_gives_its_nth_delay_and_then_its_last(delays, n, share):
    assert backoff_delay_s(delays, n, share) == (delays[n - 1] if n <= len(delays) else delays[-1])
