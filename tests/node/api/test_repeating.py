"""An add that comes again, by uid or by idempotency key, is answered twice and stored once."""

import asyncio
import json

import pytest

from taskpusher_node.store.rocksdb.db import Stalled

from .harness import Api, error, paths

URL = "http://a.example/"
LATER = {"url": URL, "delay": 3_600}
HEADER = "Idempotency-Key"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NDJSON = {"Content-Type": "application/x-ndjson"}


async def stored(api: Api) -> int:
    return sum((await api.get("/stats"))["states"].values())


async def add(api: Api, key: str | None = None, **fields) -> tuple[int, str]:
    headers = {HEADER: key} if key is not None else {}
    answer = await api.ask("POST", "/add", json=LATER | fields, headers=headers)
    assert answer.headers["Location"] == f"/job/{answer.body['uid']}"
    return answer.status, answer.body["uid"]


async def test_a_repeat_is_200_with_the_first_uid_also_after_a_restart(api):
    status, uid = await add(api, idempotency_key="order 7")
    assert status == 201
    assert (await api.get(f"/job/{uid}"))["idempotency_key"] == "order 7"
    for _ in range(2):
        assert await add(api, idempotency_key="order 7") == (200, uid)
        assert await add(api, "order 7") == (200, uid)
        await api.stop()
        await api.start()
    assert await stored(api) == 1


async def test_form_query_and_json_of_the_same_fields_are_the_same(api):
    _, uid = await add(api, "k")
    ways = [
        ("/add", {"data": {"url": URL, "delay": "3600", "idempotency_key": "k"}}),
        ("/add?url=http://a.example/&delay=3600.0&idempotency_key=k", {"skip_auto_headers": ["Content-Type"]}),
        ("/add?delay=3600", {"data": {"url": URL}, "headers": {HEADER: '"k"'}}),
        ("/add", {"json": {"delay": 3600.0, "url": URL, "method": None}, "headers": {HEADER: "k"}}),
        ("/add", {"json": LATER, "headers": {HEADER: "k", "traceparent": "00-1"}}),
    ]
    for path, options in ways:
        answer = await api.ask("POST", path, **options)
        assert (answer.status, answer.body) == (200, {"uid": uid})
    assert await stored(api) == 1


async def test_other_fields_are_422_and_the_first_job_stays(api):
    _, uid = await add(api, "k")
    answer = await api.ask("POST", "/add", json={"url": URL, "delay": 3_601}, headers={HEADER: "k"})
    assert error(answer) == (422, "idempotency-mismatch")
    assert answer.body["stored"] is False
    assert uid in answer.body["detail"]
    assert (await api.get(f"/job/{uid}"))["delay"] == 3_600
    assert await stored(api) == 1


async def test_fifty_adds_at_once_are_one_job(api):
    answers = await asyncio.gather(*(add(api, "k") for _ in range(50)))
    assert sorted(status for status, _ in answers) == [200] * 49 + [201]
    assert len({uid for _, uid in answers}) == 1
    assert await stored(api) == 1


@pytest.mark.parametrize("how", ["array", "ndjson"])
async def test_each_of_many_jobs_has_a_key_of_its_own(api, how):
    jobs = [LATER | more for more in ({"idempotency_key": "k"}, {"idempotency_key": "k"}, {}, {"idempotency_key": "l"})]
    jobs.append(LATER | {"idempotency_key": "k", "priority": 1})
    if how == "array":
        answer = await api.ask("POST", "/add", json=jobs)
        assert answer.status == 207
        told = answer.body
        assert [item.get("status") for item in told] == [201, 200, 201, 201, None]
    else:
        lines = b"\n".join(json.dumps(job).encode() for job in jobs)
        async with api._http.post(f"{api.url}/add", data=lines, headers=NDJSON) as response:
            *told, last = [json.loads(line) for line in (await response.read()).splitlines()]
        assert (last["stored"], last["failed"]) == (4, 1)
    assert told[0]["uid"] == told[1]["uid"]
    assert len({item["uid"] for item in told[:4]}) == 3
    assert told[4]["error"]["type"] == "idempotency-mismatch"
    assert await stored(api) == 3


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[]", "application/json"),
        (json.dumps([LATER]).encode(), "application/json"),
        (b"{}\n", NDJSON["Content-Type"]),
    ],
)
async def test_the_header_is_for_one_job_only(api, body, content_type):
    answer = await api.ask("POST", "/add", data=body, headers={"Content-Type": content_type, HEADER: "k"})
    assert paths(answer) == [HEADER]
    assert await stored(api) == 0


async def test_a_header_may_be_a_structured_string(api):
    _, uid = await add(api, '"a \\"b\\\\c"')
    assert (await api.get(f"/job/{uid}"))["idempotency_key"] == 'a "b\\c'
    _, uid = await add(api, '"half')
    assert (await api.get(f"/job/{uid}"))["idempotency_key"] == '"half'


@pytest.mark.parametrize(
    "key", [b"", b"x" * 513, b'""', "ä".encode() * 257, b"\xff", b"tab\there"], ids=lambda key: repr(key[:9])
)
async def test_a_header_that_is_no_key_is_422(api, key):
    text = json.dumps(LATER).encode()
    request = (
        b"POST /add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nIdempotency-Key: %s\r\n\r\n%s" % (len(text), key, text)
    )
    status, answer = await api.raw(request)
    assert status == 422, answer
    assert b'"path":"Idempotency-Key"' in answer.replace(b" ", b"")
    assert await stored(api) == 0


@pytest.mark.parametrize("key", ["", "x" * 513, "ä" * 257, "a\u0000b", "a\x7f", 5])
async def test_a_field_that_is_no_key_is_422(api, key):
    assert paths(await api.ask("POST", "/add", json=LATER | {"idempotency_key": key})) == ["idempotency_key"]


async def test_header_and_field_must_agree(api):
    fields = LATER | {"idempotency_key": "k"}
    assert (await api.ask("POST", "/add", json=fields, headers={HEADER: "k"})).status == 201
    assert paths(await api.ask("POST", "/add", json=fields, headers={HEADER: "l"})) == [HEADER]
    twice = [(HEADER, "k"), (HEADER, "k")]
    assert paths(await api.ask("POST", "/add", json=LATER, headers=twice)) == [HEADER]


async def test_a_deleted_job_is_known_by_uid_and_by_key(api, target):
    fields = {"url": f"{target.url}/ok", "idempotency_key": "k"}
    uid = await api.add(**fields)
    await api.until(uid, "completed")
    assert (await api.ask("DELETE", f"/job/{uid}")).status == 204
    for _ in range(2):
        for more in ({}, {"uid": uid}):
            answer = await api.ask("POST", "/add", json=fields | more)
            assert (answer.status, answer.body) == (200, {"uid": uid})
        other = {"url": f"{target.url}/other", "uid": uid}
        assert error(await api.ask("POST", "/add", json=other)) == (409, "conflict")
        await api.stop()
        await api.start()
    assert target.jobs == [uid]


async def test_after_its_retention_a_key_is_free(tmp_path, target):
    async with Api(tmp_path, idempotency_retention=0.0) as api:
        uid = await api.add(f"{target.url}/ok", idempotency_key="k")
        await api.until(uid, "completed")
        async with asyncio.timeout(10):
            while True:
                answer = await api.ask("POST", "/add", json={"url": f"{target.url}/ok", "idempotency_key": "k"})
                if answer.status == 201:
                    break
                await asyncio.sleep(0.05)
        assert answer.body["uid"] != uid


async def test_repeats_are_counted(api):
    for _ in range(3):
        await add(api, "k")
    async with api._http.get(f"{api.url}/metrics") as answer:
        assert "taskpusher_jobs_deduplicated_total 2.0" in (await answer.text()).splitlines()


async def test_in_a_stall_a_job_with_a_key_is_told_to_come_again(api, monkeypatch):
    store = api.node._dispatcher._store
    write, over = store._book.db.write, asyncio.Event()

    def stalls(batch) -> None:
        if not over.is_set():
            raise Stalled
        write(batch)

    put_new = store.put_new

    async def in_a_turn_with_others(jobs):
        monkeypatch.setattr(store._book.db, "write", stalls)
        store.remember("anything", b"")
        return await put_new(jobs)

    monkeypatch.setattr(store, "put_new", in_a_turn_with_others)
    answer = await api.ask("POST", "/add", json=LATER, headers={HEADER: "k"})
    assert error(answer) == (503, "stalled")
    assert (answer.body["stored"], answer.headers["Retry-After"]) == (False, "1")
    over.set()
    await store.durable()
    over.clear()
    answer = await api.ask("POST", "/add", json=[LATER | {"idempotency_key": "k"}])
    assert (answer.status, answer.body[0]["error"]["type"]) == (503, "stalled")
    over.set()
    await store.durable()
    assert await stored(api) == 0
