"""Jobs that hold each other, over HTTP: ordered lines and unique texts."""

import asyncio

import pytest

from .harness import Api, Target, error, paths
from .test_why import reason

KEY = {"key": "k", "ordered": True}


async def put(api: Api, status: int = 201, **fields: object) -> dict:
    """Add a job and return what is answered."""
    answer = await api.ask("POST", "/add", json=fields)
    assert answer.status == status, answer.body
    return answer.body


async def running(api: Api, target: Target, **fields: object) -> str:
    """Add a job that runs until the target is released."""
    uid = await api.add(f"{target.url}/hang", **fields)
    await api.until(uid, "running")
    return uid


@pytest.mark.parametrize(
    ("fields", "broken"),
    [
        ({"ordered": True}, {"ordered"}),
        (KEY | {"priority": 1}, {"priority"}),
        (KEY | {"delay": 0, "priority": 0}, {"delay", "priority"}),
        (KEY | {"run_at": "2026-11-24T23:13:32Z"}, {"run_at"}),
        ({"key": ""}, {"key"}),
        ({"key": "x" * 513}, {"key"}),
        ({"key": "ü" * 257}, {"key"}),
        ({"key": "a\u0000b"}, {"key"}),
        ({"unique": "a\nb"}, {"unique"}),
        ({"unique": "ü" * 257, "key": "\u007f"}, {"unique", "key"}),
        ({"on_conflict": "keep"}, {"on_conflict"}),
        ({"unique": "t", "on_conflict": "skip"}, {"on_conflict"}),
        ({"key": "k", "ordered": "yes"}, {"ordered"}),
    ],
)
async def test_a_broken_rule_is_named(api, target, fields: dict, broken: set[str]):
    answer = await api.ask("POST", "/add", json={"url": f"{target.url}/ok"} | fields)
    assert set(paths(answer)) == broken


async def test_a_text_may_have_512_bytes_and_any_letters(api, target):
    for text in ("ü" * 256, "x" * 512, "<b>'\"`{}%00\\", "日本"):
        uid = await api.add(f"{target.url}/ok", key=text, unique=text, ordered=True)
        job = await api.get(f"/job/{uid}/wait")
        assert (job["key"], job["unique"], job["ordered"], job["state"]) == (text, text, True, "completed")


async def test_a_form_says_it_too(api, target):
    first = await running(api, target, key="k", unique="t")
    form = {"url": f"{target.url}/ok", "key": "k", "ordered": "true", "unique": "t", "on_conflict": "after"}
    answer = await api.ask("POST", "/add", data=form)
    uid = answer.body["uid"]
    job = await api.get(f"/job/{uid}")
    assert (answer.status, job["ordered"], job["on_conflict"], job["held_by"]) == (201, True, "after", "unique")
    target.released.set()
    assert (await api.get(f"/job/{uid}/wait"))["state"] == "completed"
    assert uid != first


async def test_a_line_runs_in_order_whatever_its_jobs_end_as(api, target):
    first = await running(api, target, **KEY)
    uids = [await api.add(f"{target.url}{path}", **KEY) for path in ("/fail", "/ok", "/ok")]
    told = {job["uid"]: (job["held_by"], job["key"]) for job in (await api.get("/jobs/waiting"))["jobs"]}
    assert told == dict.fromkeys(uids, ("order", "k"))
    target.released.set()
    jobs = [await api.get(f"/job/{uid}/wait") for uid in uids]
    assert [job["state"] for job in jobs] == ["error", "completed", "completed"]
    assert [job["held_by"] for job in jobs] == [None] * 3
    ended = [(await api.get(f"/job/{first}"))["ended_at"], *(job["ended_at"] for job in jobs)]
    started = [job["started_at"] for job in jobs]
    assert all(end <= start for end, start in zip(ended, started, strict=False))


async def test_a_line_of_many_runs_while_others_do(api, target):
    lines = [[await api.add(f"{target.url}/ok", key=key, ordered=True) for _ in range(20)] for key in "abc"]
    jobs = {uid: await api.get(f"/job/{uid}/wait") for line in lines for uid in line}
    for line in lines:
        starts = [jobs[uid]["attempts"][0]["started_at"] for uid in line]
        assert starts == sorted(starts)
        assert {jobs[uid]["state"] for uid in line} == {"completed"}


async def test_a_cancelled_first_holds_its_line_until_its_call_is_closed(api, target):
    first = await running(api, target, **KEY)
    uid = await api.add(f"{target.url}/ok", **KEY)
    await api.ask("POST", f"/job/{first}/cancel")
    assert (await api.get(f"/job/{uid}/wait"))["state"] == "completed"


async def test_a_held_job_takes_no_run_and_a_retried_one_joins_the_end(api, target):
    failed = await api.add(f"{target.url}/fail", **KEY)
    await api.get(f"/job/{failed}/wait")
    await running(api, target, **KEY)
    uid = await api.add(f"{target.url}/ok", **KEY)
    answer = await api.ask("POST", f"/job/{uid}/run")
    assert error(answer) == (409, "wrong-state")
    assert "held by another job" in answer.body["detail"]
    retried = await api.ask("POST", f"/job/{failed}/retry")
    assert (retried.status, retried.body["held_by"]) == (200, "order")
    assert (await reason(api, failed))[2]["ahead"] == 2
    target.released.set()
    done, again = [await api.get(f"/job/{one}/wait") for one in (uid, failed)]
    assert done["ended_at"] <= again["started_at"]


async def test_keep_tells_the_job_that_is_there(api, target):
    url = f"{target.url}/ok"
    uid = await api.add(url, unique="t", delay=60)
    assert await put(api, 200, url=url, unique="t") == {"uid": uid, "deduplicated": True}
    assert (await api.get("/stats"))["states"]["scheduled"] == 1


async def test_replace_with_a_delay_calls_only_the_last_of_a_burst(api, target):
    url = f"{target.url}/ok"
    uid = await api.add(url, unique="t", on_conflict="replace", delay=60, body="1")
    answer = await put(api, 200, url=url, unique="t", on_conflict="replace", delay=0, body="2")
    assert answer == {"uid": uid, "replaced": True}
    job = await api.get(f"/job/{uid}/wait")
    assert (job["state"], job["body"], len(job["attempts"])) == ("completed", "2", 1)


async def test_an_update_while_one_runs_comes_after_it(api, target):
    await running(api, target, unique="t")
    url = f"{target.url}/ok"
    uid = (await put(api, url=url, unique="t", on_conflict="after", body="1"))["uid"]
    assert await put(api, 200, url=url, unique="t", on_conflict="after", body="2") == {"uid": uid, "replaced": True}
    assert await put(api, 200, url=url, unique="t") == {"uid": uid, "deduplicated": True}
    assert (await api.get(f"/job/{uid}"))["held_by"] == "unique"
    target.released.set()
    job = await api.get(f"/job/{uid}/wait")
    assert (job["state"], job["body"], job["held_by"]) == ("completed", "2", None)


async def test_jobs_of_an_array_see_each_other(api, target):
    url = f"{target.url}/ok"
    jobs = [{"url": url, "unique": "t", "delay": 60, "on_conflict": how} for how in ("keep", "keep", "replace")]
    answer = await api.ask("POST", "/add", json=jobs)
    uid = answer.body[0]["uid"]
    assert (answer.status, answer.body) == (
        201,
        [
            {"uid": uid, "status": 201},
            {"uid": uid, "status": 200, "deduplicated": True},
            {"uid": uid, "status": 200, "replaced": True},
        ],
    )


async def test_adds_at_the_same_time_make_one_job(api, target):
    url = f"{target.url}/ok"
    told = await asyncio.gather(
        *(api.ask("POST", "/add", json={"url": url, "unique": "t", "delay": 60}) for _ in range(20))
    )
    assert sorted(answer.status for answer in told) == [200] * 19 + [201]
    assert len({answer.body["uid"] for answer in told}) == 1


async def test_a_finished_one_is_not_retried_while_another_of_its_text_is_unfinished(api, target):
    url = f"{target.url}/fail"
    failed = await api.add(url, unique="t")
    await api.get(f"/job/{failed}/wait")
    uid = await api.add(url, unique="t", delay=60)
    answer = await api.ask("POST", f"/job/{failed}/retry")
    assert error(answer) == (409, "wrong-state")
    assert uid in answer.body["detail"]
    await api.ask("POST", f"/job/{uid}/cancel")
    assert (await api.ask("POST", f"/job/{failed}/retry")).status == 200


async def test_an_idempotency_key_of_an_add_that_stood_back_answers_the_same(api, target):
    url = f"{target.url}/ok"
    uid = await api.add(url, unique="t", delay=60)
    kept = {"url": url, "unique": "t", "idempotency_key": "1"}
    replaced = kept | {"on_conflict": "replace", "delay": 60, "idempotency_key": "2"}
    for fields in (kept, replaced):
        assert (await put(api, 200, **fields))["uid"] == uid
    await api.ask("POST", f"/job/{uid}/cancel")
    for fields in (kept, replaced):
        assert await put(api, 200, **fields) == {"uid": uid}
    assert error(await api.ask("POST", "/add", json=kept | {"delay": 1}))[0] == 422


async def test_why_names_who_holds_a_job(api, target):
    first = await running(api, target, **KEY)
    uids = [await api.add(f"{target.url}/ok", **KEY) for _ in range(2)]
    name, sentence, facts = await reason(api, uids[1])
    assert (name, facts["first"], facts["ahead"], facts["more"], facts["closing"]) == ("order", first, 2, False, False)
    assert sentence == f"jobs of its key run one at a time, in order: 2 jobs go before it, first {first}"
    other = await running(api, target, unique="t")
    uid = await api.add(f"{target.url}/ok", unique="t", on_conflict="after")
    name, sentence, facts = await reason(api, uid)
    assert (name, facts["uid"]) == ("unique", other)
    assert sentence == f"it follows {other}, which has its unique text and has not ended"
