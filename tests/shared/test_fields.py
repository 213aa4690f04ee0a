"""Fields of a query or a form: read into their types, every broken rule named."""

import re
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

from taskpusher import fields
from taskpusher.errors import InvalidField, Malformed
from taskpusher.job import STATUSES_SCHEMA, parse_statuses


class Asked(Struct, frozen=True, kw_only=True):
    """What some call takes."""

    name: Annotated[str, Meta(description="a name")] | None = None
    limit: Annotated[int, Meta(ge=1, le=9, description="1 to 9")] = 9
    on: Annotated[bool, Meta(description="true or false")] = False
    for_: Annotated[float, Meta(ge=0, le=60, description="0 to 60 s")] | None = field(name="for", default=None)
    since: fields.Time | None = None
    status: fields.Statuses | None = None


def _read(text: str) -> Asked:
    return fields._read(fields.pairs(text), Asked)


def test_fields_are_read_into_their_types():
    asked = _read("name=a%20b&limit=3&on=true&for=1.5&since=2026-11-24T23:13:32Z&status=5xx,404")
    assert asked == Asked(name="a b", limit=3, on=True, for_=1.5, since=1_795_562_012_000, status="5xx,404")
    assert _read("") == Asked()


def test_a_text_says_null_only_where_null_is_its_text():
    assert _read("name=null").name == "null"
    for name in ("limit", "on", "for", "since", "status"):
        with pytest.raises(InvalidField):
            _read(f"{name}=null")


def test_every_broken_rule_is_named_with_the_rule():
    with pytest.raises(InvalidField) as caught:
        _read("limit=10&on=x&for=nan&since=now&status=x&name=a&name=b&typo=1&for_=1")
    assert {item["path"]: item["rule"] for item in caught.value.document()["errors"]} == {
        "limit": "1 to 9",
        "on": "true or false",
        "for": "0 to 60 s",
        "since": fields.Time.SCHEMA["description"],
        "status": fields.Statuses.SCHEMA["description"],
        "name": "given more than once",
        "typo": "unknown field",
        "for_": "unknown field",
    }


def test_a_time_before_1970_is_1970():
    assert _read("since=0001-01-01T00:00:00Z").since == 0


@pytest.mark.parametrize("text", ["%ff=1", "name=%ed%a0%80", "&".join(["a=1"] * 101)])
def test_what_is_no_form_is_malformed(text):
    with pytest.raises(Malformed):
        _read(text)
    with pytest.raises(Malformed):
        fields.form_pairs(b"\xff")


@given(st.text(" 0123456789xX,-", max_size=12) | st.text(max_size=5))
def test_the_pattern_of_statuses_takes_what_is_read_and_little_more(text):
    try:
        parse_statuses(text)
    except ValueError:
        empty_span = re.search(r"([1-5]\d\d)-([1-5]\d\d)", text)
        assert re.search(STATUSES_SCHEMA["pattern"], text) is None or empty_span or text.endswith("\n")
    else:
        assert re.search(STATUSES_SCHEMA["pattern"], text) is not None
