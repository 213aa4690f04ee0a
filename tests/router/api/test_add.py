"""POST /add on a router: what a client is told is what a node would tell it."""

import asyncio
import io
import json

import pytest
from aiohttp import web

from taskpusher.uid import mint, name_of

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PROBLEM = "application/problem+json"
URL = "http://127.0.0.1:1/"

LINES = b'{"url":"http://a"}\n\nnonsense\n{"url":"http://a","key":"k"}\n{"url":1}'
SAME = [
    ("/add", JSON, b'{"url":"http://a"}'),
    ("/add", JSON, b'{"url":"http://a","delay":60,"key":"k","ordered":false,"meta":{"a":[1]}}'),
    ("/add", FORM, b"url=http://a&delay=60"),
    ("/add?url=http://a&key=k", {}, b""),
    ("/add?key=k", FORM, b"url=http://a&delay=60"),
    ("/add", FORM, 'url=http://a&body=é&meta={"a":1}'.encode()),
    ("/add", FORM, b'url=http://a&limit={"key":"l","concurrency":1}'),
    ("/add", JSON, b'[{"url":"http://a"},{"url":"http://a","key":"k"},{"url":"ftp://a"},7,{"key":"k"}]'),
    ("/add", JSON, b'[{"url":1},{"url":2}]'),
    ("/add", JSON, b"[]"),
    ("/add", NDJSON, LINES),
    ("/add", NDJSON, b""),
    # what is wrong is told in the same words
    ("/add", {}, b""),
    ("/add", JSON, b""),
    ("/add", JSON, b"{"),
    ("/add", JSON, b"[{}"),
    ("/add", JSON, b'{"url":"\xff"}'),
    ("/add", JSON, b"7"),
    ("/add", JSON, b"[" * 5_000),
    ("/add", JSON, b'{"url":"http://a","unknown":1,"delay":-1,"key":""}'),
    ("/add?url=http://a", JSON, b'{"url":"http://a"}'),
    ("/add", FORM, b"url=http://a&url=http://b&unknown=1"),
    ("/add", FORM, b"url=%ff"),
    ("/add", FORM, b"url=http://a&limit=nonsense"),
    ("/add", {"Content-Type": "text/plain"}, b"url"),
    ("/add", JSON | {"Content-Encoding": "gzip"}, b"{}"),
    ("/add", JSON, json.dumps([{"url": "http://a"}] * 1_001).encode()),
    ("/add", JSON, json.dumps({"url": "http://a", "body": "x" * 2_000_000}).encode()),
    ("/add", JSON, b" " * 5_000_000),
    ("/add", JSON | {"Idempotency-Key": "a"}, b'{"url":"http://a","idempotency_key":"b"}'),
    ("/add", JSON | {"Idempotency-Key": "a"}, b'[{"url":"http://a"}]'),
    ("/add", JSON | {"Idempotency-Key": "x" * 600}, b'{"url":"http://a"}'),
]


def without_uids(body):
    """Replace what differs between two adds: their uids."""
    if isinstance(body, dict):
        return {name: "uid" if name == "uid" else without_uids(value) for name, value in body.items()}
    return [without_uids(each) for each in body] if isinstance(body, list) else body


async def told(client, path, headers, body):
    answer = await client.ask("POST", path, data=io.BytesIO(body), headers=headers, skip_auto_headers=["Content-Type"])
    kind = answer.headers.get("Content-Type")
    return answer.status, kind, "Location" in answer.headers, without_uids(answer.body)


@pytest.mark.parametrize(("path", "headers", "body"), SAME)
async def test_a_router_tells_what_a_node_tells(cluster, path, headers, body):
    of_node = await told(cluster["n1"], path, headers, body)
    of_router = await told(cluster.router, path, headers, body)
    assert of_router == of_node


async def test_what_only_a_router_can_tell_it_tells_by_the_same_type_and_field(cluster):
    for body in (b'"a"},{"json":{"url":"http://a"}', b'{"url":"http://a","uid":"nonsense"}'):
        status, kind, _, of_node = await told(cluster["n1"], "/add", JSON, body)
        assert (status, kind, of_node["type"]) in [(400, PROBLEM, "malformed"), (422, PROBLEM, "invalid-field")]
        *_, of_router = await told(cluster.router, "/add", JSON, body)
        assert of_router["type"] == of_node["type"]
        assert [each["path"] for each in of_router.get("errors", ())] == ["uid"] * (status == 422)


async def test_a_job_is_found_on_the_node_that_its_uid_names(cluster):
    answer = await cluster.router.ask("POST", "/add", json={"url": URL, "delay": 60, "meta": {"a": 1}})
    uid = answer.body["uid"]
    assert answer.headers["Location"] == f"/job/{uid}"
    job = (await cluster[name_of(uid)].ask("GET", f"/job/{uid}")).body
    assert (job["meta"], job["delay"]) == ({"a": 1}, 60.0)


async def test_an_array_is_spread_and_answered_in_its_order(cluster):
    jobs = [{"url": f"{URL}{n}", "delay": 60, "key": f"k{n}"} for n in range(100)]
    answer = await cluster.router.ask("POST", "/add", json=jobs)
    assert answer.status == 201
    uids = [each["uid"] for each in answer.body]
    for n in range(0, 100, 10):
        job = await cluster[name_of(uids[n])].ask("GET", f"/job/{uids[n]}")
        assert job.body["url"] == f"{URL}{n}"
        assert name_of(uids[n]) == cluster.router.router._nodes.ring.owner(f"k:k{n}")
    assert set(map(name_of, uids)) == {"n1", "n2", "n3"}


async def test_trace_headers_stay_with_their_own_job_when_many_go_in_one_call(cluster):
    traces = {f"{n}": f"00-{n:032x}-{n:016x}-01" for n in range(1, 21)}
    seen: dict[str, str | None] = {}

    async def echo(request: web.Request) -> web.Response:
        seen[request.query["n"]] = request.headers.get("traceparent")
        return web.Response()

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    adds = [
        cluster.router.ask("POST", "/add", json={"url": f"{url}?n={n}"}, headers={"traceparent": trace})
        for n, trace in traces.items()
    ]
    await asyncio.gather(*adds, cluster.router.ask("POST", "/add", json={"url": f"{url}?n=none"}))
    async with asyncio.timeout(20):
        while len(seen) < 21:
            await asyncio.sleep(0.01)
    await runner.cleanup()
    assert seen == traces | {"none": None}


@pytest.mark.parametrize("fields", [{"idempotency_key": "i1"}, {"key": "k", "idempotency_key": "i1"}])
async def test_an_idempotency_key_is_answered_with_the_first_uid_by_any_way_it_is_given(cluster, fields):
    first = await cluster.router.ask("POST", "/add", json={"url": URL, "delay": 60, **fields})
    again = await cluster.router.ask("POST", "/add", data={"url": URL, "delay": "60", **fields})
    rest = {name: value for name, value in fields.items() if name != "idempotency_key"}
    header = await cluster.router.ask(
        "POST", "/add", json={"url": URL, "delay": 60, **rest}, headers={"Idempotency-Key": '"i1"'}
    )
    other = await cluster.router.ask("POST", "/add", json={"url": URL, **fields})
    assert (first.status, again.status, header.status, other.status) == (201, 200, 200, 422)
    assert again.body["uid"] == header.body["uid"] == first.body["uid"]


async def test_a_unique_text_keeps_one_job_of_the_whole_cluster(cluster):
    answers = [
        await cluster.router.ask("POST", "/add", json={"url": URL, "delay": 60, "unique": "u"}) for _ in range(5)
    ]
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 200]
    assert answers[-1].body == {"uid": answers[0].body["uid"], "deduplicated": True}


async def test_a_uid_repeats_an_add_at_its_node(cluster):
    for name in ("n1", "n2", "n3"):
        uid = mint(name)
        fields = {"url": URL, "delay": 60, "uid": uid}
        answers = [await cluster.router.ask("POST", "/add", json=fields) for _ in range(2)]
        assert [(answer.status, answer.body) for answer in answers] == [(201, {"uid": uid}), (200, {"uid": uid})]
    other = await cluster.router.ask("POST", "/add", json={"url": URL, "uid": uid})
    assert (other.status, other.body["type"]) == (409, "conflict")


async def test_a_drained_router_takes_no_jobs_and_does_all_else(cluster):
    assert (await cluster.router.ask("POST", "/drain")).body["state"] == "draining"
    refused = await cluster.router.ask("POST", "/add", json={"url": URL})
    assert (refused.status, refused.body["type"]) == (503, "draining")
    assert "Retry-After" in refused.headers
    assert (await cluster["n1"].ask("POST", "/add", json={"url": URL, "delay": 60})).status == 201
    assert (await cluster.router.ask("GET", "/ready")).body["state"] == "draining"
    await cluster.router.ask("POST", "/resume")
    assert (await cluster.router.ask("POST", "/add", json={"url": URL, "delay": 60})).status == 201


async def test_with_all_nodes_down_a_router_says_so_and_takes_jobs_again_when_one_is_back(cluster):
    for name in ("n1", "n2", "n3"):
        await cluster.down(name)
    ready = await cluster.router.ask("GET", "/ready")
    assert (ready.status, ready.body["state"]) == (503, "unreachable")
    assert set(ready.body["warnings"]) == {"node n1", "node n2", "node n3"}
    refused = await cluster.router.ask("POST", "/add", json={"url": URL})
    assert (refused.status, refused.body["type"]) == (503, "owner-down")
    await cluster.back("n2")
    async with asyncio.timeout(20):  # it is up a moment before its store is
        while (await cluster.router.ask("GET", "/ready")).status != 200:
            await asyncio.sleep(0.01)
    taken = await cluster.router.ask("POST", "/add", json={"url": URL, "delay": 60})
    assert (taken.status, name_of(taken.body["uid"])) == (201, "n2")


async def test_a_key_in_the_header_that_is_no_utf_8_is_refused_as_a_node_does(cluster):
    head = b"POST /add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    sent = head + b'Idempotency-Key: a\xff\r\nContent-Length: 18\r\n\r\n{"url":"http://a"}'
    (of_node, node_told), (of_router, router_told) = await cluster["n1"].raw(sent), await cluster.router.raw(sent)
    assert (of_router, of_node) == (422, 422)
    assert router_told.rpartition(b"\r\n\r\n")[2] == node_told.rpartition(b"\r\n\r\n")[2]


async def test_lines_that_come_when_the_router_is_drained_are_told_so(cluster):
    more = asyncio.Event()

    async def lines():
        yield b'{"url":"http://a","delay":60}\n'
        await more.wait()
        yield b'{"url":"http://a","delay":60}\n'

    adding = asyncio.create_task(cluster.router.ask("POST", "/add", data=lines(), headers=NDJSON))
    async with asyncio.timeout(20):
        while not (await cluster.router.get("/jobs/scheduled"))["jobs"]:
            await asyncio.sleep(0.005)
    await cluster.router.ask("POST", "/drain")
    more.set()
    first, last = (await adding).body
    assert (first["line"], last["error"]["type"]) == (1, "draining")


async def test_lines_are_answered_as_they_are_stored_while_one_node_is_down(cluster):
    await cluster.down("n3")
    lines = b"\n".join(b'{"url":"http://a","delay":60,"key":"k%d"}' % n for n in range(300))
    answer = await cluster.router.ask("POST", "/add", data=lines, headers=NDJSON)
    *each, last = answer.body
    assert [one["line"] for one in each] == list(range(1, 301))
    down = [one for one in each if "error" in one]
    assert {one["error"]["type"] for one in down} == {"owner-down"}
    assert last == {"done": True, "stored": 300 - len(down), "failed": len(down)}
    assert 0 < len(down) < 300
