"""What an application answers with and is told: outcomes by header and status, callbacks when a job has ended."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
import structlog
from aiohttp import web

from taskpusher_node.outcomes import RULE

from .harness import Api, error, paths

URL = "http://a.example/x"
LATER = {"delay": 3_600}
M = "[masked]"


class Application:
    """Answers a call as its query asks, and keeps what was told to /told."""

    def __init__(self) -> None:
        self.url = ""
        self.told: list[tuple[dict, dict]] = []
        self.status = 200

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a call."""
        if request.path == "/told":
            self.told.append((dict(request.headers), await request.json()))
            return web.Response(status=self.status)
        names = {"outcome": "TaskPusher-Outcome", "after": "Retry-After"}
        given = {header: request.query[name] for name, header in names.items() if name in request.query}
        return web.Response(status=int(request.query.get("status", "200")), headers=given)


@pytest.fixture
async def application(serve):
    application = Application()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", application.answer)
    application.url = await serve(app)
    return application


async def callbacks(api: Api, state: str) -> list[dict]:
    """Return the callbacks in a state."""
    listed = (await api.get(f"/jobs/{state}?queue=callbacks"))["jobs"]
    return [await api.get(f"/job/{job['uid']}") for job in listed]


async def callback(api: Api, state: str = "completed") -> dict:
    """Wait for the one callback."""
    async with asyncio.timeout(10):
        while not (found := await callbacks(api, state)):
            await asyncio.sleep(0.005)
    [job] = found
    return job


# -- what an answer asks for


async def test_a_snooze_is_told_in_words_by_why_and_log(api, application):
    with structlog.testing.capture_logs() as lines:
        uid = await api.add(f"{application.url}/?{urlencode({'outcome': 'snooze; after=60'})}")
        job = await api.until(uid, "scheduled")
    told = await api.get(f"/job/{uid}/why")
    words = f"its application asked to be called again at {job['due_at']}"
    assert (job["snoozes"], job["tries"], job["attempt"], job["error"]) == (1, 0, 1, None)
    assert (told["why"], told["facts"]["snoozes"], told["facts"]["snoozed"]) == (words, 1, 60.0)
    [line] = [line for line in lines if line["event"] == "call"]
    assert (line["result"], line["state"], line["error"]) == ("snoozed", "scheduled", words)
    await api.stop()
    await api.start()
    assert (await api.get(f"/job/{uid}/why"))["why"] == words


async def test_429_with_retry_after_is_a_snooze_and_fails_no_target(api, application):
    uid = await api.add(f"{application.url}/?status=429&after=120")
    assert (await api.until(uid, "scheduled"))["snoozes"] == 1
    [target] = (await api.get("/targets"))["targets"]
    assert target["error_share"] == 0
    assert (await api.ask("POST", f"/job/{uid}/run")).status == 200


@pytest.mark.parametrize("query", [{"outcome": "fail"}, {"status": 410}])
async def test_fail_and_410_use_no_other_try_and_are_grouped(api, application, query):
    uid = await api.add(f"{application.url}/?{urlencode(query)}", max_attempts=9)
    job = await api.until(uid, "error")
    assert (job["tries"], job["error"]["kind"]) == (1, "failed")
    [group] = (await api.get("/errors"))["groups"]
    assert (group["class"], group["sample_uid"]) == ("failed", uid)
    assert [listed["uid"] for listed in (await api.get("/jobs/errors?error=failed"))["jobs"]] == [uid]


async def test_an_outcome_that_cannot_be_read_says_the_rule(api, application):
    uid = await api.add(f"{application.url}/?outcome=snoze")
    assert (await api.until(uid, "error"))["error"] == {"kind": "outcome", "message": RULE, "status": 200}


# -- who is told


async def test_a_callback_is_told_the_job_as_it_is_shown_with_secrets_masked(api, application):
    asked = {"url": f"{application.url.replace('//', '//joe:pw@')}/told?token=s", "headers": {"X-Pin": "s", "X-A": "b"}}
    fields = {"headers": {"Cookie": "s"}, "redact": ["x-pin"], "callback": asked, "meta": {"a": 1}, "body": {"b": 2}}
    uid = await api.add(f"{application.url}/?status=500", method="POST", **fields)
    job = await callback(api)
    [(headers, body)] = application.told
    assert body == await api.get(f"/job/{uid}")
    assert (body["state"], body["headers"]["Cookie"], body["callback_of"]) == ("error", M, None)
    shown = {"X-Pin": M, "X-A": "b", "Authorization": M}
    assert body["callback"] == {
        "url": f"{application.url}/told?token={M}",
        "headers": shown,
        "on": ["completed", "error", "cancelled"],
        "max_attempts": 10,
    }
    assert (headers["X-Pin"], headers["X-A"], headers["Content-Type"]) == ("s", "b", "application/json")
    assert headers["Authorization"] == "Basic am9lOnB3"
    assert (headers["TaskPusher-Job"], headers["TaskPusher-Queue"]) == (job["uid"], "callbacks")
    assert (job["callback_of"], job["callback"], job["headers"], job["method"]) == (uid, None, shown, "POST")
    revealed = await api.get(f"/job/{uid}?reveal=1")
    assert revealed["callback"]["headers"]["X-Pin"] == "s"
    assert revealed["callback"]["url"] == f"{application.url}/told?token=s"


@pytest.mark.parametrize("form", [False, True])
async def test_a_url_alone_is_told_of_every_end(api, application, form):
    fields = {"url": URL, "delay": "60", "callback": f"{application.url}/told"}
    added = await api.ask("POST", "/add", **({"data": fields} if form else {"json": fields | {"delay": 60}}))
    assert (await api.ask("POST", f"/job/{added.body['uid']}/cancel")).status == 200
    assert (await callback(api))["callback_of"] == added.body["uid"]
    assert application.told[0][1]["state"] == "cancelled"


async def test_a_form_may_give_the_object_as_json(api):
    asked = {"url": "http://b.example/", "on": ["error"], "max_attempts": 3}
    answer = await api.ask("POST", "/add", data={"url": URL, "delay": "60", "callback": json.dumps(asked)})
    job = await api.get(f"/job/{answer.body['uid']}")
    assert job["callback"] == {**asked, "headers": {}}


async def test_a_callback_that_fails_is_retried_and_its_end_is_told_to_nobody(api, application):
    application.status = 500
    uid = await api.add(f"{application.url}/", callback={"url": f"{application.url}/told", "max_attempts": 1})
    failed = await callback(api, "error")
    assert (failed["callback_of"], failed["error"]["status"], failed["max_attempts"]) == (uid, 500, 1)
    assert len(application.told) == 1
    application.status = 204
    assert (await api.ask("POST", f"/job/{failed['uid']}/retry")).status == 200
    await api.until(failed["uid"], "completed")
    assert (len(application.told), await callbacks(api, "waiting")) == (2, [])


async def test_a_callback_to_an_address_that_is_denied_fails_alone(tmp_path, application):
    denied = f"{application.url.replace('127.0.0.1', '127.0.0.2')}/told"
    async with Api(tmp_path, deny="127.0.0.2") as api:
        uid = await api.add(f"{application.url}/", callback=denied)
        failed = await callback(api, "error")
        assert (failed["error"]["kind"], failed["callback_of"]) == ("denied", uid)
        assert (await api.get(f"/job/{uid}"))["state"] == "completed"


async def test_callbacks_show_only_where_their_queue_is_named(api, application):
    assert "callbacks" not in [queue["name"] for queue in (await api.get("/queues"))["queues"]]
    assert (await api.ask("PUT", "/queues/callbacks")).status == 201
    assert (await api.ask("POST", "/queues/callbacks/pause")).status == 200
    uid = await api.add(URL, callback=f"{application.url}/told", **LATER)
    assert (await api.ask("POST", "/jobs/scheduled/cancel")).body["done"] == 1
    [told] = await callbacks(api, "waiting")
    assert ((await api.get("/jobs/waiting"))["jobs"], told["callback_of"]) == ([], uid)
    for queue in ("default", "callbacks", None):
        assert paths(await api.ask("PATCH", f"/job/{told['uid']}", json={"queue": queue})) == ["queue"]
    assert (await api.ask("PATCH", f"/job/{told['uid']}", json={"priority": 1})).status == 200
    assert (await api.ask("POST", "/jobs/waiting/cancel")).body["done"] == 0
    assert (await api.ask("POST", "/jobs/waiting/cancel?queue=callbacks")).body["done"] == 1


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (5, "callback"),
        ([], "callback"),
        ("ftp://a/", "callback.url"),
        ({}, "callback.url"),
        ({"url": None}, "callback.url"),
        ({"url": "http://a/\r\nX: y"}, "callback.url"),
        ({"url": URL, "headers": {"Host": "a"}}, "callback.headers.Host"),
        ({"url": URL, "headers": {"X-A": "\x00"}}, "callback.headers.X-A"),
        ({"url": URL, "headers": []}, "callback.headers"),
        ({"url": "http://a:b@c/", "headers": {"Authorization": "x"}}, "callback.url"),
        ({"url": URL, "on": []}, "callback.on"),
        ({"url": URL, "on": ["running"]}, "callback.on"),
        ({"url": URL, "max_attempts": 0}, "callback.max_attempts"),
        ({"url": URL, "max_attempts": 1_001}, "callback.max_attempts"),
        ({"url": URL, "on_": ["error"]}, "callback.on_"),
    ],
)
async def test_a_broken_rule_of_a_callback_is_named(api, given, path):
    answers = [await api.ask("POST", "/add", json={"url": URL, "callback": given, **LATER})]
    if isinstance(given, str | dict):
        text = given if isinstance(given, str) else json.dumps(given)
        answers.append(await api.ask("POST", "/add", data={"url": URL, "callback": text}))
    for answer in answers:
        assert paths(answer) == [path]
    assert (await api.get("/stats"))["states"]["scheduled"] == 0


async def test_all_broken_rules_of_a_callback_are_named_at_once(api):
    given = {"url": "ftp://a/", "headers": {"Host": "a"}, "on": "x", "z": 1}
    answer = await api.ask("POST", "/add", json={"url": "ftp://b/", "callback": given})
    assert paths(answer) == ["callback.headers.Host", "callback.on", "callback.url", "callback.z", "url"]


async def test_the_queue_of_callbacks_takes_no_other_jobs(api):
    answer = await api.ask("POST", "/add", json={"url": URL, "queue": "callbacks"})
    assert (error(answer), paths(answer)) == ((422, "invalid-field"), ["queue"])
