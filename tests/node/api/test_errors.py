"""Errors in groups, and the listing of a group."""

from .harness import Api


async def ended(api: Api, url: str, **fields) -> str:
    """Add a job and wait for its end."""
    uid = await api.add(url, **fields)
    await api.get(f"/job/{uid}/wait")
    return uid


async def uids(api: Api, query: str) -> list[str]:
    """Return the uids of a listing of errors."""
    return [job["uid"] for job in (await api.get(f"/jobs/errors?{query}"))["jobs"]]


async def test_without_errors_there_are_no_groups(api, target):
    await ended(api, f"{target.url}/ok")
    assert await api.get("/errors") == {"groups": []}


async def test_errors_are_told_in_groups_and_a_group_can_be_listed(api, target):
    failed = [await ended(api, f"{target.url}/fail") for _ in range(3)]
    away = await ended(api, f"{target.url}/away", unreached_attempts=0)
    first, second = (await api.get("/errors"))["groups"]
    assert first.keys() == {"id", "host", "class", "line", "count", "first_seen", "last_seen", "sample_uid"}
    told = [first[name] for name in ("host", "class", "line", "count", "sample_uid")]
    assert told == [target.host, "status 500", "ok", 3, failed[-1]]
    assert first["first_seen"] <= first["last_seen"]
    assert (second["class"], second["sample_uid"]) == ("unreached", away)
    assert await uids(api, f"group={first['id']}") == failed[::-1]
    assert await uids(api, f"group={second['id']}") == await uids(api, "error=unreached") == [away]
    assert await uids(api, "error=status") == failed[::-1]
    assert await uids(api, "group=no+such") == await uids(api, f"group={first['id']}&error=unreached") == []


async def test_a_retry_takes_a_job_out_of_its_group(api, target):
    uid = await ended(api, f"{target.url}/fail")
    await api.ask("POST", "/queues/default/pause")
    await api.ask("POST", f"/job/{uid}/retry")
    assert (await api.get("/errors"))["groups"] == []
