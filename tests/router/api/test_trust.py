"""Who may do what: a router asks clients for its credentials, nodes believe routers by the cluster token."""

import asyncio
import base64

import pytest

from taskpusher.access import Role, Token
from taskpusher.uid import name_of

from .harness import Cluster

CLUSTER = "cluster-secret"
BOSS = {"Authorization": f"Basic {base64.b64encode(b'boss:b-o-s-s').decode()}"}
URL = "http://127.0.0.1:1/"
ADD = ("POST", "/add", {"url": f"{URL}?token=hidden", "delay": 60})
ROUTER = {
    "basicauth": "boss:b-o-s-s",
    "tokens": (
        Token("shop", Role.PUSH, "p-u-s-h"),
        Token("böard", Role.READ, "r-e-a-d"),
        Token("öps", Role.ADMIN, "a-d-m-i-n"),
    ),
}
NODE = {
    "cluster_token": CLUSTER,
    "tokens": (Token("prometheus", Role.READ, "s-e-e"), Token("old", Role.ADMIN, "o-l-d")),
}


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
async def cluster(tmp_path):
    async with Cluster(tmp_path, ("n1", "n2"), node=NODE, cluster_token=CLUSTER, **ROUTER) as cluster:
        yield cluster


async def ask(client, method, path, body=None, secret=None):
    options = {"json": body} if body is not None else {}
    return await client.ask(method, path, headers=bearer(secret) if secret else {}, **options)


@pytest.mark.parametrize(
    ("call", "statuses"),
    [
        # by nobody, the roles push, read, admin
        (ADD, (401, 201, 403, 201)),
        (("GET", "/job/{uid}"), (401, 200, 200, 200)),
        (("GET", "/job/{uid}?reveal=1"), (401, 403, 403, 200)),
        (("GET", "/jobs/scheduled"), (401, 403, 200, 200)),
        (("GET", "/stats"), (401, 403, 200, 200)),
        (("GET", "/nodes"), (401, 403, 200, 200)),
        (("GET", "/metrics"), (401, 403, 200, 200)),
        (("POST", "/job/{uid}/cancel"), (401, 403, 403, 200)),
        (("POST", "/queues/default/pause"), (401, 403, 403, 200)),
        (("PUT", "/limits/k", {"concurrency": 1}), (401, 403, 403, 200)),
        (("POST", "/jobs/scheduled/cancel"), (401, 403, 403, 200)),
        (("POST", "/nodes/n1/drain"), (401, 403, 403, 200)),
        (("POST", "/drain"), (401, 403, 403, 200)),
        (("GET", "/ready"), (200, 200, 200, 200)),
        (("GET", "/health"), (200, 200, 200, 200)),
    ],
)
async def test_a_role_may_do_at_a_router_what_it_may_at_a_node(cluster, call, statuses):
    uid = (await ask(cluster.router, *ADD, secret="a-d-m-i-n")).body["uid"]
    method, path, *body = call
    secrets = (None, "p-u-s-h", "r-e-a-d", "a-d-m-i-n")
    answers = [await ask(cluster.router, method, path.format(uid=uid), *body, secret=secret) for secret in secrets]
    assert tuple(answer.status for answer in answers) == statuses


async def test_the_one_user_and_a_token_are_known_by_the_router_alone(cluster):
    user = await cluster.router.ask("POST", "/add", json=ADD[2], headers=BOSS)
    assert user.status == 201
    node = cluster[name_of(user.body["uid"])]
    for secret in ("p-u-s-h", "a-d-m-i-n"):
        assert (await ask(node, *ADD, secret=secret)).status == 401


async def test_a_node_with_a_cluster_token_takes_changes_from_routers_only_and_reads_by_its_own_tokens(cluster):
    node = cluster["n1"]
    assert (await ask(node, "GET", "/metrics", secret="s-e-e")).status == 200
    for secret in ("s-e-e", "o-l-d"):
        assert (await ask(node, *ADD, secret=secret)).status == 403
    assert (await ask(node, *ADD, secret=CLUSTER)).status == 201


async def test_nobody_else_is_believed_whom_he_speaks_for(cluster):
    claims = {"TaskPusher-Role": "admin", "TaskPusher-Caller": "boss"}
    for client, secret in ((cluster["n1"], "s-e-e"), (cluster.router, "r-e-a-d")):
        answer = await client.ask("POST", "/add", json=ADD[2], headers=bearer(secret) | claims)
        assert answer.status == 403


async def test_who_paused_a_queue_is_who_asked_the_router(cluster):
    await ask(cluster.router, *ADD, secret="a-d-m-i-n")
    await ask(cluster.router, "PUT", "/queues/mail", {}, secret="a-d-m-i-n")
    await ask(cluster.router, "POST", "/queues/mail/pause", secret="a-d-m-i-n")
    for name in ("n1", "n2"):
        queue = await ask(cluster[name], "GET", "/queues/mail", secret="s-e-e")
        assert queue.body["paused"]["by"] == "öps"


async def test_secrets_are_masked_but_for_who_may_see_them(cluster):
    uid = (await ask(cluster.router, *ADD, secret="a-d-m-i-n")).body["uid"]
    for secret, path, shown in (
        ("r-e-a-d", f"/job/{uid}", False),
        ("a-d-m-i-n", f"/job/{uid}", False),
        ("a-d-m-i-n", f"/job/{uid}?reveal=1", True),
    ):
        assert ("hidden" in (await ask(cluster.router, "GET", path, secret=secret)).body["url"]) is shown


async def test_an_application_finishes_a_job_with_the_token_of_its_call_alone_at_the_router(cluster, target):
    added = await ask(cluster.router, "POST", "/add", {"url": f"{target.url}/accept"}, secret="p-u-s-h")
    uid = added.body["uid"]
    async with asyncio.timeout(20):
        while not target.tokens.get(uid):
            await asyncio.sleep(0.01)
    path = f"/job/{uid}/complete"
    wrong = await cluster.router.ask("POST", path, headers={"TaskPusher-Token": "1." + "0" * 32})
    assert wrong.status == 403
    done = await cluster.router.ask("POST", path, headers={"TaskPusher-Token": target.tokens[uid]})
    assert (done.status, done.body["state"]) == (200, "completed")


async def test_a_router_with_another_cluster_token_is_told_so(tmp_path, faults):
    async with Cluster(tmp_path, ("n1",), node=NODE, cluster_token="another") as cluster:
        answer = await cluster.router.ask("POST", "/add", json=ADD[2])
    assert (answer.status, answer.body["type"]) == (503, "owner-down")
    assert "cluster_token" in answer.body["detail"]
