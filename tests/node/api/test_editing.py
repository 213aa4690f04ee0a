"""PATCH /job/{uid}: what may change, what may not, and what the job does then."""

import pytest

from .harness import Api, error, paths

URL = "http://a.example/x"
LATER = {"delay": 3600}
EVERYTHING = {
    "url": "https://B.example/y?z=1",
    "method": "put",
    "headers": {"X-A": "b"},
    "body": {"n": 1},
    "queue": "mails",
    "priority": 7,
    "delay": 60.0,
    "timeout": 9.0,
    "max_attempts": 3,
    "unreached_attempts": 0,
    "backoff": [1.0, 5.0],
    "success": "2xx",
    "ttl": 5.0,
    "meta": {"shop": 7},
    "redirects": 2,
    "redact": ["x-a"],
}
PLACING = {
    "uid": "x",
    "idempotency_key": "x",
    "key": "x",
    "ordered": True,
    "unique": "x",
    "on_conflict": "keep",
    "limit": {"key": "x"},
}


async def patch(api: Api, job: str, **fields: object):
    return await api.ask("PATCH", f"/job/{job}", json=fields)


async def edited(api: Api, uid: str, **fields: object) -> dict:
    """Edit a job; return all of it, as it is after a restart too."""
    answer = await patch(api, uid, **fields)
    assert answer.status == 200, answer
    job = await api.get(f"/job/{uid}")
    assert answer.body.items() <= job.items()
    await api.stop()
    await api.start()
    assert await api.get(f"/job/{uid}") == job
    return job


async def test_every_field_may_change_and_the_others_stay(api):
    uid = await api.add(URL, **LATER)
    before = await api.get(f"/job/{uid}")
    job = await edited(api, uid, **EVERYTHING)
    asked = EVERYTHING | {"method": "PUT", "headers": {"X-A": "[masked]"}}
    assert {name: job[name] for name in asked} == asked
    assert job["added_at"] == before["added_at"]
    assert job["due_at"] < before["due_at"]
    assert (await api.get("/jobs/scheduled?host=b.example:443&queue=mails"))["jobs"][0]["uid"] == uid


@pytest.mark.parametrize("name", sorted(EVERYTHING))
async def test_a_field_that_is_not_given_stays_and_null_is_its_default(api, name):
    uid = await api.add(**EVERYTHING)
    await api.ask("POST", "/queues/mails/pause")
    plain = await api.get(f"/job/{await api.add(URL, **LATER)}")
    before = await api.get(f"/job/{uid}")
    answer = await patch(api, uid, **{name: None})
    if name == "url":
        assert paths(answer) == ["url"]
        return
    assert answer.status == 200
    after = await api.get(f"/job/{uid}")
    stays = set(EVERYTHING) - {name, "redact"}
    if name != "redact":
        assert {field: after[field] for field in stays} == {field: before[field] for field in stays}
    assert after[name] == (None if name == "delay" else plain[name])
    assert after["state"] == ("waiting" if name == "delay" else "scheduled")


async def test_a_body_takes_the_place_of_the_other_kind(api):
    uid = await api.add(URL, body="text", **LATER)
    job = await edited(api, uid, body_base64="AAE=")
    assert (job["body"], job["body_base64"]) == (None, "AAE=")
    job = await edited(api, uid, body={"n": 1})
    assert (job["body"], job["body_base64"]) == ({"n": 1}, None)
    job = await edited(api, uid, body_base64=None)
    assert (job["body"], job["body_base64"]) == (None, None)


async def test_a_time_takes_the_place_of_a_delay_and_the_ttl_counts_anew(api):
    uid = await api.add(URL, ttl=60, **LATER)
    job = await edited(api, uid, run_at="2030-01-01T00:00:00Z")
    assert (job["delay"], job["run_at"], job["due_at"]) == (None, *["2030-01-01T00:00:00.000Z"] * 2)
    assert paths(await patch(api, uid, delay=1, run_at="2030-01-01T00:00:00Z")) == ["run_at"]


@pytest.mark.parametrize("how", ["json", "form"])
@pytest.mark.parametrize("name", sorted(PLACING))
async def test_what_places_a_job_never_changes(api, name, how):
    uid = await api.add(URL, **LATER)
    before = await api.get(f"/job/{uid}")
    answer = await (
        patch(api, uid, **{name: PLACING[name], "priority": 5})
        if how == "json"
        else api.ask("PATCH", f"/job/{uid}", data={name: "x", "priority": "5"})
    )
    assert paths(answer) == [name]
    assert answer.body["errors"][0]["rule"] == "never changed: add another job"
    assert await api.get(f"/job/{uid}") == before


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"url": "ftp://x/"}, ["url"]),
        ({"url": ""}, ["url"]),
        ({"method": "A B", "priority": 101, "nonsense": 1}, ["method", "nonsense", "priority"]),
        ({"headers": {"Host": "x"}}, ["headers.Host"]),
        ({"url": "http://a:b@c.example/", "headers": {"authorization": "x"}}, ["url"]),
        ({"body": "x", "body_base64": "AAE="}, ["body"]),
        ({"timeout": 100_000}, ["timeout"]),
        ({"success": "9xx"}, ["success"]),
        ({"meta": [1]}, ["meta"]),
        ({"run_at": "soon"}, ["run_at"]),
    ],
)
async def test_the_rules_are_those_of_an_add_and_a_broken_one_changes_nothing(api, fields, named):
    uid = await api.add(URL, **LATER)
    before = await api.get(f"/job/{uid}")
    assert paths(await patch(api, uid, **fields)) == named
    assert await api.get(f"/job/{uid}") == before
    added = await api.ask("POST", "/add", json={"url": URL, **fields})
    assert paths(added) == named


@pytest.mark.parametrize("where", ["query", "form", "both"])
async def test_a_form_or_a_query_edits_as_curl_sends_it(api, where):
    uid = await api.add(URL, body="x", **LATER)
    fields = [{"priority": "5", "headers": '{"X": "y"}'}, {"method": "PUT", "meta": '{"a": 1}'}]
    query, form = {"query": (fields[0] | fields[1], None), "form": ({}, fields[0] | fields[1]), "both": fields}[where]
    answer = await api.ask("PATCH", f"/job/{uid}", params=query, data=form)
    assert answer.status == 200
    job = await api.get(f"/job/{uid}")
    assert (job["priority"], job["headers"], job["method"], job["meta"], job["body"]) == (
        5, {"X": "y"}, "PUT", {"a": 1}, "x",
    )  # fmt: skip


async def test_what_is_no_object_and_no_form_is_refused(api):
    uid = await api.add(URL, **LATER)
    for body in ("[]", "{", "7"):
        answer = await api.ask("PATCH", f"/job/{uid}", data=body, headers={"Content-Type": "application/json"})
        assert error(answer) == (400, "malformed")
    answer = await api.ask("PATCH", f"/job/{uid}", data="x", headers={"Content-Type": "text/plain"})
    assert error(answer) == (415, "unsupported-media-type")
    assert paths(await api.ask("PATCH", f"/job/{uid}?priority=1", json={"method": "PUT"})) == ["priority"]
    assert (await api.ask("PATCH", f"/job/{uid}", json={})).status == 200


async def test_what_has_begun_ended_or_is_not_there_is_told(api, target):
    uid = await api.add(f"{target.url}/hang")
    await api.until(uid, "running")
    assert error(await patch(api, uid, priority=1)) == (409, "wrong-state")
    target.released.set()
    assert (await api.get(f"/job/{uid}/wait"))["state"] == "completed"
    answer = await patch(api, uid, priority=1)
    assert (error(answer), "completed" in answer.body["detail"]) == ((409, "wrong-state"), True)
    assert error(await patch(api, "nonsense", priority=1)) == (404, "not-found")


async def test_the_call_is_the_one_that_was_edited(api, target):
    uid = await api.add(f"{target.url}/fail", **LATER)
    await patch(api, uid, url=f"{target.url}/ok", delay=0)
    job = await api.get(f"/job/{uid}/wait")
    assert (job["state"], job["url"], target.jobs) == ("completed", f"{target.url}/ok", [uid])


async def test_credentials_of_a_new_url_take_the_place_of_earlier_ones(api):
    uid = await api.add("http://a:b@c.example/", headers={"X": "y"}, **LATER)
    await patch(api, uid, url="http://d:e@f.example/")
    headers = (await api.get(f"/job/{uid}?reveal=1"))["headers"]
    assert headers == {"X": "y", "Authorization": "Basic ZDpl"}


async def test_a_new_queue_is_one_of_those_that_may_be(tmp_path):
    async with Api(tmp_path, max_queues=2) as api:
        first, second = [await api.add(URL, **LATER) for _ in range(2)]
        assert (await patch(api, first, queue="one")).status == 200
        assert paths(await patch(api, second, queue="two")) == ["queue"]
        assert (await api.get(f"/job/{second}"))["queue"] == "default"


async def test_the_defaults_of_a_queue_are_those_of_a_job_in_it(api):
    await api.ask("PUT", "/queues/mails", json={"defaults": {"timeout": 7, "priority": 3}})
    uid = await api.add(URL, queue="mails", timeout=20, **LATER)
    assert (await edited(api, uid, timeout=None))["timeout"] == 7
    moved = await api.add(URL, **LATER)
    job = await edited(api, moved, queue="mails")
    assert (job["timeout"], job["priority"]) == (300, 0)


async def test_a_new_url_takes_no_headers_from_the_defaults_of_the_queue(api):
    await api.ask("PUT", "/queues/mails", json={"defaults": {"headers": {"Authorization": "theirs", "X-Q": "q"}}})
    uid = await api.add(URL, queue="mails", headers={"Authorization": "mine"}, **LATER)
    assert (await patch(api, uid, url="http://b.example/")).status == 200
    assert (await api.get(f"/job/{uid}?reveal=1"))["headers"] == {"Authorization": "mine"}
    assert (await patch(api, uid, url="http://d:e@f.example/")).status == 200
    assert (await api.get(f"/job/{uid}?reveal=1"))["headers"] == {"Authorization": "Basic ZDpl"}


async def test_what_is_shown_masked_never_takes_the_place_of_a_secret(api):
    secret = {"url": "http://a.example/?token=t", "headers": {"Authorization": "a", "X-U": "http://u:p@b.example/"}}
    uid = await api.add(**secret, callback=secret, **LATER)
    shown = await api.get(f"/job/{uid}")
    for name, named in (
        ("url", ["url"]),
        ("headers", ["headers.Authorization", "headers.X-U"]),
        ("callback", ["callback.headers.Authorization", "callback.headers.X-U", "callback.url"]),
    ):
        assert paths(await patch(api, uid, **{name: shown[name]})) == named
        assert paths(await api.ask("POST", "/add", json={"url": URL, name: shown[name]})) == named
    job = await api.get(f"/job/{uid}?reveal=1")
    assert {name: job[name] for name in secret} == secret
    assert job["callback"].items() >= secret.items()
