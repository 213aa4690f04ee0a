"""One job: reading it, waiting for its end, and what can be done to it by hand."""

import asyncio
import time

import pytest

from .harness import error, paths

URL = "http://a.example/x"
LATER = {"delay": 3_600}
UNKNOWN = "01a210032e02717bb6af0655de66e267-n1"


async def test_a_call_that_worked_completes_its_job(api, target):
    uid = await api.add(f"{target.url}/ok")
    job = await api.get(f"/job/{uid}/wait")
    assert (job["state"], job["attempt"], job["tries"], job["error"]) == ("completed", 1, 1, None)
    assert job["response"] == {
        "status": 200,
        "headers": [["Content-Length", "2"]],
        "body": "ok",
        "body_base64": None,
        "truncated": False,
    }
    (attempt,) = job["attempts"]
    assert (attempt["n"], attempt["node"], attempt["outcome"], attempt["error"]) == (1, "n1", "answered", None)
    assert (attempt["response"]["body"], target.jobs) == ("ok", [uid])
    assert job["added_at"] <= job["waiting_at"] <= job["started_at"] <= job["ended_at"]


async def test_any_other_status_is_an_error(api, target):
    job = await api.get(f"/job/{await api.add(f'{target.url}/fail')}/wait")
    assert (job["state"], job["response"]["status"]) == ("error", 500)
    assert job["error"] == {"kind": "status", "message": "the target answered 500", "status": 500}


async def test_tries_are_listed_newest_first(api, target):
    uid = await api.add(f"{target.url}/fail", max_attempts=3, backoff=[0])
    job = await api.get(f"/job/{uid}/wait")
    assert ([attempt["n"] for attempt in job["attempts"]], job["tries"], job["attempt"]) == ([3, 2, 1], 3, 3)


@pytest.mark.parametrize("uid", [UNKNOWN, UNKNOWN.replace("n1", "n2"), "x", "%00", "%F0%9F%98%80", "x" * 5_000])
async def test_what_is_no_job_is_not_found(api, uid):
    for method, path in [("GET", ""), ("GET", "/wait"), ("DELETE", ""), ("POST", "/retry"), ("POST", "/run")]:
        assert error(await api.ask(method, f"/job/{uid}{path}")) == (404, "not-found")
    assert error(await api.ask("POST", f"/job/{uid}/cancel")) == (404, "not-found")


# -- waiting for the end


async def test_wait_ends_for_every_waiter_when_the_job_ends(api, target):
    uid = await api.add(f"{target.url}/hang")
    waiters = [asyncio.create_task(api.get(f"/job/{uid}/wait?timeout=20")) for _ in range(5)]
    await api.until(uid, "running")
    await asyncio.sleep(0.05)
    assert not any(waiter.done() for waiter in waiters)
    start = time.monotonic()
    target.released.set()
    assert {job["state"] for job in await asyncio.gather(*waiters)} == {"completed"}
    assert time.monotonic() - start < 0.9  # told, not found by looking once a second


async def test_wait_answers_with_the_job_as_it_is_after_its_timeout(api):
    uid = await api.add(URL, **LATER)
    start = time.monotonic()
    assert (await api.get(f"/job/{uid}/wait?timeout=0.2"))["state"] == "scheduled"
    assert 0.15 < time.monotonic() - start < 2
    assert (await api.get(f"/job/{uid}/wait?timeout=0"))["state"] == "scheduled"


async def test_wait_on_a_job_that_has_ended_answers_at_once(api, target):
    uid = await api.add(f"{target.url}/ok")
    await api.until(uid, "completed")
    start = time.monotonic()
    assert (await api.get(f"/job/{uid}/wait?timeout=300"))["state"] == "completed"
    assert time.monotonic() - start < 1


async def test_wait_ends_when_the_job_is_cancelled(api):
    uid = await api.add(URL, **LATER)
    waiter = asyncio.create_task(api.get(f"/job/{uid}/wait?timeout=20"))
    await asyncio.sleep(0.05)
    await api.ask("POST", f"/job/{uid}/cancel")
    assert (await asyncio.wait_for(waiter, 0.9))["state"] == "cancelled"


async def test_wait_ends_at_once_when_the_node_stops(api):
    uid = await api.add(URL, **LATER)
    waiter = asyncio.create_task(api.get(f"/job/{uid}/wait?timeout=20"))
    await asyncio.sleep(0.05)
    api.begin_stop()
    assert (await asyncio.wait_for(waiter, 0.9))["state"] == "scheduled"


@pytest.mark.parametrize("given", ["-1", "300.1", "nan", "inf", "x", ""])
async def test_a_bad_wait_is_named(api, given):
    uid = await api.add(URL, **LATER)
    assert paths(await api.ask("GET", f"/job/{uid}/wait?timeout={given}")) == ["timeout"]


# -- by hand


async def test_cancelling_a_running_job_aborts_its_call(api, target):
    uid = await api.add(f"{target.url}/hang", max_attempts=5)
    async with asyncio.timeout(5):
        while not target.jobs:
            await asyncio.sleep(0.005)
    answer = await api.ask("POST", f"/job/{uid}/cancel")
    assert (answer.status, answer.body["state"], answer.body["uid"]) == (200, "cancelled", uid)
    await asyncio.wait_for(target.hung_up.wait(), 2)
    await asyncio.sleep(0.05)
    job = await api.get(f"/job/{uid}")
    assert (job["state"], [a["outcome"] for a in job["attempts"]], target.jobs) == ("cancelled", ["cancelled"], [uid])
    assert (await api.get("/stats"))["slots"]["busy"] == 0


async def test_cancelling_is_done_once_and_answered_twice(api):
    uid = await api.add(URL, **LATER)
    for _ in range(2):
        answer = await api.ask("POST", f"/job/{uid}/cancel")
        assert (answer.status, answer.body["state"]) == (200, "cancelled")


async def test_a_completed_job_takes_no_cancel_and_no_run(api, target):
    uid = await api.add(f"{target.url}/ok")
    await api.until(uid, "completed")
    for verb in ("cancel", "run"):
        answer = await api.ask("POST", f"/job/{uid}/{verb}")
        assert (error(answer), "completed" in answer.body["detail"]) == ((409, "wrong-state"), True)


async def test_running_a_scheduled_job_by_hand_calls_it_now(api, target):
    uid = await api.add(f"{target.url}/ok", **LATER)
    answer = await api.ask("POST", f"/job/{uid}/run")
    assert (answer.status, answer.body["uid"]) == (200, uid)
    assert (await api.get(f"/job/{uid}/wait"))["state"] == "completed"


async def test_run_on_a_job_that_waits_or_runs_is_fine(api, target):
    uid = await api.add(f"{target.url}/hang")
    await api.until(uid, "running")
    assert (await api.ask("POST", f"/job/{uid}/run")).status == 200


async def test_retry_by_hand_starts_again_with_all_counters_but_the_calls_at_zero(api, target):
    uid = await api.add(f"{target.url}/fail")
    await api.until(uid, "error")
    answer = await api.ask("POST", f"/job/{uid}/retry")
    assert (answer.status, answer.body["error"]) == (200, None)
    job = await api.get(f"/job/{uid}/wait")
    assert (job["state"], job["tries"], job["attempt"]) == ("error", 1, 2)
    assert [attempt["n"] for attempt in job["attempts"]] == [2, 1]


async def test_what_has_not_ended_takes_no_retry_and_no_delete(api):
    uid = await api.add(URL, **LATER)
    assert error(await api.ask("POST", f"/job/{uid}/retry")) == (409, "wrong-state")
    assert error(await api.ask("DELETE", f"/job/{uid}")) == (409, "wrong-state")
    assert (await api.get(f"/job/{uid}"))["state"] == "scheduled"


async def test_a_deleted_job_is_gone(api):
    uid = await api.add(URL, **LATER)
    await api.ask("POST", f"/job/{uid}/cancel")
    answer = await api.ask("DELETE", f"/job/{uid}")
    assert (answer.status, answer.body) == (204, None)
    assert error(await api.ask("GET", f"/job/{uid}")) == (404, "not-found")
    assert error(await api.ask("DELETE", f"/job/{uid}")) == (404, "not-found")
    assert (await api.get("/jobs/cancelled"))["jobs"] == []
    assert sum((await api.get("/stats"))["states"].values()) == 0


async def test_what_was_done_by_hand_is_kept_over_a_restart(api):
    cancelled, kept = await api.add(URL, **LATER), await api.add(URL, **LATER)
    await api.ask("POST", f"/job/{cancelled}/cancel")
    await api.stop()
    await api.start()
    assert (await api.get(f"/job/{cancelled}"))["state"] == "cancelled"
    assert (await api.get(f"/job/{kept}"))["state"] == "scheduled"


@pytest.mark.parametrize("call", ["PUT /job/{}", "POST /job/{}/hold"])
async def test_what_is_not_built_is_absent(api, call):
    method, _, path = call.partition(" ")
    uid = await api.add(URL, **LATER)
    assert (await api.ask(method, path.format(uid))).status in (404, 405)
