"""POST /add with one job: every way to send it, stored before it is answered, safe to repeat."""

import asyncio
import shutil
import time
from urllib.parse import urlencode

import pytest

from taskpusher_node.store.rocksdb import RocksStore

from .harness import Api, error, paths

URL = "http://a.example/x"
LATER = {"delay": 3_600}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


async def _added(api, *options, **named):
    answer = await api.ask("POST", *options, **named)
    assert answer.status == 201, answer
    uid = answer.body["uid"]
    assert (answer.body, answer.headers["Location"]) == ({"uid": uid}, f"/job/{uid}")
    return await api.get(f"/job/{uid}")


async def test_a_form_adds_a_job(api):
    job = await _added(api, "/add", data={"url": URL, "delay": "3600", "body": "a=b&ä", "headers": '{"X-A": "b"}'})
    assert (job["url"], job["delay"], job["body"], job["headers"]) == (URL, 3600, "a=b&ä", {"X-A": "b"})
    assert (job["state"], job["kind"], job["node"]) == ("scheduled", "http", "n1")


async def test_meta_and_backoff_are_json_in_a_form(api):
    job = await _added(api, "/add", data={"url": URL, "delay": "9", "meta": '{"a": [1]}', "backoff": "[1, 2.5]"})
    assert (job["meta"], job["backoff"]) == ({"a": [1]}, [1, 2.5])


NO_TYPE = {"skip_auto_headers": ["Content-Type"]}


async def test_a_query_adds_a_job(api):
    job = await _added(api, "/add?url=http://a.example/x&delay=3600&queue=q1", **NO_TYPE)
    assert (job["url"], job["queue"]) == (URL, "q1")


async def test_a_query_adds_a_job_whatever_type_a_client_claims_for_no_body(api):
    for content_type in ("application/octet-stream", "text/plain", FORM["Content-Type"]):
        job = await _added(api, "/add?url=http://a.example/x&delay=3600", headers={"Content-Type": content_type})
        assert job["url"] == URL


async def test_a_query_and_a_form_go_together(api):
    job = await _added(api, "/add?delay=3600", data={"url": URL})
    assert (job["url"], job["delay"]) == (URL, 3600)
    assert paths(await api.ask("POST", "/add?delay=1", data={"url": URL, "delay": "1"})) == ["delay"]


@pytest.mark.parametrize(
    "url", ["http://a.example/?a=1&b=2", "http://a.example/a+b%20c?d=%25", "http://a.example/%2541?x=1%2B1;2"]
)
@pytest.mark.parametrize("how", ["query", "form"])
async def test_a_url_is_decoded_once(api, how, url):
    encoded = urlencode({"url": url, "delay": "3600"})
    if how == "query":
        status, answer = await api.raw(
            f"POST /add?{encoded} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        assert status == 201, answer
        (job,) = (await api.get("/jobs/scheduled"))["jobs"]
    else:
        job = await _added(api, "/add", data=encoded, headers=FORM)
    assert job["url"] == url


async def test_a_json_object_adds_a_job(api):
    fields = {
        "url": "https://joe:pw@A.example:8443/x?y#z",
        "method": "POST",
        "headers": {"X-A": "ä"},
        "body": {"a": [1, None]},
        "queue": "mails",
        "priority": 5,
        "delay": 60.5,
        "timeout": 9,
        "max_attempts": 3,
        "unreached_attempts": 0,
        "backoff": {"initial": 2},
        "success": "2xx",
        "ttl": 100,
        "meta": {"user": 7},
        "redirects": 2,
        "redact": ["x-b"],
        "idempotency_key": "order 7",
    }
    job = await _added(api, "/add", json=fields)
    job = await api.get(f"/job/{job['uid']}?reveal=1")
    credentials = {"Authorization": "Basic am9lOnB3"}
    expected = {**fields, "url": "https://A.example:8443/x?y", "headers": {"X-A": "ä", **credentials}}
    expected["backoff"] = {"initial": 2, "factor": 2, "max": 3600, "jitter": 0.5}
    assert {name: job[name] for name in fields} == expected


async def test_a_job_shows_every_field_and_null_for_what_is_not(api):
    job = await _added(api, "/add", json={"url": URL, **LATER})
    null = {"body", "body_base64", "run_at", "ttl", "waiting_at", "started_at", "ended_at", "error", "response"}
    null |= {"idempotency_key", "callback", "callback_of", "limit", "key", "unique", "held_by"}
    null |= {"lease_until", "progress"}
    assert {name for name, value in job.items() if value is None} == null
    assert (job["method"], job["queue"], job["priority"], job["timeout"]) == ("GET", "default", 0, 300)
    assert (job["success"], job["max_attempts"], job["unreached_attempts"], job["meta"]) == ("200", 1, 10, {})
    assert (job["attempt"], job["tries"], job["unreached"], job["crashes"], job["attempts"]) == (0, 0, 0, 0, [])
    assert job["due_at"].endswith("Z")


async def test_body_base64_is_shown_as_it_was_given(api):
    job = await _added(api, "/add", json={"url": URL, "body_base64": "AP8=", **LATER})
    assert (job["body"], job["body_base64"]) == (None, "AP8=")


async def test_json_and_form_types_may_carry_parameters(api):
    await _added(
        api,
        "/add",
        data=b'{"url": "http://a/", "delay": 9}',
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    await _added(
        api, "/add", data=b"url=http://a/&delay=9", headers={"Content-Type": FORM["Content-Type"] + "; charset=UTF-8"}
    )


async def test_a_job_is_durable_before_it_is_answered(api, tmp_path):
    for n in range(5):
        uid = await api.add(URL, **LATER)
        copy = tmp_path / f"copy{n}"  # what a power cut at this moment would leave
        shutil.copytree(api.config.store, copy)
        store = await RocksStore.open(copy)
        try:
            assert store.get(uid) is not None
        finally:
            await store.close()


async def test_traces_given_with_the_add_do_not_break_it_whatever_their_bytes(api):
    status, answer = await api.raw(
        b"POST /add?url=http://a/&delay=9 HTTP/1.1\r\nHost: localhost\r\n"
        b"traceparent: \xff\xfe\r\nConnection: close\r\n\r\n"
    )
    assert status in (201, 400), answer


# -- repeating an add


def _uid(api, ago_ms=0, name="n1"):
    return f"{time.time_ns() // 1_000_000 - ago_ms:012x}7000800000000000{next(_COUNT):04x}-{name}"


_COUNT = iter(range(1, 10_000))


async def test_the_same_add_with_the_same_uid_is_one_job(api):
    fields = {"url": URL, "uid": _uid(api), **LATER}
    first = await api.ask("POST", "/add", json=fields)
    again = await api.ask("POST", "/add", json=fields)
    assert (first.status, again.status) == (201, 200)
    assert (first.body, again.body) == ({"uid": fields["uid"]}, {"uid": fields["uid"]})
    assert len((await api.get("/jobs/scheduled"))["jobs"]) == 1


async def test_adds_of_one_uid_at_once_make_one_job(api):
    fields = {"url": URL, "uid": _uid(api), **LATER}
    answers = await asyncio.gather(*(api.ask("POST", "/add", json=fields) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]


async def test_a_repeated_add_is_the_same_job_under_another_trace(api):
    fields = {"url": URL, "uid": _uid(api), **LATER}
    first = await api.ask("POST", "/add", json=fields, headers={"traceparent": f"00-{'1' * 32}-{'1' * 16}-01"})
    again = await api.ask("POST", "/add", json=fields, headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    assert (first.status, again.status) == (201, 200)


async def test_another_job_with_the_same_uid_is_a_conflict(api):
    uid = await api.add(URL, uid=_uid(api), **LATER)
    answer = await api.ask("POST", "/add", json={"url": URL, "uid": uid, "delay": 3_601})
    assert (error(answer), answer.body["stored"]) == ((409, "conflict"), False)
    assert (await api.get(f"/job/{uid}"))["delay"] == 3_600


async def test_a_uid_of_another_store_or_day_is_refused(api):
    for uid in (_uid(api, name="n2"), _uid(api, ago_ms=86_400_000 + 5_000), _uid(api, ago_ms=-70_000), "x"):
        assert paths(await api.ask("POST", "/add", json={"url": URL, "uid": uid})) == ["uid"]
    assert (await api.get("/stats"))["states"]["waiting"] == 0


async def test_more_queues_than_allowed_are_refused_and_old_ones_go_on(tmp_path):
    async with Api(tmp_path, max_queues=2) as api:
        await api.add(URL, queue="one", **LATER)
        assert paths(await api.ask("POST", "/add", json={"url": URL, "queue": "two", **LATER})) == ["queue"]
        await api.add(URL, queue="one", **LATER)
        await api.add(URL, **LATER)
