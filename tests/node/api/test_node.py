"""The node itself: alive, ready in each of its phases, its numbers, draining."""

import asyncio
import socket
from itertools import pairwise

import aiohttp
import pytest

from taskpusher import __version__
from taskpusher.phase import Phase

from .harness import Api, checked, error

URL = "http://a.example/x"
JOE = {"Authorization": "Basic am9lOnNlY3JldA=="}


async def _ready(api):
    answer = await api.ask("GET", "/ready")
    assert answer.body.keys() == {
        "state",
        "reason",
        "cluster",
        "warnings",
        "accepts_adds",
        "name",
        "store_id",
        "version",
    }
    assert answer.body["version"] == __version__
    return answer.status, answer.body["state"], answer.body["accepts_adds"]


async def test_a_node_is_alive(api):
    assert await api.get("/health") == {"status": "alive", "version": __version__}


async def test_a_node_is_ready(api):
    assert await _ready(api) == (200, "ready", True)
    assert (await api.get("/ready"))["name"] == "n1"
    assert (await api.get("/ready"))["reason"] is None


async def test_a_node_that_opens_its_store_is_starting(api):
    api.node._status.base = Phase.STARTING
    assert await _ready(api) == (503, "starting", False)


async def test_a_drained_node_takes_no_jobs_and_does_all_else(api, target):
    running = await api.add(f"{target.url}/hang")
    scheduled = await api.add(f"{target.url}/ok", delay=3_600)
    answer = await api.ask("POST", "/drain")
    assert (answer.status, answer.body["state"]) == (200, "draining")
    assert await _ready(api) == (503, "draining", False)
    refused = await api.ask("POST", "/add", data={"url": URL})
    assert (error(refused), refused.body["stored"], refused.headers["Retry-After"]) == ((503, "draining"), False, "5")
    target.released.set()
    assert (await api.get(f"/job/{running}/wait"))["state"] == "completed"
    await api.ask("POST", f"/job/{scheduled}/run")
    assert (await api.get(f"/job/{scheduled}/wait"))["state"] == "completed"


async def test_a_resumed_node_takes_jobs_again(api):
    await api.ask("POST", "/drain")
    assert (await api.ask("POST", "/resume")).body["state"] == "ready"
    assert await _ready(api) == (200, "ready", True)
    assert await api.add(URL, delay=60)


async def test_draining_and_resuming_are_kept_over_restarts(api):
    for call, state in [("/drain", "draining"), ("/resume", "ready")]:
        await api.ask("POST", call)
        await api.stop()
        await api.start()
        assert (await _ready(api))[1] == state


async def test_a_stopping_node_is_not_ready_takes_jobs_and_parks_them(tmp_path, target):
    async with Api(tmp_path, stop_grace=20.0) as api:
        running = await api.add(f"{target.url}/hang")
        await api.until(running, "running")
        api.begin_stop()
        await asyncio.sleep(0.05)
        assert await _ready(api) == (503, "stopping", True)
        parked = await api.add(f"{target.url}/ok")
        assert error(await api.ask("GET", "/nothing")) == (404, "not-found")
        target.released.set()
        assert await api.stop() == 0
        assert target.jobs == [running]
        await api.start()
        assert (await api.get(f"/job/{parked}/wait"))["state"] == "completed"


async def test_a_stalled_or_failed_node_says_so(api):
    api.node._status.stalled = True
    assert await _ready(api) == (503, "stalled", False)
    assert error(await api.ask("POST", "/add", data={"url": URL})) == (503, "stalled")
    api.node._status.failure = "the disk is gone"
    assert await _ready(api) == (503, "failed", False)
    api.node._status.failure = None


async def test_while_the_store_is_opened_only_health_ready_and_the_page_answer(api):
    sock = socket.create_server(("127.0.0.1", 0))
    runner = await api.node._serving.start([sock], api.node._starting_app())
    async with aiohttp.ClientSession(f"http://127.0.0.1:{sock.getsockname()[1]}") as http:
        for method, path in [("POST", "/add"), ("GET", "/stats"), ("GET", "/x"), ("PUT", "/x/y")]:
            async with http.request(method, path) as answer:
                body = await answer.json(content_type=None)
                checked(answer.status, answer.headers, body, answer.content_type)
                assert (answer.status, body["type"], answer.headers["Retry-After"]) == (503, "starting", "1")
        for path in ("/health", "/ready", "/tasks", "/tasks/main.js"):
            async with http.get(path) as answer:
                assert answer.status == 200  # the status of this node
    await runner.cleanup()
    sock.close()


async def test_stats_count_jobs_and_slots(api, target):
    await api.add(URL, delay=60)
    done = await api.add(f"{target.url}/ok")
    await api.get(f"/job/{done}/wait")
    failed = await api.add(f"{target.url}/fail")
    await api.get(f"/job/{failed}/wait")
    for _ in range(6):
        await api.add(f"{target.url}/hang")
    async with asyncio.timeout(5):
        while (stats := await api.get("/stats"))["slots"]["busy"] < 4:
            await asyncio.sleep(0.01)
    expected = {"waiting": 2, "scheduled": 1, "running": 4, "completed": 1, "error": 1, "cancelled": 0}
    assert (stats["states"], stats["slots"]) == (expected, {"busy": 4, "limit": 4})
    assert stats["oldest_waiting"] == (await api.get("/jobs/waiting"))["jobs"][0]["waiting_at"]
    assert stats["rates"].keys() == {"added", "completed", "errors"}
    assert stats["rates"]["added"] > stats["rates"]["completed"] > 0
    assert stats["now"].endswith("Z")


@pytest.mark.parametrize(("name", "step", "length"), [("1h", 10, 360), ("24h", 300, 288)])
async def test_stats_have_the_series_of_a_range(api, target, name, step, length):
    done = await api.add(f"{target.url}/ok")
    await api.get(f"/job/{done}/wait")
    stats = await api.get(f"/stats?range={name}")
    series = stats["series"]
    assert (stats["range"], stats["step"], {len(column) for column in series.values()}) == (name, step, {length})
    assert series.keys() == {"t", "added", "completed", "errors", "waiting", "p95", "duration_hist"}
    assert [t % step for t in series["t"]] == [0] * length
    assert [later - t for t, later in pairwise(series["t"])] == [step] * (length - 1)
    assert sum(series["added"]) == sum(series["completed"]) == sum(map(sum, series["duration_hist"])) == 1
    assert series["p95"][series["completed"].index(1)] > 0
    assert (series["waiting"][-1], series["waiting"][0], series["p95"][0]) == (0, None, None)


async def test_stats_without_a_range_have_no_series(api):
    assert (await api.get("/stats")).keys() == {"now", "states", "oldest_waiting", "slots", "rates", "role"}


@pytest.mark.parametrize(
    "query", ["range=", "range=2h", "range=1H", "range=1h&range=1h", "range=%00", "range[]=1h", "Range=1h"]
)
async def test_a_range_that_is_none_is_refused(api, query):
    answer = await api.ask("GET", f"/stats?{query}")
    assert error(answer) == (422, "invalid-field")


async def test_series_are_kept_over_a_restart(api):
    await api.add(URL, delay=60)
    await api.stop()
    await api.start()
    assert sum((await api.get("/stats?range=24h"))["series"]["added"]) == 1


async def test_counts_are_right_after_a_restart(api):
    for _ in range(3):
        await api.add(URL, delay=60)
    before = (await api.get("/stats"))["states"]
    await api.stop()
    await api.start()
    assert (await api.get("/stats"))["states"] == before


async def test_with_credentials_set_all_but_health_and_ready_need_them(tmp_path):
    async with Api(tmp_path, basicauth="joe:secret") as api:
        for path in ("/health", "/ready"):
            assert (await api.ask("GET", path)).status == 200
        for path in ("/stats", "/add", "/", "/nothing", "/health/", "//health", "/ready/x", "/Health", "/jobs/waiting"):
            for method in ("GET", "POST"):
                assert error(await api.ask(method, path)) == (401, "unauthorized")
        assert (await api.ask("GET", "/stats", headers=JOE)).status == 200
        assert (await api.ask("GET", "/health", headers={"Authorization": "Basic nonsense"})).status == 200


async def test_a_lone_node_lists_itself(api):
    await api.add(URL, delay=60)
    (node,) = (await api.get("/nodes"))["nodes"]
    ready = await api.get("/ready")
    assert node.pop("counts") == (await api.get("/stats"))["states"]
    assert node == {
        "name": "n1", "address": None, "state": "ready", "reason": None, "weight": 1, "share": 1,
        "version": ready["version"], "store_id": ready["store_id"],
    }  # fmt: skip


async def test_a_node_is_drained_and_resumed_by_its_name(api):
    answer = await api.ask("POST", "/nodes/n1/drain")
    assert (answer.status, answer.body["state"]) == (200, "draining")
    (node,) = (await api.get("/nodes"))["nodes"]
    assert (node["state"], "drained by hand" in node["reason"]) == ("draining", True)
    assert error(await api.ask("POST", "/add", json={"url": URL})) == (503, "draining")
    answer = await api.ask("POST", "/nodes/n1/resume")
    assert (answer.status, answer.body["state"]) == (200, "ready")
    assert (await api.ask("POST", "/add", json={"url": URL})).status == 201


@pytest.mark.parametrize("verb", ["drain", "resume"])
async def test_a_node_knows_no_other(api, verb):
    assert error(await api.ask("POST", f"/nodes/n2/{verb}")) == (404, "not-found")
    assert (await api.get("/ready"))["state"] == "ready"
