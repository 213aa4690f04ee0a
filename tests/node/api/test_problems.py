"""Every bad request that can be made today: its status, its type, no fault in the log, and the node answers on."""

import asyncio
import gzip
import json

import pytest

from .harness import Api, error, paths

GOOD = {"url": "http://a.example/", "delay": 3_600}
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def _still_answers(api):
    assert await api.add(**GOOD)


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (JSON, b"", (400, "malformed")),
        (JSON, b"{", (400, "malformed")),
        (JSON, b"[1", (400, "malformed")),
        (JSON, b"null", (400, "malformed")),
        (JSON, b"5", (400, "malformed")),
        (JSON, b"\xff", (400, "malformed")),
        (JSON, b"\xef\xbb\xbf{}", (400, "malformed")),
        (JSON, json.dumps(GOOD).encode("utf-16"), (400, "malformed")),
        (JSON, b"[" * 200_000, (400, "malformed")),
        (JSON, b'{"x":' * 200_000, (400, "malformed")),
        (JSON, b"{}", (422, "invalid-field")),
        (JSON, b'{"url": "http://a/", "dealy": 1}', (422, "invalid-field")),
        (FORM, b"url=%ff", (400, "malformed")),
        (FORM, b"url=\xff", (400, "malformed")),
        (FORM, b"&".join([b"a=b"] * 101), (400, "malformed")),
        (FORM, b"", (422, "invalid-field")),
        (FORM, b"a", (422, "invalid-field")),
        ({"Content-Type": "text/plain"}, b"x", (415, "unsupported-media-type")),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", (415, "unsupported-media-type")),
        ({"Content-Type": "application/xml"}, b"<a/>", (415, "unsupported-media-type")),
        ({"Content-Type": ";;="}, b"x", (415, "unsupported-media-type")),
        ({**JSON, "Content-Encoding": "gzip"}, b"{}", (415, "unsupported-media-type")),
    ],
    ids=range(22),
)
async def test_a_bad_add_is_told_by_its_type_and_nothing_is_stored(api, headers, body, expected):
    answer = await api.ask("POST", "/add", data=body, headers=headers)
    assert (error(answer), answer.body["stored"]) == (expected, False)
    await _still_answers(api)
    assert sum((await api.get("/stats"))["states"].values()) == 1


async def test_a_query_beside_json_is_refused(api):
    assert paths(await api.ask("POST", "/add?delay=1", json=GOOD)) == ["delay"]
    assert paths(await api.ask("POST", "/add?x=1", data=b"", headers={"Content-Type": "application/x-ndjson"})) == ["x"]


async def test_every_field_that_breaks_a_rule_is_named_in_one_answer(api):
    answer = await api.ask("POST", "/add", json={"url": "x", "delay": -1, "queue": "a b", "typo": 1})
    assert paths(answer) == ["delay", "queue", "typo", "url"]
    assert all(item["rule"] in answer.body["detail"] for item in answer.body["errors"])


@pytest.mark.parametrize("queue", [".", ".."])
async def test_no_queue_has_a_name_that_would_lead_a_path_elsewhere(api, queue):
    assert paths(await api.ask("POST", "/add", json={**GOOD, "queue": queue})) == ["queue"]
    assert (await api.ask("POST", "/add", json={**GOOD, "queue": f"{queue}a"})).status == 201


@pytest.mark.parametrize("chunked", [False, True])
async def test_more_than_four_mebibytes_are_too_large(api, chunked):
    async def parts():
        for _ in range(5):
            yield b" " * 1_048_576

    body = parts()
    headers = JSON if chunked else {**JSON, "Content-Length": str(5 * 1_048_576)}
    answer = await api.ask("POST", "/add", data=body, headers=headers)
    assert (error(answer), answer.body["stored"]) == ((413, "too-large"), False)
    await _still_answers(api)


async def test_a_small_body_that_would_inflate_beyond_the_limit_is_not_inflated(api):
    bomb = gzip.compress(b" " * 50_000_000)
    answer = await api.ask("POST", "/add", data=bomb, headers={**JSON, "Content-Encoding": "gzip"})
    assert error(answer) == (415, "unsupported-media-type")
    await _still_answers(api)


@pytest.mark.parametrize("path", ["/add/", "/job", "/jobs", "/job/", "/queue", "/limits/x", "/targets/x", "/errors/x"])
async def test_a_path_that_is_not_there_is_not_found(api, path):
    assert error(await api.ask("GET", path)) == (404, "not-found")


@pytest.mark.parametrize("call", ["GET /add", "PUT /add", "POST /stats", "DELETE /health", "GET /drain", "PUT /job/x"])
async def test_a_path_with_another_method_says_which_it_takes(api, call):
    method, _, path = call.partition(" ")
    answer = await api.ask(method, path)
    assert (error(answer), bool(answer.headers["Allow"])) == ((405, "method-not-allowed"), True)


async def test_nothing_changes_state_on_get(api):
    uid = await api.add(**GOOD)
    for path in (f"/job/{uid}/cancel", f"/job/{uid}/run", "/drain", "/queues/default/pause"):
        assert (await api.ask("GET", path)).status == 405
    assert (await api.get(f"/job/{uid}"))["state"] == "scheduled"


async def test_a_node_whose_store_has_failed_stops_and_says_so_by_its_exit_code(tmp_path, faults):
    faults.append("failed")
    async with Api(tmp_path) as api:
        api.node._failed("the disk is gone")
        assert await asyncio.wait_for(asyncio.shield(api._task), 5) == 1


async def test_a_fault_of_the_node_is_told_as_one(api, monkeypatch, faults):
    faults.append("handler")

    async def broken(*_, **__):
        raise ValueError("bug")

    monkeypatch.setattr("taskpusher_node.store.rocksdb.engine.RocksStore.change", broken)
    answer = await api.ask("POST", "/job/x/cancel")
    assert (error(answer), answer.body["stored"]) == ((500, "internal"), None)


# -- what is hardly HTTP


RAW = {
    "no-http": b"GARBAGE\r\n\r\n",
    "no-host": b"GET /health HTTP/1.1\r\n\r\n",
    "bad-byte-in-path": b"GET /job/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bad-url": b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long-path": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long-header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    "bad-chunk": b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two-lengths": b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("name", RAW)
async def test_what_is_no_request_is_a_malformed_problem_with_the_version(api, name):
    status, answer = await api.raw(RAW[name])
    assert status == 400
    assert b"taskpusher-version:" in answer.lower()
    assert b"application/problem+json" in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["type"] == "malformed"


@pytest.mark.parametrize("name", RAW)
async def test_what_is_no_request_leaves_no_traceback_in_the_log_and_the_node_answers_on(api, caplog, name):
    status, _ = await api.raw(RAW[name])
    assert status == 400
    await _still_answers(api)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_a_client_that_hangs_up_in_its_body_is_no_fault_of_the_node(api):
    head = b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    await api.raw(head, end=True)
    await asyncio.sleep(0.05)
    await _still_answers(api)


async def test_an_expectation_that_cannot_be_met_is_a_problem(api):
    answer = await api.ask("POST", "/add", data=b"x", headers={"Expect": "the-unexpected"})
    assert answer.status == 417
