"""What routers keep equal on nodes: the share of each, and what was said of queues."""

import json

import pytest

from taskpusher.access import Role, Token

from .harness import Api, error, paths

SHARE = {"members": 2, "low": 0.25, "high": 0.75}
JSON = {"Content-Type": "application/json"}
DEFAULTS = {"timeout": 5, "headers": {"Authorization": "Bearer hush"}}
PAUSED = {"by": "ada", "since": "2026-11-24T23:13:32.001Z", "until": "2033-11-24T23:13:32.123Z"}
RECORD = {
    "name": "mails", "declared": True, "version": 7, "concurrency": 4, "rate": 8.0, "per": 60.0, "scope": "cluster",
    "defaults": DEFAULTS, "paused": PAUSED,
}  # fmt: skip


async def _cluster(api):
    return (await api.get("/ready"))["cluster"]


async def _records(api):
    return (await api.get("/cluster/queues"))["queues"]


# -- the share


async def test_a_node_that_was_told_nothing_is_the_whole(api):
    told = await _cluster(api)
    assert told == {"members": 1, "low": 0, "high": 1, "settings": told["settings"]}


async def test_a_share_is_told_by_ready_over_a_restart(tmp_path):
    async with Api(tmp_path) as api:
        for _ in range(2):
            answer = await api.ask("PUT", "/cluster", json=SHARE)
            assert (answer.status, answer.body) == (200, await _cluster(api))
        await api.stop()
        await api.start()
        assert (await _cluster(api)).items() >= SHARE.items()


async def test_a_queue_runs_the_nodes_part_and_tells_the_whole(api, target):
    await api.ask("PUT", "/cluster", json={"members": 2, "low": 0.5, "high": 1})
    await api.ask("PUT", "/queues/default", json={"concurrency": 4})
    uids = [await api.add(f"{target.url}/hang") for _ in range(4)]
    for uid in uids[:2]:
        await api.until(uid, "running")
    why = await api.get(f"/job/{uids[3]}/why")
    assert (why["facts"]["concurrency"], (await api.get("/queues/default"))["concurrency"]) == (2, 4)
    await api.ask("PUT", "/cluster", json={"members": 1, "low": 0, "high": 1})
    for uid in uids:
        await api.until(uid, "running")
    target.released.set()


@pytest.mark.parametrize(
    ("share", "wrong"),
    [
        ({}, ["high", "low", "members"]),
        ({"members": 1, "low": 0}, ["high"]),
        ({**SHARE, "low": 0.75}, ["high"]),
        ({**SHARE, "low": 0.8}, ["high"]),
        ({**SHARE, "members": 0}, ["members"]),
        ({**SHARE, "members": 1.5}, ["members"]),
        ({**SHARE, "low": -0.1}, ["low"]),
        ({**SHARE, "high": 1.1}, ["high"]),
        ({**SHARE, "high": "1"}, ["high"]),
        ({**SHARE, "typo": 1}, ["typo"]),
    ],
)
async def test_a_share_that_is_none_is_refused(api, share, wrong):
    assert paths(await api.ask("PUT", "/cluster", json=share)) == wrong
    assert (await _cluster(api))["members"] == 1


async def test_a_queue_has_a_call_for_each_node(api):
    await api.ask("PUT", "/cluster", json={"members": 3, "low": 0, "high": 0.5})
    answer = await api.ask("PUT", "/queues/mails", json={"concurrency": 2})
    assert (paths(answer), "a limit of the jobs is exact" in answer.body["detail"]) == (["concurrency"], True)
    for settings in ({"concurrency": 3}, {"concurrency": 2, "scope": "node"}, {"rate": 1}):
        assert (await api.ask("PUT", "/queues/mails", json=settings)).status in (200, 201)


# -- what was said of queues


async def test_what_was_said_of_a_queue_goes_from_one_node_to_the_other_with_its_secrets(tmp_path, api):
    await api.ask("PUT", "/queues/mails", json={"concurrency": 4, "rate": 8, "per": 60, "defaults": DEFAULTS})
    await api.ask("POST", "/queues/mails/pause?for=3600")
    await api.add("http://a.example/", queue="made-by-a-job", delay=60)
    (record,) = await _records(api)
    assert (record["version"], record["defaults"], record["paused"]["by"]) == (2, DEFAULTS, None)
    async with Api(tmp_path / "other", name="n2") as other:
        assert (await _cluster(other))["settings"] != (await _cluster(api))["settings"]
        for taken in (True, False):
            answer = await other.ask("PUT", "/cluster/queues/mails", json=record)
            assert (answer.status, answer.body) == (200, {"taken": taken, "version": 2})
        assert await _records(other) == [record]
        assert (await _cluster(other))["settings"] == (await _cluster(api))["settings"]
        shown = [await node.get("/queues/mails") for node in (api, other)]
        assert shown[0] == shown[1]
        uid = await other.add("http://a.example/", queue="mails", delay=60)
        assert (await other.get(f"/job/{uid}"))["timeout"] == 5


async def test_every_field_of_a_record_comes_out_as_it_went_in(tmp_path):
    async with Api(tmp_path) as api:
        await api.ask("PUT", "/cluster/queues/mails", json=RECORD)
        await api.stop()
        await api.start()
        assert await _records(api) == [RECORD]
        bare = {"version": 8}
        assert (await api.ask("PUT", "/cluster/queues/mails", json=bare)).body == {"taken": True, "version": 8}
        (record,) = await _records(api)
        assert record == {
            **dict.fromkeys(RECORD), "name": "mails", "declared": False, "version": 8, "per": 1, "scope": "cluster",
        }  # fmt: skip


async def test_how_a_router_writes_the_defaults_makes_no_difference(api):
    await api.ask("PUT", "/cluster/queues/mails", json=RECORD)
    text = json.dumps(RECORD, sort_keys=True, indent=4)
    answer = await api.ask("PUT", "/cluster/queues/mails", data=text, headers=JSON)
    assert answer.body == {"taken": False, "version": 7}


async def test_an_older_record_changes_nothing(api):
    await api.ask("PUT", "/cluster/queues/mails", json=RECORD)
    answer = await api.ask("PUT", "/cluster/queues/mails", json={"version": 6})
    assert (answer.body, await _records(api)) == ({"taken": False, "version": 7}, [RECORD])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"version": None}, ["version"]),
        ({"version": 0}, ["version"]),
        ({"version": 2**60}, ["version"]),
        ({"name": "other"}, ["name"]),
        ({"concurrency": 0}, ["concurrency"]),
        ({"scope": "world"}, ["scope"]),
        ({"defaults": []}, ["defaults"]),
        ({"defaults": {"url": "http://a/"}}, ["defaults.url"]),
        ({"defaults": {"timeout": -1}}, ["defaults.timeout"]),
        ({"paused": {"by": "ada"}}, ["paused"]),
        ({"paused": {"since": "yesterday"}}, ["paused"]),
        ({"paused": {"since": {}}}, ["paused"]),
        ({"paused": {"since": PAUSED["since"], "typo": 1}}, ["paused"]),
        ({"declared": "yes"}, ["declared"]),
        ({"typo": 1}, ["typo"]),
    ],
)
async def test_a_record_that_breaks_a_rule_is_refused(api, change, wrong):
    assert paths(await api.ask("PUT", "/cluster/queues/mails", json={**RECORD, **change})) == wrong
    assert await _records(api) == []


async def test_what_is_no_json_is_refused(api):
    assert error(await api.ask("PUT", "/cluster/queues/mails", data={"version": "7"})) == (
        415,
        "unsupported-media-type",
    )
    assert error(await api.ask("PUT", "/cluster", data=b"{", headers=JSON)) == (400, "malformed")
    assert paths(await api.ask("PUT", "/cluster/queues/a%20b", json={"version": 7})) == ["name"]


async def test_one_queue_too_many_is_refused(tmp_path):
    async with Api(tmp_path, max_queues=1) as api:
        assert paths(await api.ask("PUT", "/cluster/queues/mails", json=RECORD)) == ["name"]


async def test_records_are_shown_to_an_administrator_and_a_router_only(api):
    api.node._serving.access.replace(None, [Token(role, role, f"of-{role}") for role in Role], "of-the-cluster")
    statuses = {}
    for secret in (*Role, "the-cluster"):
        answer = await api.ask("GET", "/cluster/queues", headers={"Authorization": f"Bearer of-{secret}"})
        statuses[secret] = answer.status
    assert statuses == {"push": 403, "read": 403, "admin": 200, "the-cluster": 200}
