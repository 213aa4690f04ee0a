"""What places a job is read out of JSON and of forms alike."""

import pytest

from taskpusher.errors import Malformed
from taskpusher.fields import pairs
from taskpusher_router.placing import ANYWHERE, Place, of_form, of_json


@pytest.mark.parametrize(
    ("text", "affinity"),
    [
        (b'{"url":"http://a"}', None),
        (b'{"url":"http://a","key":"k1"}', "k:k1"),
        (b'{"url":"http://a","key":"k1","limit":{"key":"l1","concurrency":1},"unique":"u1"}', "l:l1"),
        (b'{"url":"http://a","key":"k1","unique":"u1","idempotency_key":"i1"}', "k:k1"),
        (b'{"url":"http://a","unique":"u1","idempotency_key":"i1"}', "u:u1"),
        (b'{"url":"http://a","idempotency_key":"i1"}', "i:i1"),
        (b'{"key":"\\u00e9"}', "k:é"),
        # what no node takes belongs anywhere: a node tells what is wrong with it
        (b'{"key":5,"limit":7,"unique":null}', None),
        (b'{"limit":{"key":[]}}', None),
        (b'{"key":""}', None),
        (b"[]", None),
        (b"7", None),
    ],
)
def test_the_text_whose_owner_takes_a_job_is_its_limit_else_key_else_unique_else_idempotency_key(text, affinity):
    assert of_json(text).affinity == affinity


NO_JSON = [b"", b"{", b'{"key":"a"', b"nul", b"[" * 100_000, b'{"key":"a"} {}', b'{"key":"a"}},{"json":{}']
BREAKING_OUT = [b'"a"},{"json":{}', b'1},{"json":{"url":"http://a"}', b'[]},{"json":{}', b'"a', b"[1,"]


@pytest.mark.parametrize("text", NO_JSON + BREAKING_OUT)
def test_what_is_no_json_is_refused_by_the_router_itself(text):
    with pytest.raises(Malformed):
        of_json(text)


def test_the_header_of_an_idempotency_key_places_as_its_field_does():
    field = of_json(b'{"idempotency_key":"a b"}')
    assert of_json(b"{}", ['"a b"']) == of_json(b"{}", ["a b"]) == of_form([], ["a b"]) == field


@pytest.mark.parametrize(
    ("form", "json"),
    [
        ("url=http://a&key=k1", b'{"url":"http://a","key":"k1"}'),
        ('limit={"key":"l1","rate":1}&key=k1', b'{"limit":{"key":"l1","rate":1},"key":"k1"}'),
        ("unique=u1&uid=x", b'{"unique":"u1","uid":"x"}'),
        ("limit=nonsense&key=k1", b'{"limit":"nonsense","key":"k1"}'),
        ("idempotency_key=%C3%A9", '{"idempotency_key":"é"}'.encode()),
        ("url=http://a", b'{"url":"http://a"}'),
    ],
)
def test_a_form_places_as_the_same_job_in_json_does(form, json):
    assert of_form(pairs(form)) == of_json(json)


def test_a_uid_that_is_given_is_read_beside_what_else_places():
    assert of_json(b'{"uid":"u-n1","key":"k"}') == Place("u-n1", "k:k")
    assert of_json(b'{"uid":5}') == ANYWHERE
