"""A disk that is nearly full, over HTTP: no jobs are taken, everything else goes on."""

import asyncio

from .harness import Api, error

HUGE = 2**60  # bytes that no disk has


async def test_adds_are_refused_and_everything_else_goes_on(tmp_path):
    async with Api(tmp_path, disk_reserve=HUGE) as api:
        ready = await api.ask("GET", "/ready")
        assert (ready.status, ready.body["state"], ready.body["accepts_adds"]) == (503, "disk-low", False)
        assert "no calls are started" in ready.body["reason"]
        for body in ({"url": "http://a/"}, [{"url": "http://a/"}]):
            answer = await api.ask("POST", "/add", json=body)
            assert error(answer) == (507, "disk-low")
            assert answer.headers["Retry-After"] == "30"
            assert answer.body["stored"] is False
        lines = await api._http.post(
            f"{api.url}/add", data=b'{"url": "http://a/"}\n', headers={"Content-Type": "application/x-ndjson"}
        )
        assert b'"disk-low"' in await lines.read()
        assert (await api.get("/stats"))["states"]["waiting"] == 0
        assert (await api.ask("POST", "/queues/default/pause")).status == 200
        assert (await api.get("/health"))["status"] == "alive"


async def test_calls_are_held_while_the_disk_is_nearly_full_and_a_stop_does_not_wait_for_it(tmp_path, target):
    api = Api(tmp_path, disk_reserve=0, drain_timeout=None)
    async with api:
        await api.ask("POST", "/queues/default/pause")
        answer = await api.ask("POST", "/add", json={"url": f"{target.url}/ok"})
        uid = answer.body["uid"]
    full = Api(tmp_path, disk_reserve=HUGE, drain_timeout=None)
    async with full:
        await full.ask("POST", "/queues/default/resume")
        await asyncio.sleep(0.2)
        assert (await full.get(f"/job/{uid}"))["state"] == "waiting"
    assert target.jobs == []
    async with Api(tmp_path, disk_reserve=0) as api:
        await api.get(f"/job/{uid}/wait")
        assert target.jobs == [uid]
