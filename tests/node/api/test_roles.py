"""Who may do what, for every route of the running node."""

import asyncio
import re

import pytest
from aiohttp import web

from taskpusher.access import Role, Token
from taskpusher_node.server import _Node

from .harness import Api

SECRETS = {role: f"secret-of-{role}" for role in Role}
PUSHES = {("POST", "/add"), ("GET", "/job/{uid}"), ("HEAD", "/job/{uid}")}
PUSHES |= {("GET", "/job/{uid}/wait"), ("HEAD", "/job/{uid}/wait")}
PUSHES |= {(method, path) for method in ("GET", "HEAD") for path in ("/", "/tasks", "/tasks/{file}")}
BY_TOKEN = {("POST", f"/job/{{uid}}/{verb}") for verb in ("complete", "fail", "heartbeat")}  # a header of their own
SECRET = {("GET", "/cluster/queues"), ("HEAD", "/cluster/queues")}
OPEN = {("GET", "/health"), ("HEAD", "/health"), ("GET", "/ready"), ("HEAD", "/ready")}


@pytest.fixture
async def locked(tmp_path, monkeypatch):
    """A node with a token of each role, and its application."""
    make = _Node._app
    monkeypatch.setattr(_Node, "_app", lambda *parts: apps.append(make(*parts)) or apps[-1])
    apps: list[web.Application] = []
    async with Api(tmp_path) as api:
        api.app = apps[-1]
        api.node._serving.access.replace("joe:secret", [Token(role, role, secret) for role, secret in SECRETS.items()])
        yield api


def _routes(app: web.Application) -> list[tuple[str, str]]:
    """Return every method and path that the node answers."""
    found = [(route.method, route.resource.canonical) for route in app.router.routes()]
    assert ("POST", "/add") in found
    assert len(found) > 15
    return found


async def _refusals(api: Api, method: str, path: str) -> dict[str, int]:
    """Return with which status each role is kept out; whatever else an answer says, it was let in."""
    refused = {}
    for role, secret in [*SECRETS.items(), ("nobody", None)]:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        url = api.url + re.sub(r"{[^}]+}", "x", path)
        async with api._http.request(method, url, headers=headers) as answer:
            if answer.status in (401, 403):
                refused[role] = answer.status
    return refused


async def test_every_route_lets_in_whom_its_method_says_and_nobody_else(locked):
    for method, path in _routes(locked.app):
        expected = {"nobody": 401}
        if (method, path) in OPEN:
            expected = {}
        elif (method, path) in BY_TOKEN:
            expected = dict.fromkeys([*SECRETS, "nobody"], 403)
        elif (method, path) in PUSHES:
            expected |= {} if method != "POST" else {"read": 403}
        elif (method, path) in SECRET:
            expected |= {"push": 403, "read": 403}
        elif method in ("GET", "HEAD"):
            expected |= {"push": 403}
        else:
            expected |= {"push": 403, "read": 403}
        assert await _refusals(locked, method, path) == expected, (method, path)


async def test_a_path_that_no_route_has_is_not_told_to_who_may_not_ask(locked):
    assert await _refusals(locked, "GET", "/what") == {"nobody": 401, "push": 403}
    assert await _refusals(locked, "POST", "/what") == {"nobody": 401, "push": 403, "read": 403}
    assert await _refusals(locked, "GET", "/health/") == {"nobody": 401, "push": 403}
    assert await _refusals(locked, "DELETE", "/health") == {"nobody": 401, "push": 403, "read": 403}


async def test_stats_tell_the_role_of_who_asks(locked):
    for role in (Role.READ, Role.ADMIN):
        answer = await locked.ask("GET", "/stats", headers={"Authorization": f"Bearer {SECRETS[role]}"})
        assert answer.body["role"] == role


async def test_who_pushes_may_add_read_its_job_and_wait_for_it(locked, target):
    headers = {"Authorization": f"Bearer {SECRETS[Role.PUSH]}"}
    added = await locked.ask("POST", "/add", data={"url": f"{target.url}/ok"}, headers=headers)
    assert added.status == 201
    path = added.headers["Location"]
    assert (await locked.ask("GET", f"{path}/wait", headers=headers)).body["state"] == "completed"
    assert (await locked.ask("GET", path, headers=headers)).status == 200
    assert (await locked.ask("DELETE", path, headers=headers)).status == 403
    assert (await locked.ask("GET", "/jobs/completed", headers=headers)).status == 403


async def test_secrets_of_a_job_are_revealed_to_an_administrator_only(locked, target):
    def own(role):
        return {"Authorization": f"Bearer {SECRETS[role]}"}

    job = {"url": f"{target.url}/ok", "headers": {"Authorization": "Bearer hush"}, "delay": 3_600}
    added = await locked.ask("POST", "/add", json=job, headers=own(Role.PUSH))
    path = added.headers["Location"]
    for role in Role:
        masked = await locked.ask("GET", path, headers=own(role))
        assert "hush" not in str(masked.body)
        revealed = await locked.ask("GET", f"{path}?reveal=1", headers=own(role))
        assert revealed.status == (200 if role is Role.ADMIN else 403)
        assert ("hush" in str(revealed.body)) == (role is Role.ADMIN)


async def test_who_pauses_a_queue_is_named_by_the_token(locked, target):
    headers = {"Authorization": f"Bearer {SECRETS[Role.ADMIN]}"}
    await locked.ask("POST", "/add", data={"url": f"{target.url}/ok"}, headers=headers)
    answer = await locked.ask("POST", "/queues/default/pause", headers=headers)
    assert answer.body["paused"]["by"] == "admin"


async def test_the_public_url_is_a_name_and_an_origin_of_the_node(tmp_path):
    async with Api(tmp_path, public_url="https://queue.example/") as api:
        own = {"Host": "queue.example", "Origin": "https://queue.example"}
        assert (await api.ask("POST", "/resume", headers=own)).status == 200
        assert (await api.ask("POST", "/resume", headers={"Origin": "https://queue.example"})).status == 200
        assert (await api.ask("POST", "/resume", headers={**own, "Host": "evil.example"})).status == 421
        assert (await api.ask("POST", "/resume", headers={"Origin": "https://evil.example"})).status == 403
    # the control: not set
    async with Api(tmp_path / "other") as api:
        assert (await api.ask("POST", "/resume", headers=own)).status == 421
        assert (await api.ask("POST", "/resume", headers={"Origin": "https://queue.example"})).status == 403


async def test_a_node_with_a_cluster_token_takes_changes_from_routers_only(locked, target):
    tokens = [Token(role, role, secret) for role, secret in SECRETS.items()]
    locked.node._serving.access.replace("joe:secret", tokens, "of-the-cluster")
    router = {"Authorization": "Bearer of-the-cluster", "TaskPusher-Caller": "J%C3%B6", "TaskPusher-Role": "admin"}
    for method, path in _routes(locked.app):
        if (method, path) in BY_TOKEN | OPEN or method in ("GET", "HEAD"):
            continue
        refused = {"nobody": 401} | dict.fromkeys(SECRETS, 403)
        assert await _refusals(locked, method, path) == refused, (method, path)
    added = await locked.ask("POST", "/add", data={"url": f"{target.url}/accept"}, headers=router)
    assert added.status == 201
    paused = await locked.ask("POST", "/queues/default/pause", headers=router)
    assert paused.body["paused"]["by"] == "Jö"
    read = {"Authorization": f"Bearer {SECRETS[Role.READ]}"}
    assert (await locked.ask("GET", added.headers["Location"], headers=read)).status == 200
    router["TaskPusher-Role"] = "push"
    assert (await locked.ask("POST", "/queues/default/resume", headers=router)).status == 403
    assert (await locked.ask("POST", "/add", data={"url": f"{target.url}/ok"}, headers=router)).status == 201


async def test_the_token_of_a_call_suffices_beside_a_cluster_token(locked, target):
    locked.node._serving.access.replace(None, (), "of-the-cluster")
    router = {"Authorization": "Bearer of-the-cluster"}
    added = await locked.ask("POST", "/add", data={"url": f"{target.url}/accept"}, headers=router)
    async with asyncio.timeout(20):
        while (await locked.ask("GET", added.headers["Location"], headers=router)).body["lease_until"] is None:
            await asyncio.sleep(0.005)
    token = {"TaskPusher-Token": target.tokens[added.body["uid"]]}
    assert (await locked.ask("POST", f"{added.headers['Location']}/complete", headers=token)).status == 200
