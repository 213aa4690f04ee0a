"""POST /jobs/{state}/retry and /cancel, DELETE /jobs/{state}: many jobs in one call, in parts, narrowed, on trial."""

import asyncio
from urllib.parse import quote

import pytest

from .harness import error, paths

URL = "http://a.example/x"
CALLS = {"retry": ("POST", "/retry"), "cancel": ("POST", "/cancel"), "delete": ("DELETE", "")}
TAKES = {
    "retry": {"completed", "errors", "error", "cancelled"},
    "cancel": {"waiting", "scheduled", "running", "runing"},
    "delete": {"completed", "errors", "error", "cancelled"},
}
STATES = sorted({state for states in TAKES.values() for state in states})


async def _bulk(api, verb, state, query=""):
    method, path = CALLS[verb]
    answer = await api.ask(method, f"/jobs/{state}{path}?{query}")
    assert answer.status == 200, answer
    assert answer.body.keys() == {"done", "examined", "last_uid"}
    return answer.body


async def _walk(api, verb, state, query=""):
    parts = [await _bulk(api, verb, state, query)]
    while parts[-1]["last_uid"] is not None:
        parts.append(await _bulk(api, verb, state, f"{query}&last_uid={quote(parts[-1]['last_uid'])}"))
    return [part["done"] for part in parts]


async def _scheduled(api, n, **fields):
    answer = await api.ask("POST", "/add", json=[{"url": URL, "delay": 3_600 + i, **fields} for i in range(n)])
    return [job["uid"] for job in answer.body]


async def _failed(api, target, n):
    uids = [await api.add(f"{target.url}/fail") for _ in range(n)]
    for uid in uids:
        await api.until(uid, "error")
    return uids


async def _states(api):
    return {state: n for state, n in (await api.get("/stats"))["states"].items() if n}


async def test_all_that_failed_is_retried_in_parts_and_each_job_once(api, target):
    uids = await _failed(api, target, 7)
    assert await _walk(api, "retry", "errors", "limit=3") == [3, 3, 1]
    async with asyncio.timeout(5):
        while len(target.jobs) < 14 or await _states(api) != {"error": 7}:
            await asyncio.sleep(0.01)
    assert sorted(target.jobs) == sorted(uids * 2)


async def test_all_that_is_to_come_is_cancelled_and_then_deleted(api):
    await _scheduled(api, 5)
    assert await _bulk(api, "cancel", "scheduled") == {"done": 5, "examined": 5, "last_uid": None}
    assert await _states(api) == {"cancelled": 5}
    assert await _walk(api, "delete", "cancelled", "limit=4") == [4, 1]
    assert await _states(api) == {}


async def test_running_calls_are_aborted(api, target):
    for _ in range(3):
        await api.add(f"{target.url}/hang")
    async with asyncio.timeout(5):
        while len(target.jobs) < 3:
            await asyncio.sleep(0.01)
    assert (await _bulk(api, "cancel", "running"))["done"] == 3
    await asyncio.wait_for(target.hung_up.wait(), 2)
    assert await _states(api) == {"cancelled": 3}


async def test_a_part_changes_a_thousand_jobs_at_most(api):
    await _scheduled(api, 1_000)
    await _scheduled(api, 50)
    assert await _walk(api, "cancel", "scheduled") == [1_000, 50]


@pytest.mark.parametrize("how", ["query", "form"])
@pytest.mark.parametrize("verb", CALLS)
async def test_a_dry_run_counts_and_changes_nothing(api, verb, how):
    await _scheduled(api, 5)
    state = "scheduled"
    if verb != "cancel":
        await _bulk(api, "cancel", "scheduled")
        state = "cancelled"
    method, path = CALLS[verb]
    fields = {"dry_run": "true", "limit": "3"}
    answer = await api.ask(method, f"/jobs/{state}{path}", **{"params" if how == "query" else "data": fields})
    assert (answer.status, answer.body["done"], answer.body["last_uid"] is None) == (200, 3, False)
    assert await _states(api) == {state: 5}


async def test_only_what_passes_the_filters_is_changed(api, target):
    other = await _scheduled(api, 2, url="http://b.example/")
    await _scheduled(api, 3)
    await _scheduled(api, 1, queue="mails")
    assert (await _bulk(api, "cancel", "scheduled", "queue=default&host=A.example:80&dry_run=1"))["done"] == 3
    assert (await _bulk(api, "cancel", "scheduled", "queue=default&host=a.example:80"))["done"] == 3
    assert (await _bulk(api, "cancel", "scheduled", "queue=null"))["done"] == 0
    assert (await _bulk(api, "cancel", "scheduled", "queue=mails&status=500"))["done"] == 0
    assert (await _bulk(api, "cancel", "scheduled", "queue=mails"))["done"] == 1
    await _failed(api, target, 2)
    assert [(await _bulk(api, "delete", "errors", f"status={status}"))["done"] for status in ("404", "5xx")] == [0, 2]
    assert await _states(api) == {"scheduled": len(other), "cancelled": 4}


async def test_until_and_since_narrow_by_time(api):
    uids = await _scheduled(api, 3)
    due = (await api.get(f"/job/{uids[1]}"))["due_at"]
    assert (await _bulk(api, "cancel", "scheduled", f"until={due}"))["done"] == 1
    assert (await _bulk(api, "cancel", "scheduled", f"since={due}&dry_run=true"))["done"] == 2


async def test_what_was_changed_in_bulk_is_kept_over_a_restart(api):
    await _scheduled(api, 5)
    await _bulk(api, "cancel", "scheduled", "limit=3")
    await api.stop()
    await api.start()
    assert await _states(api) == {"scheduled": 2, "cancelled": 3}


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("state", STATES)
async def test_a_verb_in_a_state_that_does_not_take_it_is_told(api, verb, state):
    method, path = CALLS[verb]
    answer = await api.ask(method, f"/jobs/{state}{path}")
    if state in TAKES[verb]:
        assert (answer.status, answer.body["done"]) == (200, 0)
    else:
        assert (error(answer), verb in answer.body["detail"]) == ((409, "wrong-state"), True)


@pytest.mark.parametrize(
    "call", ["POST /jobs/errors/run", "POST /jobs/errors", "PUT /jobs/errors", "GET /jobs/x/retry"]
)
async def test_what_is_no_bulk_action_is_absent(api, call):
    method, _, path = call.partition(" ")
    assert (await api.ask(method, path)).status in (404, 405)


async def test_a_position_that_is_none_is_told(api):
    uid = await api.add(URL, delay=60)
    assert error(await api.ask("POST", f"/jobs/errors/retry?last_uid={uid}")) == (404, "cursor-gone")


async def test_fields_in_the_query_and_in_the_form_go_together_but_none_in_both(api):
    await _scheduled(api, 3)
    answer = await api.ask("POST", "/jobs/scheduled/cancel?dry_run=true", data={"limit": "2"})
    assert (answer.status, answer.body["done"]) == (200, 2)
    twice = await api.ask("POST", "/jobs/scheduled/cancel?limit=1", data={"limit": "2"})
    assert paths(twice) == ["limit"]
    assert error(await api.ask("DELETE", "/jobs/errors", json={"dry_run": True})) == (415, "unsupported-media-type")
