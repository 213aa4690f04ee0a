"""Which adds are the same, and which jobs: by digests alone."""

import pytest
from msgspec import structs

from taskpusher.job import Backoff, Limit, Spec
from taskpusher_node import digests
from taskpusher_node.request import parse_form, parse_json

URL = "http://a/"


def json_digest(text: str) -> bytes:
    request, errors = parse_json(text.encode())
    assert errors == []
    return digests.of_request(request)


def form_digest(*pairs: tuple[str, str]) -> bytes:
    request, errors = parse_form(list(pairs))
    assert errors == []
    return digests.of_request(request)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('{"url": "http://a/", "delay": 5}', [("url", URL), ("delay", "5")]),
        ('{"delay": 5.0, "url": "http:\\/\\/a/"}', [("url", URL), ("delay", "5")]),
        ('{"url": "http://a/", "body": "\\u0041ä"}', [("url", URL), ("body", "Aä")]),
        ('{"url": "http://a/", "body": null, "meta": null, "ttl": null}', [("url", URL)]),
        ('{"url": "http://a/", "meta": {"a": 1}}', [("url", URL), ("meta", '{"a": 1}')]),
        ('{"url": "http://a/", "headers": {"A": "1", "B": "2"}}', [("url", URL), ("headers", '{"B":"2","A":"1"}')]),
        ('{"url": "http://a/", "backoff": [1, 2]}', [("url", URL), ("backoff", "[1.0,2.0]")]),
    ],
)
def test_the_same_fields_in_a_form_and_in_json_are_the_same(text: str, pairs: list[tuple[str, str]]):
    assert json_digest(text) == form_digest(*pairs)


def test_uid_and_idempotency_key_say_which_add_it_is_not_what_it_asks_for():
    assert form_digest(("url", URL), ("uid", "x")) == form_digest(("url", URL))


@pytest.mark.parametrize(
    "text",
    [
        '{"url": "http://a/x"}',
        '{"url": "http://a/", "method": "GET"}',  # a default is another text
        '{"url": "http://a/", "priority": 0}',
        '{"url": "http://a/", "body": {"a": 1}}',
        '{"url": "http://a/", "body": {"a":1}}',  # it is sent as it stands
        '{"url": "http://a/", "body": "{\\"a\\": 1}"}',
        '{"url": "http://a/", "meta": {"a": 1}}',
        '{"url": "http://a/", "redact": ["a"]}',
    ],
)
def test_other_fields_are_others(text: str):
    others = [json_digest('{"url": "http://a/"}'), json_digest('{"url": "http://a/", "body_base64": "eyJhIjogMX0="}')]
    assert json_digest(text) not in others


def test_a_job_is_the_same_under_another_trace():
    spec = Spec(URL, "a:80", trace={"traceparent": "00-1"})
    assert digests.of_spec(spec) == digests.of_spec(structs.replace(spec, trace={})) != digests.of_spec(Spec("", ""))


@pytest.mark.parametrize(
    "changes",
    [{"url": "http://b/"}, {"backoff": Backoff(jitter=0.1)}, {"body": b""}, {"limit": Limit("k")}, {"ordered": True}],
)
def test_a_job_of_another_field_is_another(changes: dict):
    spec = Spec(URL, "a:80")
    assert digests.of_spec(structs.replace(spec, **changes)) != digests.of_spec(spec)
