"""Whatever somebody sends: a problem of the documented type that names field and rule, and nothing is changed."""

import json
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from .harness import Api, error, paths

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "http://a.example/"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NDJSON = {"Content-Type": "application/x-ndjson"}
DEEP = "[" * 50_000 + "]" * 50_000
MALFORMED, INVALID, NOT_FOUND = (400, "malformed"), (422, "invalid-field"), (404, "not-found")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory):
    """One node for all of them, with a job in the queue."""
    async with Api(tmp_path_factory.mktemp("bad")) as api:
        await api.add(URL, delay=3_600)
        yield api


async def _kept(node):
    """What must be the same afterwards."""
    queues = (await node.get("/queues"))["queues"]
    return (await node.get("/stats"))["states"], queues, (await node.get("/jobs/scheduled"))["jobs"]


@pytest_asyncio.fixture(loop_scope="module")
async def unchanged(node):
    before = await _kept(node)
    yield
    assert await _kept(node) == before
    assert (await node.get("/health"))["status"] == "alive"


async def test_what_is_kept_tells_a_good_call_from_a_bad_one(tmp_path):
    """The control: with any of these taken for good, the others here would fail."""
    async with Api(tmp_path) as api:
        seen = [await _kept(api)]
        for method, path in [
            ("POST", f"/add?url={URL}&delay=9"),
            ("PUT", "/queues/x"),
            ("POST", "/jobs/scheduled/cancel"),
        ]:
            assert (await api.ask(method, path)).status in (200, 201)
            assert await _kept(api) not in seen
            seen.append(await _kept(api))


# -- a field of /add: what is wrong in JSON, in a form and in a query alike

FIELDS = [
    ("url", "ftp://a/"),
    ("url", "http://a/\x00"),
    ("url", "http://a/\r\nX: y"),
    ("url", "http://" + "a" * 64 + "/"),
    ("method", "G T"),
    ("method", "GET\x00"),
    ("method", "\U0001f600"),
    ("headers", {"Host": "a"}),
    ("headers", {"X-A": "b\r\nX-B: c"}),
    ("headers", {"X-A": "\x00"}),
    ("headers", {"TaskPusher-Job": "x"}),
    ("headers", ["X-A"]),
    ("body_base64", "\U0001f600"),
    ("queue", "a\x00"),
    ("queue", "../x"),
    ("queue", "x" * 5_000),
    ("priority", 101),
    ("priority", 1.5),
    ("priority", 10**400),
    ("delay", -0.001),
    ("delay", 1e300),
    ("run_at", "tomorrow"),
    ("run_at", "9999-12-31T23:59:59Z"),
    ("run_at", "2026-02-30T00:00:00Z"),
    ("timeout", 0),
    ("timeout", 86_401),
    ("max_attempts", 0),
    ("max_attempts", 2**64),
    ("unreached_attempts", -1),
    ("backoff", []),
    ("backoff", {"factor": 0}),
    ("backoff", {"inital": 1}),
    ("success", "2xx;3xx"),
    ("ttl", 0),
    ("meta", ["a"]),
    ("uid", "x"),
    ("uid", "01a210032e02717bb6af0655de66e267-N1"),
    ("uid", "01a210032e02717bb6af0655de66e267-other"),
    ("dealy", 60),
    ("", 1),
    ("x" * 3_000, 1),
]


def _path(field, value):
    return f"headers.{next(iter(value))}" if field == "headers" and isinstance(value, dict) else field[:100]


def _pairs(field, value):
    return {"url": URL, field: value if isinstance(value, str) else json.dumps(value)}


@pytest.mark.parametrize(("field", "value"), FIELDS, ids=lambda value: repr(value)[:30])
async def test_a_bad_field_is_named_wherever_it_stands(node, unchanged, field, value):
    body = json.dumps({"url": URL, field: value})
    answers = [
        await node.ask("POST", "/add", data=body, headers=JSON),
        await node.ask("POST", "/add", data=urlencode(_pairs(field, value)), headers=FORM),
        await node.ask("POST", f"/add?{urlencode(_pairs(field, value))}"),
    ]
    for answer in answers:
        assert error(answer) == INVALID
        assert answer.body["stored"] is False
        (broken,) = answer.body["errors"]
        assert (broken["path"], bool(broken["rule"])) == (_path(field, value), True)
    many = await node.ask("POST", "/add", data=f"[{body}, {body}]", headers=JSON)
    assert (many.status, [paths_of(job["error"]) for job in many.body]) == (422, [[_path(field, value)]] * 2)
    lines = await _lines(node, f"{body}\n{body}\n".encode())
    assert [paths_of(line["error"]) for line in lines[:-1]] == [[_path(field, value)]] * 2
    assert lines[-1] == {"done": True, "stored": 0, "failed": 2}


def paths_of(problem):
    """Return the fields that a problem among others names."""
    return [broken["path"] for broken in problem["errors"]]


async def _lines(node, data):
    async with node._http.post(f"{node.url}/add", data=data, headers=NDJSON) as answer:
        return [json.loads(line) for line in (await answer.read()).splitlines()]


# -- what only one way of writing can say

ONLY_JSON = [
    ('{"url": "http://a/", "delay": NaN}', MALFORMED),
    ('{"url": "http://a/", "delay": Infinity}', MALFORMED),
    ('{"url": "http://a/", "delay": 1e999}', INVALID),
    ('{"url": "http://a/", "delay": -1e999}', INVALID),
    ('{"url": "http://a/", "priority": ' + "9" * 10_000 + "}", INVALID),
    ('{"url": "http://a/", "delay": "60"}', INVALID),
    ('{"url": "http://a/", "priority": true}', INVALID),
    ('{"url": "http://a/", "queue": "\\ud800"}', MALFORMED),
    ('{"url": "http://a/\\udfff"}', MALFORMED),
    ('{"url": "http://a/", "meta": {"a": "\\ud800x"}}', MALFORMED),
    ('{"url": "http://a/", "queue": "a\tb"}', MALFORMED),
    ('{"url": "http://a/", "meta": {"a": ' + DEEP + "}}", MALFORMED),
    ('{"url": "http://a/", "body": ' + DEEP + "}", MALFORMED),
    ('{"url": "http://a/", "headers": ' + DEEP + "}", MALFORMED),
    ('{"url": "http://a/", "x": ' + DEEP + "}", MALFORMED),
    (DEEP, MALFORMED),
    ('{"url": "http://a/"} {"url": "http://a/"}', MALFORMED),
    ('{"url": "http://a/",}', MALFORMED),
    ("{'url': 'http://a/'}", MALFORMED),
    ('{"url": "http://a/" /* x */}', MALFORMED),
    ('"http://a/"', MALFORMED),
    ("true", MALFORMED),
    ("url=http://a/", MALFORMED),
    ('{"url": null}', INVALID),
    ('{"url": ["http://a/"]}', INVALID),
    ('{"url": "http://a/", "body": "a", "body_base64": "YQ=="}', INVALID),
    ('{"url": "http://a/", "delay": 1, "run_at": "2026-11-24T23:13:32Z"}', INVALID),
]
ONLY_FORMS = [
    (f"url={URL}&delay=null", INVALID),
    (f"url={URL}&priority=null", INVALID),
    (f"url={URL}&delay=1&delay=2", INVALID),
    (f"url={URL}&url={URL}", INVALID),
    (f"url={URL}&delay=1_000", INVALID),
    (f"url={URL}&delay=0x10", INVALID),
    (f"url={URL}&delay=+5", INVALID),
    (f"url={URL}&delay=%D9%A1", INVALID),
    (f"url={URL}&delay=nan", INVALID),
    (f"url={URL}&delay=inf", INVALID),
    (f"url={URL}&delay=1e400", INVALID),
    (f"url={URL}&delay=", INVALID),
    (f"url={URL}&delay", INVALID),
    (f"url={URL}&meta={DEEP}", INVALID),
    (f"url={URL}&headers=%7B%22A%22", INVALID),
    (f"url={URL}&queue=%ff", MALFORMED),
    (f"url={URL}&queue=%ed%a0%80", MALFORMED),
    (f"url={URL}&%ff=1", MALFORMED),
    ("&".join(f"a{n}=1" for n in range(101)), MALFORMED),
    ("{}", INVALID),
]


@pytest.mark.parametrize(("text", "expected"), ONLY_JSON, ids=lambda value: repr(value)[:50])
async def test_bad_json_is_told(node, unchanged, text, expected):
    answer = await node.ask("POST", "/add", data=text.encode(), headers=JSON)
    assert (error(answer), answer.body["stored"]) == (expected, False)


@pytest.mark.parametrize(("text", "expected"), ONLY_FORMS, ids=lambda value: repr(value)[:50])
async def test_a_bad_form_is_told(node, unchanged, text, expected):
    answer = await node.ask("POST", "/add", data=text.encode(), headers=FORM)
    assert (error(answer), answer.body["stored"]) == (expected, False)


# -- everything else that takes fields

LISTINGS = [
    "limit=0", "limit=1.5", "limit=null", "limit=1e9", "limit=%00", "status=200,", "status=200-100", "status=%00",
    "since=now", "until=2026-11-24 23:13", "since=null", "since=9999999999999", "limt=5", "limit=5&limit=5",
]  # fmt: skip
BULK = ["limit=1001", "dry_run=yes", "dry_run=", "dry_run=null", "dryrun=true", "dry_run=1&dry_run=0", *LISTINGS[1:]]
OTHERS = [
    *(("GET", f"/jobs/scheduled?{query}") for query in LISTINGS),
    *(("POST", f"/jobs/scheduled/cancel?{query}") for query in BULK),
    *(("POST", f"/jobs/errors/retry?{query}") for query in BULK[:6]),
    *(("DELETE", f"/jobs/completed?{query}") for query in BULK[:6]),
    ("POST", "/queues/default/pause?for=null"),
    ("POST", "/queues/default/pause?until=null"),
    ("POST", "/queues/default/pause?for=1e-9"),
    ("POST", "/queues/default/pause?for=1&for=2"),
    ("GET", "/job/x/wait?timeout=null"),
    ("GET", "/job/x/wait?timeout=1&timeout=2"),
    ("GET", "/job/x/wait?timout=1"),
    ("PUT", "/queues/x?paused=true"),
    ("PUT", "/queues/a%20b"),
]


@pytest.mark.parametrize(("method", "path"), OTHERS, ids=lambda value: value[:60])
async def test_a_bad_field_of_another_call_is_named(node, unchanged, method, path):
    (named,) = paths(await node.ask(method, path))
    assert named in path or named == "name"


@pytest.mark.parametrize("path", ["/jobs/scheduled/cancel", "/jobs/errors/retry", "/queues/default/pause"])
@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (FORM, b"\xff", MALFORMED),
        (FORM, b"%ff=1", MALFORMED),
        (FORM, b"x=1&" * 101, MALFORMED),
        (FORM, b"x=1", INVALID),
        (FORM | {"Content-Type": FORM["Content-Type"] + "; charset=nonsense"}, b"x=1", INVALID),
        (JSON, b"{}", (415, "unsupported-media-type")),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", (415, "unsupported-media-type")),
        ({"Content-Type": "text/plain"}, b"dry_run=true", (415, "unsupported-media-type")),
    ],
    ids=range(8),
)
async def test_a_bad_body_of_another_call_is_told(node, unchanged, path, headers, body, expected):
    assert error(await node.ask("POST", path, data=body, headers=headers)) == expected


@pytest.mark.parametrize("after", ["x", "~", "%00", "1~", "-1~x", "9" * 30, "null", "%F0%9F%98%80", "x" * 5_000])
async def test_a_bad_position_is_told(node, unchanged, after):
    for method, path in [("GET", ""), ("POST", "/cancel")]:
        assert error(await node.ask(method, f"/jobs/scheduled{path}?last_uid={after}")) == (404, "cursor-gone")


PATHS = [
    "/job/..", "/job/%2e%2e/%2e%2e", "/job/%2F", "/job/%00", "/job/%0d%0aX", "/job/%ff", "/job/%F0%9F%98%80",
    "/job/null", "/job/" + "x" * 7_000, "/job/x/../../stats", "//stats", "/stats/", "/./stats/x", "/jobs/..",
    "/jobs/%00", "/jobs/ERRORS", "/queues/..", "/queues/%00", "/queues/" + "q" * 5_000, "/queues/default/",
    "/add/../add/x", "/openapi.json/", "/%2e",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda value: value[:30])
async def test_an_odd_path_leads_nowhere(node, unchanged, path):
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    status, answer = await node.raw(request.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (status, json.loads(body)["type"]) == NOT_FOUND
    assert b"application/problem+json" in head
