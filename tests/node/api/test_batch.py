"""POST /add with the envelopes of a router: each is answered as if it had come alone."""

import json

import pytest
from yarl import URL

from taskpusher import uid as uids
from taskpusher.adding import ADDS
from taskpusher_node.store.base import StoreBusy, StoreUnknown

from .harness import Api, error

JOB = {"url": "http://a.example/", "delay": 3_600}
FORM = "url=http://a.example/&delay=3600"
TYPE = {"Content-Type": ADDS}


async def _batch(api, *envelopes, **sent):
    return await api.ask("POST", "/add", data=json.dumps(envelopes), headers={**TYPE, **sent})


async def _stored(api):
    return sum((await api.get("/stats"))["states"].values())


async def test_each_envelope_becomes_a_job_in_order(api):
    answer = await _batch(api, {"json": {**JOB, "priority": 1}}, {"form": FORM + "&priority=2"})
    assert (answer.status, [set(item) for item in answer.body]) == (200, [{"uid", "status"}] * 2)
    assert [item["status"] for item in answer.body] == [201, 201]
    assert [(await api.get(f"/job/{item['uid']}"))["priority"] for item in answer.body] == [1, 2]


async def test_no_envelopes_are_no_jobs(api):
    answer = await _batch(api)
    assert (answer.status, answer.body) == (200, [])


async def test_a_uid_is_filled_in_where_the_job_names_none(api):
    given, own = uids.mint("n1"), uids.mint("n1")
    answer = await _batch(
        api, {"uid": given, "json": JOB}, {"uid": uids.mint("n1"), "json": {**JOB, "uid": own}}, {"json": JOB}
    )
    assert [item["uid"] for item in answer.body[:2]] == [given, own]
    again = await _batch(api, {"uid": given, "json": JOB}, {"uid": given, "json": {**JOB, "priority": 9}})
    assert again.body[0] == {"uid": given, "status": 200}
    assert again.body[1]["error"]["type"] == "conflict"
    assert await _stored(api) == 3


async def test_a_uid_of_another_store_is_refused(api):
    answer = await _batch(api, {"uid": uids.mint("other"), "json": JOB}, {"json": JOB})
    assert answer.body[0]["error"]["errors"] == [{"path": "uid", "rule": "of the store other, and this one is n1"}]
    assert answer.body[1]["status"] == 201


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"url": "nothing"},
        {**JOB, "typo": 1},
        {**JOB, "uid": 5},
        {**JOB, "uid": "x", "priority": 1_000},
        [JOB],
        None,
        "text",
        5,
    ],
)
async def test_what_is_wrong_with_a_job_is_told_as_if_it_had_come_alone(api, job):
    text = json.dumps(5 if isinstance(job, list) else job)  # a list alone would be many
    alone = await api.ask("POST", "/add", data=text, headers={"Content-Type": "application/json"})
    answer = await _batch(api, {"json": JOB}, {"json": job}, {"form": FORM})
    assert answer.status == 200
    assert answer.body[1] == {"error": alone.body}
    assert await _stored(api) == 2


@pytest.mark.parametrize("form", ["", "url=nothing", FORM + "&typo=1", FORM + "&delay=1", "%ff", "a=1&" * 200])
async def test_what_is_wrong_with_a_form_is_told_as_if_it_had_come_alone(api, form):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    alone = await api.ask("POST", "/add", data=form.encode() or b" =", headers=kind)
    answer = await _batch(api, {"form": form or " ="})
    assert answer.body == [{"error": alone.body}]


async def test_the_fields_of_a_job_do_what_they_do_alone(api):
    kept = {**JOB, "unique": "a"}
    first, other = await _batch(api, {"json": kept}), await _batch(api, {"json": kept}, {"json": JOB})
    uid = first.body[0]["uid"]
    assert other.body[0] == {"uid": uid, "status": 200, "deduplicated": True}
    replaced = await _batch(api, {"json": {**kept, "on_conflict": "replace"}})
    assert replaced.body[0]["replaced"] is True


async def test_the_headers_of_a_client_go_with_its_job(api):
    trace = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "b\u0001",
        "x": "y",
    }
    answer = await _batch(api, {"json": JOB, "trace": trace, "keys": ['"k 1"']}, {"json": JOB, "keys": ["k 1"]})
    assert answer.body[1] == {"uid": answer.body[0]["uid"], "status": 200}
    view = api.node._dispatcher._store.get(answer.body[0]["uid"])
    assert view.spec.trace == {"traceparent": trace["traceparent"]}
    wrong = await _batch(
        api, {"json": JOB, "keys": ["a", "b"]}, {"json": {**JOB, "idempotency_key": "a"}, "keys": ["b"]}
    )
    assert [item["error"]["errors"][0]["path"] for item in wrong.body] == ["Idempotency-Key"] * 2


@pytest.mark.parametrize("envelope", [{}, {"json": JOB, "form": FORM}, {"uid": uids.mint("n1")}])
async def test_an_envelope_without_one_job_stands_for_none(api, envelope):
    answer = await _batch(api, envelope, {"json": JOB})
    assert (answer.body[0]["error"]["type"], answer.body[1]["status"]) == ("malformed", 201)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"{}", b"[5]", b'[{"json": {}, "typo": 1}]', b'[{"form": 5}]', b'[{"json": {}, "uid": 5}]', b"\xff"],
)
async def test_what_is_no_array_of_envelopes_is_refused_as_a_whole(api, text):
    answer = await api.ask("POST", "/add", data=text, headers=TYPE)
    assert error(answer) == (400, "malformed")


async def test_what_is_said_beside_the_envelopes_is_refused(api):
    answer = await api.ask(
        "POST", str(URL("/add").with_query(queue="x")), data=json.dumps([{"json": JOB}]), headers=TYPE
    )
    assert error(answer) == (422, "invalid-field")
    assert error(await _batch(api, {"json": JOB}, **{"Idempotency-Key": "a"})) == (422, "invalid-field")
    assert await _stored(api) == 0


async def test_a_drained_node_refuses_the_whole(api):
    await api.ask("POST", "/drain")
    assert error(await _batch(api, {"json": JOB})) == (503, "draining")


@pytest.mark.parametrize(("failure", "kind"), [(StoreUnknown("x"), "unknown-outcome"), (StoreBusy("x"), "stalled")])
async def test_what_fails_for_all_is_the_answer_to_the_whole(api, monkeypatch, failure, kind):
    async def fail(_):
        raise failure

    monkeypatch.setattr(api.node._dispatcher._store, "put_new", fail)
    assert error(await _batch(api, {"json": JOB}, {"json": {}})) == (503, kind)


async def test_all_of_a_batch_is_one_write(api, monkeypatch):
    store = api.node._dispatcher._store
    put, calls = store.put_new, []

    async def count(jobs):
        calls.append(len(jobs))
        return await put(jobs)

    monkeypatch.setattr(store, "put_new", count)
    await _batch(api, *[{"json": JOB}] * 300)
    assert calls == [300]


async def test_a_batch_is_durable_when_it_is_answered(tmp_path):
    async with Api(tmp_path) as api:
        answer = await _batch(api, *[{"uid": uids.mint("n1"), "json": JOB} for _ in range(50)])
        await api.stop()
        await api.start()
        for item in answer.body:
            assert (await api.get(f"/job/{item['uid']}"))["state"] == "scheduled"


async def test_what_was_not_stored_is_counted(api):
    await _batch(api, {"json": {}}, {"json": JOB}, {"json": 5})
    assert await _told(api, "invalid-field") == await _told(api, "malformed") == 1


async def _told(api, kind):
    async with api._http.get(api.url + "/metrics") as answer:
        lines = (await answer.text()).splitlines()
    (line,) = [line for line in lines if line.startswith(f'taskpusher_jobs_rejected_total{{reason="{kind}"}}')]
    return float(line.split()[-1])
