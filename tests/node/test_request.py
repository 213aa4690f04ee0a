"""From what POST /add was given to a Spec: the rules of every field, all broken ones named at once."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from taskpusher import uid as uids
from taskpusher.adding import parse_list
from taskpusher.errors import InvalidField, Malformed
from taskpusher.job import Backoff, Spec
from taskpusher_node.config import Config
from taskpusher_node.request import AddRequest, SpecBuilder, parse_form, parse_json

NOW_MS = 1_795_562_012_123
TEN_YEARS_S = 315_360_000
URL_OK = "http://a.example/"
BUILDER = SpecBuilder(Config(), "n1")


def _build(parsed, **trace) -> tuple[Spec, int]:
    return BUILDER.build(parsed, NOW_MS, trace)


def _spec(**fields) -> Spec:
    return _build(parse_json(json.dumps({"url": URL_OK, **fields}).encode()))[0]


def _form_spec(**fields) -> Spec:
    return _build(parse_form([("url", URL_OK), *fields.items()]))[0]


def _broken(parsed) -> list[str]:
    """Return the paths of the fields that break a rule; each must say which."""
    with pytest.raises(InvalidField) as caught:
        _build(parsed)
    named = caught.value.document()["errors"]
    assert all(error["path"] and error["rule"] for error in named)
    return [error["path"] for error in named]


def _broken_json(**fields) -> list[str]:
    return _broken(parse_json(json.dumps({"url": URL_OK, **fields}).encode()))


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _uid(minted_ms, name="n1") -> str:
    return f"{minted_ms:012x}7000800000000000000{1}-{name}"


def test_a_url_alone_takes_every_default():
    spec, due_ms = _build(parse_json(b'{"url": "http://a.example/"}'))
    assert spec == Spec(
        url=URL_OK,
        host="a.example:80",
        method="GET",
        queue="default",
        priority=0,
        timeout_s=300.0,
        max_attempts=1,
        unreached_attempts=10,
        backoff=Backoff(1.0, 2.0, 3600.0, 0.5),
        success="200",
    )
    assert due_ms == NOW_MS


GOOD = [
    ("method", ["GET", "M-SEARCH", "X" * 32, "!#$%&'*+.^_`|~"], "method"),
    ("queue", ["a", "A.b_c-9", "q" * 64], "queue"),
    ("priority", [-100, 0, 100], "priority"),
    ("timeout", [0.001, 1, 86_400], "timeout_s"),
    ("max_attempts", [1, 1000], "max_attempts"),
    ("unreached_attempts", [0, 1000], "unreached_attempts"),
    ("success", ["200", "2xx", "200,204", "200-299", "200, 3xx"], "success"),
    ("ttl", [0.001, TEN_YEARS_S], "ttl_s"),
    ("delay", [0, 0.5, TEN_YEARS_S], "delay_s"),
]


@pytest.mark.parametrize(("field", "value", "name"), [(f, v, n) for f, values, n in GOOD for v in values])
def test_a_value_on_its_bound_is_taken_from_json_and_from_a_form(field, value, name):
    assert getattr(_spec(**{field: value}), name) == value
    assert getattr(_form_spec(**{field: _text(value)}), name) == value


BAD = [
    ("url", ["", "nothing", "ftp://a/", "//a/", "http://", "http:///x", "http:a", "javascript:x", "http://a b/"]),
    ("url", ["http://a:0/", "http://a:65536/", "http://a:b/", "http://a:1:2/", "http://a:\u0661\u0662/"]),
    ("url", ["http://[::1/", "http://[.]/", "http://[1]/", "http://[::1]x/", "http://a\\b/", "http://a\u2100/"]),
    ("url", ["http://a/\x00", "http://a/\r\nX: y", "http://a/\x7f", "http://a/" + "x" * 8_184]),
    ("method", ["", "G T", "GET\n", "x" * 33, "\u00c4"]),
    ("queue", ["", "q" * 65, "a b", "a/b", "\u00e4", "a\n"]),
    ("priority", [-101, 101, "x", ""]),
    ("timeout", [0, -1, 86_400.1, "x", "nan", "inf", ""]),
    ("max_attempts", [0, -1, 1001, "x", ""]),
    ("unreached_attempts", [-1, 1001, "x", ""]),
    ("success", ["", "200,", "600", "099", "2x", "2xx-3xx", "all", "\u0662\u0660\u0660"]),
    ("ttl", [0, -1, TEN_YEARS_S + 1, "x", ""]),
    ("delay", [-0.001, TEN_YEARS_S + 1, "x", "nan", "1_0", ""]),
    ("run_at", ["", "now", "2026-11-24", "2026-11-24T23:13:32", "2026-13-24T23:13:32Z", "1795562012"]),
    ("body_base64", ["a", "YQ=", "Y Q==", "\u00e9", "=YQ="]),
    ("uid", ["", "x", "null", _uid(NOW_MS, "N1"), _uid(NOW_MS)[1:]]),
    ("headers", ["x", "[]", '{"A": 1}', '{"A": null}', 1, [["A", "b"]]]),
    ("backoff", ["x", "[]", "{}x", '{"initial": -1}', '{"factor": 0.9}', '{"factor": 101}', '{"jitter": 1.1}']),
    ("backoff", ['{"max": "1"}', '{"step": 1}', '["1"]', "[-1]", json.dumps([1] * 101), 5, [TEN_YEARS_S + 1]]),
    ("meta", ["x", "[]", "1", '"a"', 1, [1], True]),
]
CASES = [(field, value) for field, values in BAD for value in values]


@pytest.mark.parametrize(("field", "value"), CASES)
def test_a_bad_value_is_named_from_json(field, value):
    if field in ("headers", "backoff", "meta") and isinstance(value, str):
        assert _broken_json(**{field: value}) == [field]  # a text is none of these, whatever it says
        if value.endswith(("]", "}")):
            assert _broken_json(**{field: json.loads(value)}) in ([field], ["headers"])
    else:
        assert _broken_json(**{field: value}) == [field]


@pytest.mark.parametrize(("field", "value"), CASES)
def test_a_bad_value_is_named_from_a_form(field, value):
    pairs = {"url": URL_OK, field: _text(value)}
    assert _broken(parse_form(list(pairs.items()))) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, 1) for name in ("url", "method", "queue", "run_at", "body_base64", "success", "uid")),
        *((name, "1") for name in ("priority", "timeout", "max_attempts", "unreached_attempts", "ttl", "delay")),
        *((name, True) for name in ("priority", "timeout", "delay", "headers", "backoff")),
        ("priority", 1.5),
    ],
)
def test_json_has_types_and_nothing_is_guessed(field, value):
    assert _broken_json(**{field: value}) == [field]


def test_every_bad_field_is_named_at_once():
    bad = {"method": "G T", "queue": "a b", "priority": 101, "timeout": 0, "success": "x", "ttl": 0, "typo": 1}
    bad |= {"url": "nothing", "headers": {"Host": "a", "A\n": "b"}, "meta": [], "uid": "x", "max_attempts": 0}
    bad |= {"delay": -1, "run_at": "x", "backoff": [], "unreached_attempts": -1, "body_base64": "a"}
    bad |= {"key": "", "ordered": 1, "unique": "a\n", "on_conflict": "x"}
    broken = _broken(parse_json(json.dumps(bad).encode()))
    assert sorted(broken) == sorted([*(bad.keys() - {"headers"}), "headers.Host", "headers.A\n"])


@pytest.mark.parametrize("name", ["command", "dealy", "URL", ""])
def test_a_field_that_is_not_built_is_unknown(name):
    with pytest.raises(InvalidField) as caught:
        _build(parse_json(json.dumps({"url": URL_OK, name: "x"}).encode()))
    assert caught.value.document()["errors"] == [{"path": name, "rule": "unknown field"}]


def test_a_job_without_a_url_is_told_so():
    assert _broken(parse_json(b"{}")) == ["url"]
    assert _broken(parse_json(b'{"url": null}')) == ["url"]
    assert _broken(parse_form([])) == ["url"]


def test_of_a_json_key_given_twice_the_last_counts():
    spec, due_ms = _build(parse_json(b'{"url": "http://a/", "delay": 1, "delay": 2}'))
    assert (spec.delay_s, due_ms) == (2, NOW_MS + 2_000)


def test_null_is_not_given():
    names = set(AddRequest.__struct_fields__) - {"url"}
    assert _spec(**dict.fromkeys(names)) == _spec()


def test_a_form_field_given_twice_is_named():
    assert _broken(parse_form([("url", URL_OK), ("delay", "1"), ("delay", "1")])) == ["delay"]


# -- url


@pytest.mark.parametrize(
    ("given", "url", "host"),
    [
        ("http://a.example", "http://a.example", "a.example:80"),
        ("https://A.Example/", "https://A.Example/", "a.example:443"),
        ("HTTP://a:8080/x?y#z", "HTTP://a:8080/x?y", "a:8080"),
        ("http://a/#", "http://a/", "a:80"),
        ("http://a?q=1#f?g", "http://a?q=1", "a:80"),
        ("http://[::1]:9/x", "http://[::1]:9/x", "[::1]:9"),
        ("https://[2001:DB8::1]/", "https://[2001:DB8::1]/", "[2001:db8::1]:443"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/", "127.0.0.1:1"),
        ("http://a/%2F%zz?%41=+", "http://a/%2F%zz?%41=+", "a:80"),
        (
            "http://münchen.example/ä b?q=ü",
            "http://xn--mnchen-3ya.example/%C3%A4%20b?q=%C3%BC",
            "xn--mnchen-3ya.example:80",
        ),
        ("http://a/x y", "http://a/x%20y", "a:80"),
        ("http://a/b@c/", "http://a/b@c/", "a:80"),
        ("http://app.example/unsubscribe?email=joe@other.example", None, "app.example:80"),
        ("http://app.example:8080/@joe/http://x@y/", None, "app.example:8080"),
        ("http://app.example?email=joe@other.example", None, "app.example:80"),
    ],
)
def test_the_url_is_kept_to_the_letter_but_for_its_fragment_and_what_is_not_ascii(given, url, host):
    spec = _spec(url=given)
    assert (spec.url, spec.host, spec.headers) == (url or given, host, {})


@pytest.mark.parametrize(
    ("userinfo", "credentials"),
    [
        ("joe:secret", "joe:secret"),
        ("joe", "joe:"),
        (":secret", ":secret"),
        ("joe:a:b", "joe:a:b"),
        ("j%40e:%3A%2F%25", "j@e::/%"),
        ("ü:ß", "ü:ß"),
        ("%C3%BC:%C3%9F", "ü:ß"),
    ],
)
def test_userinfo_becomes_an_authorization_header(userinfo, credentials):
    spec = _spec(url=f"https://{userinfo}@a.example:8443/x?y")
    assert (spec.url, spec.host) == ("https://a.example:8443/x?y", "a.example:8443")
    scheme, _, encoded = spec.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", credentials)


def test_userinfo_beside_an_authorization_header_is_refused():
    assert _broken_json(url="http://joe:secret@a/", headers={"authorization": "Bearer x"}) == ["url"]


def test_the_longest_url_is_taken():
    assert _spec(url="http://a/" + "x" * 8_183).url.endswith("x")


def test_the_longest_url_is_measured_as_it_is_sent():
    assert _broken_json(url="http://a/" + "ä" * 4_000) == ["url"]  # 8 KB as given, 24 KB on the wire


# -- headers


@pytest.mark.parametrize(
    "name",
    [
        "host",
        "Content-Length",
        "TRANSFER-ENCODING",
        "Connection",
        "te",
        "Trailer",
        "upgrade",
        "Expect",
        "Keep-Alive",
        "Proxy-Authorization",
        "proxy-x",
        "TaskPusher-Job",
        "taskpusher-",
    ],
)
def test_headers_that_belong_to_the_connection_or_to_taskpusher_are_refused(name):
    assert _broken_json(headers={name: "x", "X-Fine": "y"}) == [f"headers.{name}"]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "a\r\nb", "(x)"])
def test_a_header_name_is_a_token(name):
    assert _broken_json(headers={name: "x"}) == [f"headers.{name}"]


@pytest.mark.parametrize("value", ["a\r\nb", "a\n", "\r", "a\0b", "bell\x07", "\x1b[0m", "\x7f"])
def test_a_header_value_that_cannot_be_sent_is_refused(value):
    assert _broken_json(headers={"X-A": value}) == ["headers.X-A"]


def test_a_header_given_in_two_spellings_is_refused():
    assert _broken_json(headers={"X-A": "1", "x-a": "2"}) == ["headers.x-a"]


def test_sixty_four_headers_are_taken_and_one_more_is_not():
    headers = {f"X-{n}": "" for n in range(64)}
    assert _spec(headers=headers).headers == headers
    assert _broken_json(headers={**headers, "X-64": ""}) == ["headers"]


def test_headers_have_at_most_64_kib_together():
    assert _spec(headers={"A": "x" * 32_767, "B": "x" * 32_767})
    assert _broken_json(headers={"A": "x" * 32_767, "B": "x" * 32_768}) == ["headers"]
    assert _broken_json(headers={"A": "é" * 32_768}) == ["headers"]


def test_trace_context_is_kept_beside_the_headers_and_own_headers_win():
    parsed = parse_json(b'{"url": "http://a/", "headers": {"TraceParent": "mine"}}')
    spec, _ = _build(parsed, traceparent="theirs", tracestate="a=1")
    assert (spec.headers, spec.trace) == ({"TraceParent": "mine"}, {"tracestate": "a=1"})


# -- body, meta, times, uid


@pytest.mark.parametrize(
    ("given", "body", "kind"),
    [
        ('"text ä\\u0000"', "text ä\0".encode(), "text"),
        ('""', b"", "text"),
        ('{"a" :  1.50}', b'{"a" :  1.50}', "json"),
        ("[]", b"[]", "json"),
        ("0", b"0", "json"),
        ("false", b"false", "json"),
        ("123456789012345678901234567890", b"123456789012345678901234567890", "json"),
    ],
)
def test_a_body_is_a_text_or_a_json_value_to_the_letter(given, body, kind):
    spec, _ = _build(parse_json(f'{{"url": "http://a/", "body": {given}}}'.encode()))
    assert (spec.body, spec.body_kind) == (body, kind)


def test_the_body_of_a_form_is_a_text_whatever_it_looks_like():
    for text in ("null", "{}", "1", "", "ä"):
        spec = _form_spec(body=text)
        assert (spec.body, spec.body_kind) == (text.encode(), "text")


def test_body_base64_is_bytes():
    spec = _spec(body_base64="AP8=")
    assert (spec.body, spec.body_kind) == (b"\x00\xff", "base64")
    assert _form_spec(body_base64="AP8=").body == b"\x00\xff"


def test_a_body_and_bytes_are_not_taken_together():
    assert _broken_json(body="a", body_base64="YQ==") == ["body"]


def test_a_body_has_at_most_a_mebibyte():
    mebibyte = 1_048_576
    assert len(_spec(body="x" * mebibyte).body) == mebibyte
    assert len(_spec(body_base64=base64.b64encode(b"x" * mebibyte).decode()).body) == mebibyte
    assert _broken_json(body="x" * (mebibyte + 1)) == ["body"]
    assert _broken_json(body_base64=base64.b64encode(b"x" * (mebibyte + 1)).decode()) == ["body_base64"]


def test_meta_has_at_most_16_kib_and_is_kept_to_the_letter():
    whole = b'{"a" :  "' + b"x" * (16_384 - 11) + b'"}'
    assert _build(parse_json(b'{"url": "http://a/", "meta": ' + whole + b"}"))[0].meta == whole
    longer = whole.replace(b"xx", b"xxx", 1)
    assert _broken(parse_json(b'{"url": "http://a/", "meta": ' + longer + b"}")) == ["meta"]


@pytest.mark.parametrize("delays", [[0], [1, 2.5, TEN_YEARS_S], [1] * 100])
def test_a_backoff_can_be_a_list(delays):
    assert _spec(backoff=delays).backoff == delays
    assert _form_spec(backoff=json.dumps(delays)).backoff == delays


def test_a_backoff_object_takes_the_defaults_for_the_rest():
    assert _spec(backoff={"max": 9}).backoff == Backoff(1.0, 2.0, 9.0, 0.5)


def _at(moment: datetime) -> int:
    spec, due_ms = _build(parse_json(json.dumps({"url": URL_OK, "run_at": moment.isoformat()}).encode()))
    assert spec.run_at_ms == due_ms
    return due_ms


def test_run_at_may_be_past_or_up_to_ten_years_ahead():
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert _at(now - timedelta(days=1)) == NOW_MS - 86_400_000
    assert _at(now + timedelta(seconds=TEN_YEARS_S)) == NOW_MS + TEN_YEARS_S * 1000
    beyond = (now + timedelta(seconds=TEN_YEARS_S, milliseconds=1)).isoformat()
    assert _broken_json(run_at=beyond) == ["run_at"]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"])
def test_a_run_at_before_the_epoch_is_due_at_once(text):
    assert _build(parse_json(json.dumps({"url": URL_OK, "run_at": text}).encode()))[1] == 0


def test_run_at_knows_zones():
    assert _spec(run_at="2026-11-25T00:13:32.123+01:00").run_at_ms == NOW_MS
    assert _form_spec(run_at="2026-11-24T23:13:32.123Z").run_at_ms == NOW_MS


def test_a_delay_counts_from_now_and_excludes_run_at():
    assert _build(parse_form([("url", URL_OK), ("delay", "1.5")]))[1] == NOW_MS + 1_500
    assert _broken_json(delay=1, run_at="2026-11-24T23:13:32Z") == ["run_at"]


def test_a_uid_is_of_this_store_and_of_the_last_day():
    for minted_ms in (NOW_MS, NOW_MS - 86_400_000, NOW_MS + 60_000):
        assert _spec(uid=_uid(minted_ms))
    for minted_ms in (NOW_MS - 86_400_001, NOW_MS + 60_001):
        assert _broken_json(uid=_uid(minted_ms)) == ["uid"]
    assert _broken_json(uid=_uid(NOW_MS, "n2")) == ["uid"]


def test_a_timeout_over_the_maximum_of_the_node_is_refused_and_the_default_is_not():
    builder = SpecBuilder(Config(max_timeout=10.0), "n1")
    with pytest.raises(InvalidField) as caught:
        builder.build(parse_json(b'{"url": "http://a/", "timeout": 11}'), NOW_MS, {})
    assert caught.value.document()["errors"][0]["path"] == "timeout"
    assert builder.build(parse_json(b'{"url": "http://a/"}'), NOW_MS, {})[0].timeout_s == 10.0


# -- whatever comes, nothing but Malformed and InvalidField


def _only_problems(parse, given) -> None:
    try:
        spec, due_ms = _build(parse(given))
    except (Malformed, InvalidField) as problem:
        assert json.dumps(problem.document())  # noqa: PT017 - that it can be told is the point
    else:
        assert due_ms >= 0
        assert URL(spec.url, encoded=True).host
        assert spec.host == spec.host.lower()


NAMES = st.sampled_from([*AddRequest.__struct_fields__, "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([URL_OK, "http://", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
DEEP = b"[" * 100_000 + b"]" * 100_000


@given(st.binary())
def test_any_bytes_are_a_job_or_a_problem(data):
    _only_problems(parse_json, data)


@given(st.dictionaries(NAMES, VALUES))
def test_any_json_is_a_job_or_a_problem(fields):
    _only_problems(parse_json, json.dumps(fields).encode())


@given(st.lists(st.tuples(NAMES, st.text() | st.sampled_from([URL_OK, "[", "{}", "null", "1e400"]))))
def test_any_form_is_a_job_or_a_problem(pairs):
    _only_problems(parse_form, pairs)


@given(st.text() | st.text("http://a.[]:@%1?# \u0661é", max_size=12))
@example("[@0")
def test_any_url_is_a_job_or_a_problem(rest):
    _only_problems(parse_json, json.dumps({"url": "http://" + rest}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"x": 1, "\xff": 2}',
        b'{"priority": "x", "meta": {"a": "\xff"}}',
        b'{"priority": "x", "\xff": 1}',
        b'{"url": "http://a/\xff"}',
        b'{"url": "http://a/\\ud800"}',
        b'{"url": "http://a/", "meta": {"a": ' + DEEP + b"}}",
        b'{"url": "http://a/", "body": ' + DEEP + b"}",
        b'{"priority": "x", "meta": ' + DEEP + b"}",
        b'{"x": ' + DEEP + b"}",
        DEEP,
        b'{"priority": ' + b"9" * 10_000 + b"}",
        b'\xef\xbb\xbf{"url": "http://a/"}',
        '{"url": "http://a/"}'.encode("utf-16"),
    ],
    ids=lambda data: repr(data[:40]),
)
def test_json_made_to_break_a_parser_is_a_problem(data):
    with pytest.raises((Malformed, InvalidField)):
        _build(parse_json(data))


def _parts(data):
    return [parse_json(part) for part in parse_list(data)]


@pytest.mark.parametrize("data", [b"[", b"[1,]", b"{}", b"1", b"", b"[\xff]", b'["\xff"]', DEEP[:-1]])
def test_a_list_that_is_none_is_malformed(data):
    with pytest.raises(Malformed):
        _parts(data)


@pytest.mark.parametrize("text", ["url=%ff", "a" * 10, "&=&", "url=http://a/&meta=" + DEEP.decode()])
def test_a_form_made_to_break_a_parser_is_a_problem(text):
    with pytest.raises(InvalidField):
        _build(parse_form(parse_qsl(text, keep_blank_values=True)))


@given(st.integers(0, 2**48 - 1))
def test_a_minted_uid_tells_when(minted_ms):
    assert uids.minted_ms(_uid(minted_ms)) == minted_ms
