"""Queues: made by first use, counted, paused for good or for a while, resumed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from .harness import Api, error, paths

URL = "http://a.example/x"
NO_SETTINGS = {"concurrency": None, "rate": None, "per": 1.0, "scope": "cluster", "defaults": {}, "version": 0}


async def test_queues_are_made_by_first_use_and_the_default_is_there(api):
    assert [queue["name"] for queue in (await api.get("/queues"))["queues"]] == ["default"]
    await api.add(URL, queue="mails", delay=60)
    assert [queue["name"] for queue in (await api.get("/queues"))["queues"]] == ["default", "mails"]
    queue = await api.get("/queues/mails")
    assert queue.keys() == {"name", "declared", "paused", "counts", "oldest_waiting", *NO_SETTINGS}
    none = dict.fromkeys(("waiting", "running", "completed", "error", "cancelled"), 0)
    assert (queue["paused"], queue["counts"], queue["oldest_waiting"]) == (None, {**none, "scheduled": 1}, None)


async def test_a_queue_that_was_never_used_is_not_found(api):
    for method, path in [("GET", ""), ("POST", "/pause"), ("POST", "/resume")]:
        assert error(await api.ask(method, f"/queues/mails{path}")) == (404, "not-found")


async def test_a_paused_queue_begins_no_calls_until_it_is_resumed(api, target):
    paused = await api.ask("POST", "/queues/default/pause")
    assert (paused.status, paused.body["paused"]["until"], paused.body["paused"]["by"]) == (200, None, None)
    uid = await api.add(f"{target.url}/ok")
    await asyncio.sleep(0.2)
    job, queue = await api.get(f"/job/{uid}"), await api.get("/queues/default")
    assert (job["state"], target.jobs) == ("waiting", [])
    assert (queue["counts"]["waiting"], queue["oldest_waiting"]) == (1, job["waiting_at"])
    for _ in range(2):
        resumed = await api.ask("POST", "/queues/default/resume")
        assert (resumed.status, resumed.body["paused"]) == (200, None)
    assert (await api.get(f"/job/{uid}/wait"))["state"] == "completed"


async def test_a_paused_queue_holds_up_no_other(api, target):
    await api.add(f"{target.url}/ok", queue="other", delay=60)
    await api.ask("POST", "/queues/other/pause")
    stands = await api.add(f"{target.url}/ok", queue="other")
    goes = await api.add(f"{target.url}/ok")
    assert (await api.get(f"/job/{goes}/wait"))["state"] == "completed"
    assert (await api.get(f"/job/{stands}"))["state"] == "waiting"


async def test_a_running_call_goes_on_when_its_queue_is_paused(api, target):
    uid = await api.add(f"{target.url}/hang")
    await api.until(uid, "running")
    await api.ask("POST", "/queues/default/pause")
    target.released.set()
    assert (await api.get(f"/job/{uid}/wait"))["state"] == "completed"


@pytest.mark.parametrize("how", ["for", "until"])
async def test_a_pause_with_an_end_ends_by_itself(api, target, how):
    until = datetime.now(UTC) + timedelta(seconds=0.4)
    query = {"for": "0.4"} if how == "for" else {"until": until.isoformat()}
    paused = (await api.ask("POST", "/queues/default/pause", params=query)).body["paused"]
    assert paused["since"] < paused["until"]
    uid = await api.add(f"{target.url}/ok")
    await asyncio.sleep(0.1)
    assert (await api.get(f"/job/{uid}"))["state"] == "waiting"
    assert (await api.get(f"/job/{uid}/wait?timeout=5"))["state"] == "completed"
    assert (await api.get("/queues/default"))["paused"] is None


async def test_a_pause_is_kept_over_a_restart(api):
    await api.ask("POST", "/queues/default/pause?for=3600")
    paused = (await api.get("/queues/default"))["paused"]
    await api.stop()
    await api.start()
    assert (await api.get("/queues/default"))["paused"] == paused


async def test_a_pause_says_who_made_it(tmp_path):
    async with Api(tmp_path, basicauth="joe:secret") as api:
        answer = await api.ask("POST", "/queues/default/pause", headers={"Authorization": "Basic am9lOnNlY3JldA=="})
        assert answer.body["paused"]["by"] == "joe"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        *((f"for={value}", ["for"]) for value in ("0", "-1", "x", "nan", "inf", "315360001", "")),
        *((f"until={value}", ["until"]) for value in ("x", "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "")),
        ("for=1&until=2026-11-24T23:13:32Z", ["for", "until"]),
        ("fro=1", ["fro"]),
    ],
)
async def test_a_bad_pause_is_named_and_pauses_nothing(api, query, named):
    answer = await api.ask("POST", f"/queues/default/pause?{query}")
    assert set(paths(answer)) <= set(named)
    assert (await api.get("/queues/default"))["paused"] is None


@pytest.mark.parametrize("call", ["PATCH /queues/default", "GET /queues/default/pause"])
async def test_what_is_not_built_is_absent(api, call):
    method, _, path = call.partition(" ")
    assert error(await api.ask(method, path)) == (405, "method-not-allowed")


async def test_a_queue_is_declared_before_its_first_job(api):
    made = await api.ask("PUT", "/queues/mails")
    assert (made.status, made.headers["Location"], made.body["declared"]) == (201, "/queues/mails", True)
    again = await api.ask("PUT", "/queues/mails")
    assert (again.status, again.body) == (200, {**made.body, "version": 2})
    assert (await api.ask("PUT", "/queues/default")).status == 200
    await api.add(URL, queue="used", delay=60)
    assert (await api.get("/queues/used"))["declared"] is False
    await api.stop()
    await api.start()
    declared = {queue["name"]: queue["declared"] for queue in (await api.get("/queues"))["queues"]}
    assert declared == {"default": True, "mails": True, "used": False}


async def test_a_pause_takes_nothing_from_what_was_declared(api):
    await api.ask("PUT", "/queues/mails")
    assert (await api.ask("POST", "/queues/mails/pause")).body["declared"]
    assert (await api.ask("PUT", "/queues/mails")).body["paused"] is not None
    assert (await api.ask("POST", "/queues/mails/resume")).body["declared"]


@pytest.mark.parametrize("name", ["a%20b", "%C3%A4", "q" * 65, "a%2Fb", "a%00", "%0A"])
async def test_a_bad_name_makes_no_queue(api, name):
    assert paths(await api.ask("PUT", f"/queues/{name}")) == ["name"]
    assert len((await api.get("/queues"))["queues"]) == 1


async def test_settings_that_are_not_there_are_unknown(api):
    assert paths(await api.ask("PUT", "/queues/mails?concurency=3", data={"meta.x": "1"})) == ["concurency", "meta.x"]
    assert len((await api.get("/queues"))["queues"]) == 1


async def test_no_more_queues_are_declared_than_may_be(tmp_path):
    async with Api(tmp_path, max_queues=2) as api:
        assert (await api.ask("PUT", "/queues/one")).status == 201
        assert paths(await api.ask("PUT", "/queues/two")) == ["name"]
        assert (await api.ask("PUT", "/queues/one")).status == 200


async def test_a_pause_takes_its_end_from_a_form_as_curl_sends_it(api):
    answer = await api.ask("POST", "/queues/default/pause", data={"for": "60"})
    assert answer.body["paused"]["until"] is not None
    twice = await api.ask("POST", "/queues/default/pause?for=60", data={"for": "60"})
    assert (twice.status, twice.body["errors"][0]["path"]) == (422, "for")
    other = await api.ask("POST", "/queues/default/pause", json={"for": 60})
    assert (other.status, other.body["type"]) == (415, "unsupported-media-type")


SETTINGS = {"concurrency": 3, "rate": 10.0, "per": 60.0, "scope": "node", "defaults": {"timeout": 5.0}}


@pytest.mark.parametrize("how", ["json", "form", "query"])
async def test_settings_are_kept_over_a_restart_and_replaced_as_a_whole(api, how):
    texts = {"concurrency": "3", "rate": "10", "per": "60", "scope": "node", "defaults": '{"timeout": 5.0}'}
    given = {"json": {"json": SETTINGS}, "form": {"data": texts}, "query": {"params": texts}}[how]
    made = await api.ask("PUT", "/queues/mails", **given)
    assert (made.status, made.body.items() >= (SETTINGS | {"version": 1}).items()) == (201, True)
    await api.stop()
    await api.start()
    assert await api.get("/queues/mails") == made.body
    replaced = await api.ask("PUT", "/queues/mails")
    assert (replaced.status, replaced.body) == (200, {**made.body, **NO_SETTINGS, "version": 2})


async def test_a_version_that_was_replaced_meanwhile_is_refused(api):
    assert (await api.ask("PUT", "/queues/mails?version=0")).status == 201
    assert (await api.ask("PUT", "/queues/mails?version=1", data={"concurrency": "2"})).status == 200
    late = await api.ask("PUT", "/queues/mails", json={"version": 1, "concurrency": 9})
    assert (error(late), "its version is 2, not 1" in late.body["detail"]) == ((409, "wrong-version"), True)
    assert (await api.get("/queues/mails"))["concurrency"] == 2
    assert error(await api.ask("PUT", "/queues/new?version=1"))[0] == 409
    assert error(await api.ask("GET", "/queues/new")) == (404, "not-found")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"concurrency": 0, "rate": 0, "scope": "x"}, ["concurrency", "rate", "scope"]),
        ({"concurrency": "3"}, ["concurrency"]),
        ({"per": 5}, ["per"]),
        ({"version": -1}, ["version"]),
        ({"defaults": [1]}, ["defaults"]),
        ({"defaults": "x"}, ["defaults"]),
        ({"defaults": {"timeout": 0, "nonsense": 1}}, ["defaults.nonsense", "defaults.timeout"]),
        ({"defaults": {"timeout": 100_000}}, ["defaults.timeout"]),
        ({"defaults": {"headers": {"Host": "x"}}}, ["defaults.headers.Host"]),
        ({"defaults": {"url": URL, "meta": {}, "delay": 5}}, ["defaults.delay", "defaults.meta", "defaults.url"]),
    ],
)
async def test_settings_that_break_a_rule_are_named_and_make_no_queue(api, settings, named):
    answer = await api.ask("PUT", "/queues/mails", json=settings)
    assert paths(answer) == named
    assert len((await api.get("/queues"))["queues"]) == 1


async def test_adds_take_from_their_queue_what_they_do_not_give(api):
    defaults = {
        "method": "PUT", "headers": {"X": "y"}, "priority": 5, "timeout": 9.0, "max_attempts": 2,
        "unreached_attempts": 0, "backoff": [1.0], "success": "2xx", "ttl": 60.0, "redirects": 1, "redact": ["a"],
    }  # fmt: skip
    await api.ask("PUT", "/queues/mails", json={"defaults": defaults})
    uid = await api.add(URL, queue="mails", delay=60)
    await api.stop()
    await api.start()
    own = await api.add(URL, queue="mails", delay=60, timeout=20, headers={})
    other = await api.add(URL, delay=60)
    job = await api.get(f"/job/{uid}")
    assert {name: job[name] for name in defaults} == defaults
    job = await api.get(f"/job/{own}")
    assert (job["timeout"], job["headers"], job["priority"]) == (20, {}, 5)
    job = await api.get(f"/job/{other}")
    assert (job["timeout"], job["priority"]) == (300, 0)
    await api.ask("PUT", "/queues/mails")
    assert (await api.get(f"/job/{await api.add(URL, queue='mails', delay=60)}"))["timeout"] == 300


async def test_defaults_hold_for_each_of_many_and_for_the_default_queue(api):
    await api.ask("PUT", "/queues/default", json={"defaults": {"priority": 5}})
    answer = await api.ask("POST", "/add", json=[{"url": URL, "delay": 60}, {"url": URL, "delay": 60, "priority": 1}])
    assert [(await api.get(f"/job/{one['uid']}"))["priority"] for one in answer.body] == [5, 1]


async def test_secrets_in_the_defaults_are_masked_and_a_masked_one_is_not_taken_back(api):
    defaults = {"headers": {"Authorization": "a", "X-A": "b", "X-H": "c"}, "redact": ["x-h"], "timeout": 9}
    put = await api.ask("PUT", "/queues/mails", json={"defaults": defaults})
    shown = defaults | {"headers": {"Authorization": "[masked]", "X-A": "b", "X-H": "[masked]"}}
    for queue in (put.body, await api.get("/queues/mails"), (await api.get("/queues"))["queues"][-1]):
        assert queue["defaults"] == shown
    again = await api.ask("PUT", "/queues/mails", json={"defaults": shown})
    assert paths(again) == ["defaults.headers.Authorization", "defaults.headers.X-H"]
    job = await api.get(f"/job/{await api.add(URL, queue='mails', delay=60)}?reveal=1")
    assert job["headers"] == defaults["headers"]


async def test_the_default_priority_of_a_queue_is_none_of_its_ordered_jobs(api):
    await api.ask("PUT", "/queues/mails", json={"defaults": {"priority": 5, "timeout": 9}})
    job = await api.get(f"/job/{await api.add(URL, queue='mails', key='k', ordered=True)}")
    assert (job["priority"], job["timeout"]) == (0, 9)


async def test_an_empty_queue_is_deleted_with_its_settings(api):
    await api.ask("PUT", "/queues/mails", json=SETTINGS)
    await api.ask("POST", "/queues/mails/pause")
    assert (await api.ask("DELETE", "/queues/mails")).status == 204
    assert error(await api.ask("DELETE", "/queues/mails")) == (404, "not-found")
    await api.stop()
    await api.start()
    assert [queue["name"] for queue in (await api.get("/queues"))["queues"]] == ["default"]
    await api.add(URL, queue="mails", delay=60)
    queue = await api.get("/queues/mails")
    assert (queue["paused"], queue["declared"]) == (None, False)
    assert queue.items() >= NO_SETTINGS.items()


async def test_a_queue_with_jobs_is_not_deleted_and_says_how_many(api):
    for _ in range(2):
        await api.add(URL, queue="mails", delay=60)
    await api.ask("POST", f"/job/{await api.add(URL, queue='mails', delay=60)}/cancel")
    refused = await api.ask("DELETE", "/queues/mails")
    assert (error(refused), refused.body["detail"]) == ((409, "wrong-state"), "it has jobs: 2 scheduled, 1 cancelled")
    assert error(await api.ask("DELETE", "/queues/default")) == (409, "wrong-state")
