"""POST /add with many jobs: an array, and NDJSON answered line by line."""

import asyncio
import io
import json

import pytest

from .harness import Api, error

GOOD = {"url": "http://a.example/", "delay": 3_600}
BAD = {"url": "nothing"}
NDJSON = {"Content-Type": "application/x-ndjson"}


async def _stored(api):
    return sum((await api.get("/stats"))["states"].values())


# -- an array


async def test_an_array_of_good_jobs_is_201_with_their_uids_in_order(api):
    answer = await api.ask("POST", "/add", json=[{**GOOD, "priority": n} for n in range(3)])
    assert (answer.status, [item["status"] for item in answer.body]) == (201, [201] * 3)
    shown = [await api.get(f"/job/{item['uid']}") for item in answer.body]
    assert [job["priority"] for job in shown] == [0, 1, 2]


async def test_a_mixed_array_is_207_and_each_job_stands_for_itself(api):
    answer = await api.ask("POST", "/add", json=[GOOD, BAD, 5, {**GOOD, "typo": 1}, GOOD])
    assert answer.status == 207
    assert [set(item) for item in answer.body] == [
        {"uid", "status"},
        {"error"},
        {"error"},
        {"error"},
        {"uid", "status"},
    ]
    kinds = [item["error"]["type"] for item in answer.body if "error" in item]
    assert kinds == ["invalid-field", "malformed", "invalid-field"]
    assert await _stored(api) == 2


@pytest.mark.parametrize("jobs", [[BAD], [BAD, None], [[GOOD]]])
async def test_an_array_without_one_good_job_is_422(api, jobs):
    answer = await api.ask("POST", "/add", data=json.dumps(jobs), headers={"Content-Type": "application/json"})
    assert (answer.status, all("error" in item for item in answer.body)) == (422, True)


async def test_an_empty_array_stores_nothing_and_is_fine(api):
    answer = await api.ask("POST", "/add", json=[])
    assert (answer.status, answer.body) == (201, [])


async def test_a_thousand_jobs_fit_and_one_more_is_too_large(api):
    answer = await api.ask("POST", "/add", json=[GOOD] * 1_000)
    assert (answer.status, len(answer.body)) == (201, 1_000)
    assert error(await api.ask("POST", "/add", json=[GOOD] * 1_001)) == (413, "too-large")
    assert await _stored(api) == 1_000


async def test_four_mebibytes_fit_and_one_byte_more_is_too_large(api):
    limit = 4 * 1_048_576
    text = json.dumps([GOOD]).encode()
    headers = {"Content-Type": "application/json"}
    whole = await api.ask("POST", "/add", data=io.BytesIO(text + b" " * (limit - len(text))), headers=headers)
    assert whole.status == 201
    assert error(
        await api.ask("POST", "/add", data=io.BytesIO(text + b" " * (limit - len(text) + 1)), headers=headers)
    ) == (
        413,
        "too-large",
    )


async def test_a_uid_twice_in_an_array_is_the_same_or_a_conflict(api):
    uid = await api.add(**GOOD)
    answer = await api.ask("POST", "/add", json=[{**GOOD, "uid": uid}, {**GOOD, "uid": uid, "priority": 1}])
    assert (answer.status, answer.body[0]) == (207, {"uid": uid, "status": 200})
    assert answer.body[1]["error"]["type"] == "conflict"


async def test_one_queue_too_many_in_an_array_fails_that_job_alone(tmp_path):
    async with Api(tmp_path, max_queues=2) as api:
        answer = await api.ask("POST", "/add", json=[GOOD, {**GOOD, "queue": "one"}, {**GOOD, "queue": "two"}])
        assert (answer.status, ["uid" in item and "error" not in item for item in answer.body]) == (
            207,
            [True, True, False],
        )


# -- NDJSON


async def _lines(api, data):
    async with api._http.post(f"{api.url}/add", data=data, headers=NDJSON) as answer:
        text = await answer.read()
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
        assert answer.headers["TaskPusher-Version"]
        assert text.endswith(b"\n")
        return [json.loads(line) for line in text.splitlines()]


def _ndjson(*jobs):
    return b"".join(json.dumps(job).encode() + b"\n" for job in jobs)


async def test_every_line_is_answered_by_its_number_and_the_last_line_counts(api):
    *lines, last = await _lines(api, _ndjson(GOOD, BAD, GOOD) + b"\n \r\n{broken\n" + _ndjson(GOOD)[:-1])
    assert [line["line"] for line in lines] == [1, 2, 3, 6, 7]
    assert [line.get("error", {}).get("type") for line in lines] == [None, "invalid-field", None, "malformed", None]
    assert last == {"done": True, "stored": 3, "failed": 2}
    for line in lines:
        if "uid" in line:
            assert (await api.get(f"/job/{line['uid']}"))["delay"] == 3_600


async def test_windows_line_ends_are_fine(api):
    assert (await _lines(api, _ndjson(GOOD, GOOD).replace(b"\n", b"\r\n")))[-1]["stored"] == 2


@pytest.mark.parametrize("data", [b"", b"\n\n"])
async def test_no_lines_are_done_at_once(api, data):
    assert await _lines(api, data) == [{"done": True, "stored": 0, "failed": 0}]


async def test_many_lines_are_all_stored(api):
    *lines, last = await _lines(api, _ndjson(*[GOOD] * 2_500))
    assert [line["line"] for line in lines] == list(range(1, 2_501))
    assert (last, await _stored(api)) == ({"done": True, "stored": 2_500, "failed": 0}, 2_500)


async def test_a_line_is_answered_when_it_is_durable_before_the_next_is_sent(api):
    more = asyncio.Event()

    async def slowly():
        yield _ndjson(GOOD)
        await more.wait()
        yield _ndjson(GOOD)

    async with api._http.post(f"{api.url}/add", data=slowly(), headers=NDJSON) as answer:
        first = json.loads(await asyncio.wait_for(answer.content.readline(), 5))
        assert (await api.get(f"/job/{first['uid']}"))["state"] == "scheduled"
        more.set()
        rest = (await answer.read()).splitlines()
        assert [json.loads(line) for line in rest][-1] == {"done": True, "stored": 2, "failed": 0}


async def test_a_line_that_is_too_long_ends_the_answer_without_a_last_line(tmp_path):
    async with Api(tmp_path, max_request_bytes=100_000) as api:
        long = b'{"url": "http://a/", "meta": {"a": "' + b"x" * 1_000_000 + b'"}}\n'
        lines = await _lines(api, _ndjson(GOOD, GOOD) + long + _ndjson(GOOD))
        assert ("uid" in lines[0], "uid" in lines[1], lines[-1]["error"]["type"]) == (True, True, "too-large")
        assert all("done" not in line for line in lines)
        assert (await api.get("/health"))["status"] == "alive"


async def test_a_client_that_hangs_up_leaves_what_was_answered_and_no_half_line(api):
    host, _, port = api.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    line = _ndjson(GOOD)
    writer.write(
        b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 9999\r\n\r\n"
    )
    writer.write(line + line[:-1])  # the second lacks its end, and might lack more
    await reader.readuntil(b"\r\n\r\n")
    assert b'"uid"' in await reader.readuntil(b"}\n")
    writer.transport.abort()
    await asyncio.sleep(0.1)
    assert await _stored(api) == 1


async def test_a_broken_chunk_ends_the_answer_without_a_last_line(api):
    head = b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    line = _ndjson(GOOD)
    _, answer = await api.raw(head + b"%x\r\n" % len(line) + line + b"\r\nzz\r\nbroken\r\n", end=True)
    assert b'"done"' not in answer
    assert (await api.get("/health"))["status"] == "alive"
