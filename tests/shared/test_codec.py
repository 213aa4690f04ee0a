"""How values look on the wire."""

import re
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpusher.codec import parse_time, raw_json, to_json, to_time

CENTURY_MS = 4_102_444_800_000  # 2100
TIMES_MS = st.integers(0, CENTURY_MS)
RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)


@given(TIMES_MS)
def test_a_time_comes_back_as_it_went(unix_ms):
    assert parse_time(to_time(unix_ms)) == unix_ms


@given(TIMES_MS)
def test_a_time_is_in_utc_with_milliseconds(unix_ms):
    text = to_time(unix_ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    whole = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert (whole - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) == unix_ms


@given(TIMES_MS, TIMES_MS)
def test_times_as_texts_are_in_order(one_ms, other_ms):
    assert (to_time(one_ms) < to_time(other_ms)) is (one_ms < other_ms)


def test_no_time_is_none():
    assert to_time(None) is None


@given(TIMES_MS, st.integers(-23 * 60, 23 * 60))
def test_any_zone_is_understood(unix_ms, minutes):
    zone = timezone(timedelta(minutes=minutes))
    text = datetime.fromtimestamp(unix_ms / 1000, zone).isoformat(timespec="milliseconds")
    assert parse_time(text) == unix_ms


@pytest.mark.parametrize(
    ("text", "unix_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-24T23:13:32Z", 1_795_562_012_000),
        ("2026-11-24t23:13:32Z", 1_795_562_012_000),
        ("2026-11-24 23:13:32Z", 1_795_562_012_000),
        ("2026-11-24T23:13:32.1Z", 1_795_562_012_100),
        ("2026-11-24T23:13:32.123456Z", 1_795_562_012_123),
        ("2026-11-25T00:13:32+01:00", 1_795_562_012_000),
        ("2026-11-24T23:13:32-00:00", 1_795_562_012_000),
    ],
)
def test_a_time_as_people_write_it(text, unix_ms):
    assert parse_time(text) == unix_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-24",
        "2026-11-24T23:13:32",
        "2026-11-24T23:13Z",
        "2026-11-31T23:13:32Z",
        "2026-13-24T23:13:32Z",
        "2026-11-24T25:13:32Z",
        "2026-11-24T23:61:32Z",
        "2026-11-24x23:13:32Z",
        "2026-11-24T23:13:32 Z",
        "2026-11-24T23:13:32Z ",
        " 2026-11-24T23:13:32Z",
        "2026-11-24T23:13:32+1",
        "1795562012000",
        "2026-11-24T23:13:32Zulu",
    ],
)
def test_what_is_no_time_or_has_no_zone_is_refused(text):
    with pytest.raises(ValueError, match=r"(?s).*"):
        parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-W48-2T23:13:32Z",
        "2026-11-24T231332+01:00",
        "2026-11-24T23:13:32,5Z",
        "2026-11-24T23:13:32+0100",
        "2026-11-24T23:13:32+01:00:30",
        "2026-11-24T23:13:32+01",
    ],
)
def test_forms_of_iso_8601_that_rfc_3339_does_not_have_are_refused(text):
    with pytest.raises(ValueError, match=r"(?s).*"):
        parse_time(text)


@given(st.text(st.sampled_from("0123456789-:.,+TtZzW "), max_size=34))
def test_any_text_is_an_rfc_3339_time_or_a_value_error(text):
    try:
        parse_time(text)
    except ValueError:
        return
    assert RFC_3339.fullmatch(text)


def test_raw_json_goes_out_to_the_letter():
    assert to_json({"meta": raw_json(b'{"a": 1.50, "b":"\\u00e4"}')}) == b'{"meta":{"a": 1.50, "b":"\\u00e4"}}'


@given(st.dictionaries(st.text(), st.integers(-(2**53), 2**53) | st.text() | st.none() | st.booleans()))
def test_json_comes_back_as_it_went(value):
    assert orjson.loads(to_json(value)) == value
