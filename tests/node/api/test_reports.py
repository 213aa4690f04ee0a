"""Jobs that an application accepts and ends later, over HTTP."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from taskpusher import uid as uids

from .harness import Answer, Api, Target, error, paths

JSON = {"Content-Type": "application/json"}
JOE = {"Authorization": "Basic am9lOnNlY3JldA=="}


async def say(api: Api, target: Target, uid: str, what: str, **options) -> Answer:
    """Say something of a job with the token of its last call."""
    options["headers"] = {"TaskPusher-Token": target.tokens[uid]} | options.get("headers", {})
    return await api.ask("POST", f"/job/{uid}/{what}", **options)


async def accepted(api: Api, target: Target, **fields) -> str:
    """Add a job and wait until its application has accepted it."""
    uid = await api.add(f"{target.url}/accept", **fields)
    async with asyncio.timeout(5):
        while (await api.get(f"/job/{uid}"))["lease_until"] is None:
            await asyncio.sleep(0.005)
    return uid


async def restart(api: Api) -> None:
    assert await api.stop() == 0
    await api.start()


async def test_an_accepted_job_is_completed_later_over_a_restart(api, target):
    uid = await accepted(api, target)
    told = await say(api, target, uid, "heartbeat", json={"lease": 900, "percent": 40, "note": "half of it"})
    assert (told.status, told.body["state"]) == (200, "running")
    await restart(api)
    job = await api.get(f"/job/{uid}")
    assert job["lease_until"] == told.body["lease_until"]
    assert (job["state"], job["progress"]["percent"], job["progress"]["note"]) == ("running", 40.0, "half of it")
    [listed] = (await api.get("/jobs/running"))["jobs"]
    assert (listed["uid"], listed["progress"]) == (uid, job["progress"])
    waiting = asyncio.create_task(api.get(f"/job/{uid}/wait"))
    for _ in range(2):
        told = await say(api, target, uid, "complete", data=b'{"result": {"frames": [7, 1.50]}}', headers=JSON)
        assert (told.status, told.body) == (200, {"uid": uid, "state": "completed", "lease_until": None})
    job = await waiting
    assert (job["state"], job["tries"], len(job["attempts"]), target.jobs) == ("completed", 1, 1, [uid])
    response = job["response"]
    assert (response["status"], response["body"]) == (202, '{"frames": [7, 1.50]}')
    assert response["headers"] == [["Content-Type", "application/json"]]
    assert (job["attempts"][0]["outcome"], job["progress"], job["lease_until"]) == ("completed", None, None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {"result": '"done"'}},
        {"data": b"", "headers": {"Content-Type": "application/json"}},
        {"json": {}},
        {"json": {"result": None}},
    ],
)
async def test_a_job_is_completed_by_any_kind_of_body(api, target, body):
    uid = await accepted(api, target)
    told = await say(api, target, uid, "complete", **body)
    assert (told.status, told.body["state"]) == (200, "completed")
    response = (await api.get(f"/job/{uid}"))["response"]
    assert (response["status"], response["body"]) == (202, '"done"' if body.get("data") else "")


async def test_a_job_that_failed_is_tried_again_and_then_is_in_error(api, target):
    uid = await accepted(api, target, max_attempts=3, backoff=[0])
    first = target.tokens[uid]
    told = await say(api, target, uid, "fail", json={"error": "no disk"})
    assert told.status == 200
    async with asyncio.timeout(5):
        while target.tokens[uid] == first or (await api.get(f"/job/{uid}"))["lease_until"] is None:
            await asyncio.sleep(0.005)
    late = await say(api, target, uid, "complete", headers={"TaskPusher-Token": first})
    assert error(late) == (409, "wrong-state")
    assert "call 1 has ended as failed (no disk)" in late.body["detail"]
    assert "call 2 began at" in late.body["detail"]
    told = await say(api, target, uid, "fail", data={"error": "no such\nfilm", "retry": "false"})
    assert (told.status, told.body["state"]) == (200, "error")
    job = await api.get(f"/job/{uid}")
    assert (job["error"], job["tries"]) == ({"kind": "failed", "message": "no such\nfilm", "status": None}, 2)


async def test_who_comes_late_is_told_who_ended_the_job(api, target):
    uid = await accepted(api, target)
    await api.ask("POST", f"/job/{uid}/cancel")
    for what, body in (("heartbeat", {}), ("complete", {}), ("fail", {"error": "x"})):
        late = await say(api, target, uid, what, json=body)
        assert error(late) == (409, "wrong-state")
        assert late.body["detail"].startswith("call 1 has ended as cancelled; it was cancelled at 20")
        assert (late.body["state"], late.body["ended_at"][:2]) == ("cancelled", "20")
    await restart(api)
    assert (await say(api, target, uid, "complete")).body["state"] == "cancelled"
    await api.ask("DELETE", f"/job/{uid}")
    assert error(await say(api, target, uid, "complete")) == (404, "not-found")


async def test_a_lease_that_runs_out_ends_the_job(api, target):
    uid = await accepted(api, target)
    await say(api, target, uid, "heartbeat", data={"lease": "0.01"})
    job = await api.until(uid, "error")
    assert (job["error"]["kind"], job["attempts"][0]["outcome"]) == ("lease", "lease")
    late = await say(api, target, uid, "complete")
    assert "its lease was over" in late.body["detail"]
    text = await (await api._http.get(f"{api.url}/metrics")).text()
    assert 'taskpusher_attempts_total{queue="default",result="lease_expired"} 1.0' in text
    assert 'taskpusher_attempts_total{queue="default",result="accepted"} 1.0' in text


async def test_a_word_while_the_call_is_under_way_is_taken(api, target):
    uid = await api.add(f"{target.url}/hang")
    async with asyncio.timeout(5):
        while uid not in target.tokens:
            await asyncio.sleep(0.005)
    told = await say(api, target, uid, "heartbeat", json={"percent": 1})
    assert (told.status, told.body["lease_until"]) == (200, None)
    assert (await say(api, target, uid, "complete", json={"result": 1})).body["state"] == "completed"
    assert (await api.get("/stats"))["slots"]["busy"] == 1  # the call itself is not at its end
    target.released.set()
    async with asyncio.timeout(5):
        while (await api.get("/stats"))["slots"]["busy"]:
            await asyncio.sleep(0.005)
    job = await api.get(f"/job/{uid}")
    assert (job["state"], job["response"]["body"], len(job["attempts"])) == ("completed", "1", 1)


async def test_a_hundred_accepted_jobs_take_no_slot_and_no_stop_waits_for_them(tmp_path, target):
    async with Api(tmp_path, concurrency=4) as api:
        jobs = [{"url": f"{target.url}/accept"}] * 100
        answer = await api.ask("POST", "/add", json=jobs)
        accepted = [job["uid"] for job in answer.body]
        async with asyncio.timeout(10):
            while (await api.get("/stats"))["states"]["waiting"] or (await api.get("/stats"))["slots"]["busy"]:
                await asyncio.sleep(0.01)
        assert (await api.get("/stats"))["states"]["running"] == 100
        text = await (await api._http.get(f"{api.url}/metrics")).text()
        assert "\ntaskpusher_jobs_handed_off 100.0\n" in text
        await api.until(await api.add(f"{target.url}/ok"), "completed")
        await restart(api)
        assert (await api.get("/ready"))["warnings"] == {}
        assert len((await api.get("/jobs/running"))["jobs"]) == 100
        assert [(await say(api, target, uid, "complete")).status for uid in accepted] == [200] * 100
        assert (await api.get("/stats"))["states"]["completed"] == 101
        assert len(target.jobs) == 101


async def test_why_tells_the_lease_and_how_far_it_is(api, target):
    uid = await accepted(api, target)
    told = await api.get(f"/job/{uid}/why")
    assert (told["facts"]["reason"], told["facts"]["call"]) == ("handed-off", 1)
    assert "its lease ends at" in told["why"]
    await say(api, target, uid, "heartbeat", json={"percent": 12.5, "note": "cut"})
    told = await api.get(f"/job/{uid}/why")
    assert told["why"].endswith("; it has come so far: 12.5 %: cut")
    assert told["facts"]["progress"]["note"] == "cut"


@pytest.mark.parametrize(
    ("what", "body", "wrong"),
    [
        ("heartbeat", {"lease": 0}, ["lease"]),
        ("heartbeat", {"lease": 86_401}, ["lease"]),
        ("heartbeat", {"percent": 100.1, "note": "a\nb"}, ["note", "percent"]),
        ("heartbeat", {"percent": "x"}, ["percent"]),
        ("heartbeat", {"note": "\u00fc" * 257}, ["note"]),
        ("heartbeat", {"note": "\x1b[2J"}, ["note"]),
        ("heartbeat", {"nonsense": 1}, ["nonsense"]),
        ("fail", {}, ["error"]),
        ("fail", {"error": ""}, ["error"]),
        ("fail", {"error": "x", "retry": "maybe"}, ["retry"]),
        ("complete", {"outcome": 1}, ["outcome"]),
    ],
)
async def test_what_breaks_a_rule_is_named(api, target, what, body, wrong):
    uid = await accepted(api, target)
    assert paths(await say(api, target, uid, what, json=body)) == wrong
    assert (await api.get(f"/job/{uid}"))["state"] == "running"


@pytest.mark.parametrize("form", [{"percent": "nan"}, {"lease": "inf"}, {"lease": "-1"}])
async def test_numbers_that_are_none_are_refused(api, target, form):
    uid = await accepted(api, target)
    assert paths(await say(api, target, uid, "heartbeat", data=form)) == list(form)


@pytest.mark.parametrize("data", [{"result": "done"}, {"result": "[" * 5_000}])
async def test_a_result_in_a_form_is_json(api, target, data):
    uid = await accepted(api, target)
    assert paths(await say(api, target, uid, "complete", data=data)) == ["result"]


async def test_a_result_that_is_too_large_changes_nothing(api, target):
    uid = await accepted(api, target)
    most = api.config.max_response_bytes
    assert error(await say(api, target, uid, "complete", json={"result": "x" * (most - 1)})) == (413, "too-large")
    assert (await api.get(f"/job/{uid}"))["state"] == "running"
    assert (await say(api, target, uid, "complete", json={"result": "x" * (most - 2)})).status == 200
    response = (await api.get(f"/job/{uid}"))["response"]
    assert (len(response["body"]), response["truncated"]) == (most, False)


async def test_only_the_token_lets_in_and_nothing_is_told_without_it(tmp_path, target):
    async with Api(tmp_path, basicauth="joe:secret") as api:
        added = await api.ask("POST", "/add", json={"url": f"{target.url}/accept"}, headers=JOE)
        uid = added.body["uid"]
        async with asyncio.timeout(5):
            while not (await api.ask("GET", f"/job/{uid}", headers=JOE)).body["lease_until"]:
                await asyncio.sleep(0.005)
        token = target.tokens[uid]
        wrong = ["", "x", token[:-1], token + "0", token.upper(), "2" + token[1:], "1." + "0" * 32]
        for what in ("complete", "fail", "heartbeat"):
            for text in wrong:
                answer = await api.ask("POST", f"/job/{uid}/{what}", headers={"TaskPusher-Token": text})
                assert error(answer) == (403, "forbidden")
                assert "running" not in answer.body["detail"]
            assert error(await api.ask("POST", f"/job/{uid}/{what}", headers=JOE)) == (403, "forbidden")
            other = await api.ask("POST", f"/job/{uids.mint('n1')}/{what}", headers={"TaskPusher-Token": token})
            assert error(other) == (403, "forbidden")
        for method, path in (("POST", f"/job/{uid}/cancel"), ("GET", f"/job/{uid}"), ("GET", f"/job/{uid}/complete")):
            assert (await api.ask(method, path, headers={"TaskPusher-Token": token})).status == 401
        assert (await say(api, target, uid, "complete")).status == 200


async def test_the_other_guards_hold_for_who_has_a_token(api, target):
    uid = await accepted(api, target)
    crossed = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}
    assert error(await say(api, target, uid, "complete", headers=crossed)) == (403, "cross-site")
    assert error(await say(api, target, uid, "complete", headers={"Host": "evil.example"})) == (421, "host-not-allowed")
    text = await say(api, target, uid, "complete", data="x", headers={"Content-Type": "text/plain"})
    assert error(text) == (415, "unsupported-media-type")
    packed = await say(api, target, uid, "complete", data=b"x", headers={"Content-Encoding": "gzip"})
    assert error(packed) == (415, "unsupported-media-type")
    assert error(await say(api, target, uid, "complete", data=b"{", headers={"Content-Type": "application/json"})) == (
        400,
        "malformed",
    )
    assert (await api.get(f"/job/{uid}"))["state"] == "running"


async def test_the_body_of_a_stranger_is_not_waited_for(api, target):
    uid = await accepted(api, target)
    request = f"POST /job/{uid}/complete HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    parts = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request.encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    finally:
        writer.close()
    assert answer.startswith(b"HTTP/1.1 403 ")


async def test_the_token_is_shown_to_nobody(api, target):
    uid = await accepted(api, target)
    token = target.tokens[uid]
    for path in (f"/job/{uid}", f"/job/{uid}?reveal=1", "/jobs/running", f"/job/{uid}/why"):
        async with aiohttp.ClientSession() as http, http.get(api.url + path) as answer:
            assert token not in await answer.text()
