"""Limits over HTTP: of an add, by hand, listed, and told."""

import asyncio
import json
from urllib.parse import quote

import pytest

from .harness import Api, error, paths
from .test_why import reason

LIMIT = {"key": "customer-7", "concurrency": 1, "rate": None, "per": 1.0}


async def test_jobs_of_a_key_run_one_at_a_time_and_the_others_beside_them(api, target):
    held = [await api.add(f"{target.url}/hang", limit=LIMIT) for _ in range(3)]
    other = await api.add(f"{target.url}/ok")
    assert (await api.get(f"/job/{other}/wait"))["state"] == "completed"
    await api.until(held[0], "running")
    assert await api.get("/limits/customer-7") == {**LIMIT, "pinned": False, "running": 1, "waiting": 2}
    assert (await api.get(f"/job/{held[0]}"))["limit"] == LIMIT
    assert (await api.get(f"/job/{other}"))["limit"] is None
    target.released.set()
    assert [(await api.get(f"/job/{uid}/wait"))["state"] for uid in held] == ["completed"] * 3
    assert error(await api.ask("GET", "/limits/customer-7")) == (404, "not-found")


@pytest.mark.parametrize("how", ["form", "query", "json", "array"])
async def test_a_limit_is_taken_from_every_kind_of_add(api, target, how):
    fields = {"url": f"{target.url}/hang", "limit": json.dumps({"key": "ä/b", "rate": 0.5, "per": 60})}
    match how:
        case "form":
            answer = await api.ask("POST", "/add", data=fields)
        case "query":
            answer = await api.ask("POST", "/add", params=fields)
        case "json":
            answer = await api.ask("POST", "/add", json=fields | {"limit": json.loads(fields["limit"])})
        case _:
            answer = await api.ask("POST", "/add", json=[fields | {"limit": json.loads(fields["limit"])}])
    assert answer.status in (200, 201)
    told = await api.get(f"/limits/{quote('ä/b', safe='')}")
    assert (told["key"], told["concurrency"], told["rate"], told["per"]) == ("ä/b", None, 0.5, 60)


@pytest.mark.parametrize(
    ("limit", "path"),
    [
        ({"key": "k"}, "limit.concurrency"),
        ({"concurrency": 1}, "limit.key"),
        ({"key": "", "concurrency": 1}, "limit.key"),
        ({"key": "a\nb", "concurrency": 1}, "limit.key"),
        ({"key": "ä" * 257, "concurrency": 1}, "limit.key"),
        ({"key": "k", "concurrency": 0}, "limit.concurrency"),
        ({"key": "k", "concurrency": True}, "limit.concurrency"),
        ({"key": "k", "rate": 0}, "limit.rate"),
        ({"key": "k", "rate": 5e-324}, "limit.rate"),
        ({"key": "k", "rate": 1, "per": 0}, "limit.per"),
        ({"key": "k", "rate": 1, "per": 5e-324}, "limit.per"),
        ({"key": "k", "rate": 1, "per": 86_401}, "limit.per"),
        ({"key": "k", "concurrency": 1, "per": 60}, "limit.per"),
        ({"key": "k", "rate": 1, "burst": 2}, "limit.burst"),
        ("k", "limit"),
    ],
)
async def test_a_bad_limit_is_named_and_stores_nothing(api, limit, path):
    assert paths(await api.ask("POST", "/add", json={"url": "http://a/", "limit": limit})) == [path]
    assert paths(await api.ask("POST", "/add", data={"url": "http://a/", "limit": json.dumps(limit)})) == [path]
    assert await api.get("/limits") == {"limits": [], "last_key": None}


async def test_a_key_of_512_bytes_is_taken(api):
    key = "ä" * 256
    assert (await api.ask("PUT", f"/limits/{quote(key)}?concurrency=3")).body["key"] == key


@pytest.mark.parametrize("key", ["customer-7", "a/b c", "100%", "%2F", "ключ", "a?b#c", "<b>"])
async def test_a_key_is_fixed_by_hand_over_a_restart_and_let_go(tmp_path, target, key):
    async with Api(tmp_path) as api:
        path = f"/limits/{quote(key, safe='')}"
        put = await api.ask("PUT", path, data={"concurrency": "2", "rate": "100", "per": "10"})
        told = {"key": key, "concurrency": 2, "rate": 100.0, "per": 10.0, "pinned": True, "running": 0, "waiting": 0}
        assert (put.status, put.body) == (200, told)
        await api.stop()
        await api.start()
        await api.get(f"/job/{await api.add(f'{target.url}/ok', limit={'key': key, 'concurrency': 9})}/wait")
        assert await api.get(path) == told
        assert await api.get("/limits") == {"limits": [told], "last_key": None}
        for _ in range(2):
            assert (await api.ask("DELETE", path)).status == 204
        await api.add(f"{target.url}/hang", limit={"key": key, "concurrency": 9})
        told = await api.get(path)
        assert (told["concurrency"], told["rate"], told["pinned"]) == (9, None, False)


@pytest.mark.parametrize(
    ("query", "named"),
    [("", "concurrency"), ("?per=2", "concurrency"), ("?rate=0", "rate"), ("?concurrency=1.5", "concurrency"),
     ("?rate=1&per=0", "per"), ("?rate=1e-300", "rate"), ("?concurrency=1&per=2", "per"), ("?burst=1", "burst")],
)  # fmt: skip
async def test_bad_numbers_are_named_and_fix_nothing(api, query, named):
    assert paths(await api.ask("PUT", f"/limits/k{query}")) == [named]
    assert (await api.get("/limits"))["limits"] == []


async def test_a_key_is_fixed_by_json_too(api):
    told = await api.ask("PUT", "/limits/k", json={"concurrency": 2, "rate": None})
    assert (told.status, told.body["concurrency"], told.body["rate"]) == (200, 2, None)
    assert paths(await api.ask("PUT", "/limits/k", json={"rate": "2", "burst": 1})) == ["burst", "rate"]
    assert error(await api.ask("PUT", "/limits/k", json=[])) == (400, "malformed")


@pytest.mark.parametrize(("rate", "per"), [(0.000_001, 86_400), (1_000_000, 0.001), (0.000_001, 0.001)])
async def test_the_smallest_and_largest_numbers_stop_no_node(api, target, rate, per):
    await api.ask("PUT", f"/queues/slow?rate={rate}&per={per}")
    limit = {"key": "k", "rate": rate, "per": per}
    ways = [{"limit": limit}, {"queue": "slow"}]
    uids = [await api.add(f"{target.url}/ok", **way) for way in ways for _ in range(2)]
    assert [(await api.get(f"/job/{uid}/wait"))["state"] for uid in uids[::2]] == ["completed"] * 2
    await api.stop()
    await api.start()
    for uid in uids:
        assert (await api.get(f"/job/{uid}/why"))["why"]
    assert (await api.get(f"/job/{await api.add(f'{target.url}/ok')}/wait"))["state"] == "completed"


@pytest.mark.parametrize("key", ["%00", "a%0Ab", "a" * 513])
async def test_what_is_no_key_is_refused(api, key):
    assert paths(await api.ask("PUT", f"/limits/{key}?rate=1")) == ["key"]


async def test_there_are_only_so_many_pins(tmp_path):
    async with Api(tmp_path, max_pinned_limits=2) as api:
        answers = [await api.ask("PUT", f"/limits/{key}?rate=1") for key in "abca"]
        assert [answer.status for answer in answers] == [200, 200, 422, 200]
        assert paths(answers[2]) == ["key"]


async def test_keys_are_listed_a_thousand_at_a_time(api):
    jobs = [{"url": "http://127.0.0.1:1/", "delay": 60, "limit": {"key": f"{n:04}", "rate": 1}} for n in range(1_000)]
    await api.ask("POST", "/add", json=jobs)
    assert (await api.get("/limits"))["last_key"] is None
    await api.add("http://127.0.0.1:1/", delay=60, limit={"key": "1000", "rate": 1})
    page = await api.get("/limits")
    assert (len(page["limits"]), page["last_key"]) == (1_000, "0999")
    page = await api.get(f"/limits?after={page['last_key']}")
    assert ([limit["key"] for limit in page["limits"]], page["last_key"]) == (["1000"], None)
    assert paths(await api.ask("GET", "/limits?after=%00")) == ["after"]


async def test_why_tells_how_full_a_limit_is_and_who_holds_it(api, target):
    uids = [await api.add(f"{target.url}/hang", limit=LIMIT) for _ in range(2)]
    await api.until(uids[0], "running")
    name, sentence, facts = await reason(api, uids[1])
    assert (name, facts["limit"], facts["running"], facts["concurrency"]) == ("limit", "customer-7", 1, 1)
    assert facts["held_by"] == uids[:1]
    assert sentence == f"its limit customer-7 runs 1 of 1 calls, the first {uids[0]}"


async def test_why_tells_when_the_next_token_comes(api, target):
    uids = [await api.add(f"{target.url}/ok", limit={"key": "k", "rate": 1, "per": 60}) for _ in range(2)]
    await api.get(f"/job/{uids[0]}/wait")
    name, sentence, facts = await reason(api, uids[1])
    assert (name, facts["rate"], facts["per"], facts["next_at"] is not None) == ("rate", 1, 60, True)
    assert sentence == f"its limit k begins 1 calls in 60 s, and the next at {facts['next_at']}"


async def test_why_tells_of_a_queue_that_is_full(api, target):
    await api.ask("PUT", "/queues/default?concurrency=1")
    uids = [await api.add(f"{target.url}/hang") for _ in range(2)]
    await api.until(uids[0], "running")
    name, sentence, _ = await reason(api, uids[1])
    assert (name, sentence) == ("limit", f"its queue default runs 1 of 1 calls, the first {uids[0]}")


async def test_an_empty_bucket_lets_the_next_go_by_itself_and_is_counted(api, target):
    limit = {"key": "k", "rate": 1, "per": 0.2}
    for uid in [await api.add(f"{target.url}/ok", limit=limit) for _ in range(3)]:
        assert (await api.get(f"/job/{uid}/wait?timeout=5"))["state"] == "completed"
    told = await api.ask("GET", "/metrics")
    assert told.status == 200
    async with api._http.get(f"{api.url}/metrics") as answer:
        text = await answer.text()
    assert 'taskpusher_dispatch_held_total{reason="rate"} 2.0' in text
    assert "taskpusher_limits 1.0" in text
    async with asyncio.timeout(5):
        while (await api.get("/limits"))["limits"]:  # until its bucket is full
            await api.get(f"/job/{await api.add(f'{target.url}/ok')}/wait")


@pytest.mark.parametrize("way", [{"limit": LIMIT}, {"queue": "one"}], ids=["key", "queue"])
@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
async def test_the_end_of_an_accepted_job_lets_the_next_of_its_limit_go_by_itself(api, target, end, way):
    await api.ask("PUT", "/queues/one?concurrency=1")
    first, second = [await api.add(f"{target.url}/{path}", **way) for path in ("accept", "ok")]
    async with asyncio.timeout(5):
        while (await api.get(f"/job/{first}"))["lease_until"] is None:
            await asyncio.sleep(0.005)
    assert (await reason(api, second))[0] == "limit"
    told = {"json": {"error": "x"}} if end == "fail" else {}
    answer = await api.ask("POST", f"/job/{first}/{end}", headers={"TaskPusher-Token": target.tokens[first]}, **told)
    assert answer.status == 200
    assert (await api.get(f"/job/{second}/wait?timeout=3"))["state"] == "completed"


async def test_a_word_before_the_answer_lets_the_next_of_its_limit_go_at_once(api, target):
    first, second = [await api.add(f"{target.url}/{path}", limit=LIMIT) for path in ("hang", "ok")]
    async with asyncio.timeout(5):
        while first not in target.tokens:
            await asyncio.sleep(0.005)
    answer = await api.ask("POST", f"/job/{first}/complete", headers={"TaskPusher-Token": target.tokens[first]})
    assert answer.status == 200
    assert (await api.get(f"/job/{second}/wait?timeout=3"))["state"] == "completed"
