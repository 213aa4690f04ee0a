"""Target hosts: how they do, held by hand and by themselves, and let go."""

import asyncio

import pytest

from .harness import Api, paths

SHAPE = {"host", "in_flight", "limit", "rate", "p50", "p95", "duration_hist", "error_share", "held"}


async def host(api: Api, name: str) -> dict:
    """Return a host as /targets tells it."""
    targets = (await api.get("/targets"))["targets"]
    return next(target for target in targets if target["host"] == name)


async def hold_back(api: Api, url: str) -> None:
    """Let three calls not reach a host."""
    for _ in range(3):
        await api.add(f"{url}/away", backoff=[60])
    name = url.removeprefix("http://")
    async with asyncio.timeout(5):
        while (await host(api, name))["held"] is None:
            await asyncio.sleep(0.005)


async def test_a_node_that_called_nobody_has_no_targets(api):
    assert await api.get("/targets") == {"targets": [], "known": 0}


async def test_a_host_tells_how_its_calls_go(api, target):
    for path in ("ok", "ok", "ok", "fail"):
        await api.get(f"/job/{await api.add(f'{target.url}/{path}')}/wait")
    running = await api.add(f"{target.url}/hang")
    await api.until(running, "running")
    told = await host(api, target.host)
    assert told.keys() == SHAPE
    assert (told["in_flight"], told["limit"], told["held"], told["error_share"]) == (1, None, None, 0.25)
    assert (sum(told["duration_hist"]), 0 < told["p50"] <= told["p95"] < 1, told["rate"] > 0) == (4, True, True)


async def test_a_host_is_held_before_its_first_job_and_released(api, target):
    held = await api.ask("POST", f"/targets/{target.host}/hold")
    assert (held.status, held.body.keys(), held.body["limit"]) == (200, SHAPE, 0)
    since = held.body["held"].pop("since")
    assert (held.body["held"], since is not None) == ({"by": None, "until": None, "next_probe": None}, True)
    uid = await api.add(f"{target.url}/ok")
    await asyncio.sleep(0.1)
    assert ((await api.get(f"/job/{uid}"))["state"], target.jobs) == ("waiting", [])
    for _ in range(2):
        released = await api.ask("POST", f"/targets/{target.host}/release")
        assert (released.status, released.body["held"], released.body["limit"]) == (200, None, None)
    assert (await api.get(f"/job/{uid}/wait"))["state"] == "completed"


async def test_a_hold_with_an_end_ends_by_itself(api, target):
    held = (await api.ask("POST", f"/targets/{target.host}/hold?for=0.3")).body["held"]
    assert held["since"] < held["until"]
    uid = await api.add(f"{target.url}/ok")
    assert (await api.get(f"/job/{uid}/wait?timeout=5"))["state"] == "completed"
    assert (await host(api, target.host))["held"] is None


async def test_a_hold_is_kept_over_a_restart_and_says_who_made_it(tmp_path):
    headers = {"Authorization": "Basic am9lOnNlY3JldA=="}
    async with Api(tmp_path, basicauth="joe:secret") as api:
        held = await api.ask("POST", "/targets/down.example:443/hold", data={"for": "3600"}, headers=headers)
        await api.stop()
        await api.start()
        [target] = (await api.ask("GET", "/targets", headers=headers)).body["targets"]
        assert (target["host"], target["held"]) == ("down.example:443", held.body["held"])
        assert target["held"]["by"] == "joe"


async def test_a_host_that_is_not_reached_is_held_by_itself_and_probed_at_once_when_it_is_released(api, target):
    await hold_back(api, target.url)
    told = await host(api, target.host)
    assert (told["limit"], told["held"]["by"], told["held"]["until"]) == (0, "unreached", None)
    assert told["held"]["since"] < told["held"]["next_probe"]
    uid = await api.add(f"{target.url}/ok")
    released = await api.ask("POST", f"/targets/{target.host}/release")
    assert released.body["limit"] in (1, 4)  # the probe may have come back already
    assert (await api.get(f"/job/{uid}/wait"))["state"] == "completed"
    told = await host(api, target.host)
    assert (told["limit"], told["held"]) == (4, None)


@pytest.mark.parametrize(
    "host",
    ["a", "a:", ":80", "a:0", "a:65536", "a:٣", "a b:80", "a..b:80", "[::1]", "[:::1]:80", "[1.2.3.4]:80", "::1:80",
     "http:%2F%2Fa:80", "a:80%0A", "%00:80", "x" * 64 + ":80"],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["hold", "release"])
async def test_what_is_no_host_is_refused(api, host, verb):
    assert paths(await api.ask("POST", f"/targets/{host}/{verb}")) == ["host"]
    assert (await api.get("/targets"))["known"] == 0


@pytest.mark.parametrize(
    ("given", "kept"), [("A.Example:80", "a.example:80"), ("[::1]:8080", "[::1]:8080"), ("%5B::1%5D:80", "[::1]:80")]
)
async def test_a_host_is_told_in_lower_case_and_an_ipv6_address_in_brackets(api, given, kept):
    assert (await api.ask("POST", f"/targets/{given}/hold")).body["host"] == kept


@pytest.mark.parametrize(("query", "named"), [("for=0", "for"), ("until=x", "until"), ("fro=1", "fro")])
async def test_a_bad_end_is_named_and_holds_nothing(api, query, named):
    assert paths(await api.ask("POST", f"/targets/a:80/hold?{query}")) == [named]
    assert (await api.get("/targets"))["targets"] == []


async def test_there_are_only_so_many_holds_by_hand(tmp_path):
    async with Api(tmp_path, max_holds=2) as api:
        statuses = [(await api.ask("POST", f"/targets/{host}:80/hold")).status for host in ("a", "b", "c", "a")]
        assert statuses == [200, 200, 422, 200]
        assert (await api.get("/targets"))["known"] == 2
