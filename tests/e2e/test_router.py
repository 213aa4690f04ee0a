"""A router as a process: its members at a reload, its secrets, its metrics as Prometheus reads them, its end."""

import asyncio
import signal
from contextlib import suppress

import aiohttp
import pytest

from taskpusher.uid import name_of

from .processes import COMMAND, NodeProcess, RouterProcess, add, free_port

TOKEN, OTHER = "cluster-one", "cluster-two"


@pytest.fixture
async def nodes(tmp_path):
    nodes = {}
    for name in ("n1", "n2"):
        (tmp_path / name).mkdir()
        nodes[name] = NodeProcess(tmp_path / name, f"--name={name}", f"--cluster-token-file={tmp_path / 'token'}")
        nodes[name].address = f"127.0.0.1:{free_port()}"
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    await asyncio.gather(*(node.start() for node in nodes.values()))
    yield nodes
    for node in nodes.values():
        await node.kill()


@pytest.fixture
async def router(tmp_path, nodes):
    (tmp_path / "router").mkdir()
    (tmp_path / "members").write_text(f"n1=http://{nodes['n1'].address}\n")
    flags = f"--nodes-file={tmp_path / 'members'}", f"--cluster-token-file={tmp_path / 'token'}"
    process = RouterProcess(tmp_path / "router", *flags)
    await process.start()
    yield process
    await process.kill()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def line(process, event, n=1):
    async with asyncio.timeout(20):
        while len(process.events(event)) < n:
            await asyncio.sleep(0.02)
    return process.events(event)[-1]


async def placed(http, router, n=40):
    """Add jobs and return the nodes they went to."""
    return {name_of(await add(http, router, url="http://a", delay=60)) for _ in range(n)}


async def test_a_member_more_gets_its_share_as_soon_as_the_file_names_it(tmp_path, nodes, router, http):
    assert await placed(http, router) == {"n1"}
    (tmp_path / "members").write_text("".join(f"{name}=http://{node.address}\n" for name, node in nodes.items()))
    router.signal(signal.SIGHUP)
    await line(router, "members")
    async with asyncio.timeout(20):
        while await placed(http, router) != {"n1", "n2"}:
            await asyncio.sleep(0.05)


async def test_a_file_that_is_wrong_is_told_and_changes_nothing(tmp_path, router, http):
    (tmp_path / "members").write_text("n1\n")
    await line(router, "members refused")
    async with http.get(f"{router.url}/ready") as answer:
        assert answer.status == 200
        assert set((await answer.json())["warnings"]) == {"membership"}
    async with http.get(f"{router.url}/metrics") as answer:
        assert "taskpusher_router_membership_last_reload_successful 0.0" in await answer.text()
    router.signal(signal.SIGHUP)
    assert "nodes_file" in (await line(router, "reload"))["refused"][0]
    assert await placed(http, router) == {"n1"}


async def test_another_cluster_token_is_taken_by_nodes_and_routers_at_sighup(tmp_path, nodes, router, http):
    (tmp_path / "token").write_text(OTHER)
    for process in (*nodes.values(), router):
        process.signal(signal.SIGHUP)
        assert "cluster_token" in (await line(process, "reload"))["taken"]
    assert await placed(http, router, 5) == {"n1"}
    old = {"Authorization": f"Bearer {TOKEN}"}
    async with http.post(f"{nodes['n1'].url}/add", json={"url": "http://a"}, headers=old) as answer:
        assert answer.status == 401


async def test_the_cluster_token_is_in_no_log(nodes, router, http):
    await placed(http, router, 3)
    for process in (*nodes.values(), router):
        assert TOKEN.encode() not in process.log.read_bytes()


async def test_a_router_that_is_told_to_stop_answers_what_it_has_begun(nodes, router, http):
    nodes["n1"].signal(signal.SIGSTOP)  # so that the add is under way
    adding = asyncio.create_task(add(http, router, url="http://a", delay=60))
    async with asyncio.timeout(20):
        while True:
            async with http.get(f"{router.url}/metrics") as answer:
                if "taskpusher_router_coalesced_jobs_count 1.0" in await answer.text():
                    break
            await asyncio.sleep(0.02)
    router.signal(signal.SIGTERM)
    await line(router, "stopping")
    nodes["n1"].signal(signal.SIGCONT)
    assert name_of(await adding) == "n1"
    assert await router.wait() == 0


async def test_the_deepest_job_that_a_node_takes_is_in_the_listing_of_a_router(tmp_path):
    for name in ("n1", "router"):
        (tmp_path / name).mkdir()
    node = NodeProcess(tmp_path / "n1", "--name=n1")
    await node.start()
    router = RouterProcess(tmp_path / "router", f"--node=n1={node.url}")
    await router.start()
    try:
        async with aiohttp.ClientSession() as http:

            async def takes(depth):
                nested = "[" * depth + "]" * depth
                body = f'{{"url":"http://a","delay":3600,"meta":{{"a":{nested}}}}}'
                async with http.post(
                    f"{node.url}/add", data=body, headers={"Content-Type": "application/json"}
                ) as told:
                    return told.status == 201

            taken, refused = 1, 2_000
            while refused - taken > 1:
                depth = (taken + refused) // 2
                taken, refused = (depth, refused) if await takes(depth) else (taken, depth)
            assert taken > 900
            async with http.get(f"{router.url}/jobs/scheduled?partial=false") as listed:
                assert listed.status == 200
    finally:
        await router.kill()
        await node.kill()


async def test_clients_that_wait_for_jobs_leave_a_router_files_enough_to_see_its_nodes(tmp_path):
    for name in ("n1", "router"):
        (tmp_path / name).mkdir()
    node = NodeProcess(tmp_path / "n1", "--name=n1")
    await node.start()
    router = RouterProcess(tmp_path / "router", f"--node=n1={node.url}")
    router.command = ("bash", "-c", 'ulimit -n 256; exec "$@"', "limited", *COMMAND)
    await router.start()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            uid = await add(http, router, url="http://a", delay=3600)

            async def wait():
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{router.url}/job/{uid}/wait?timeout=5") as told:
                        await told.read()

            await asyncio.gather(*(wait() for _ in range(256)))
    finally:
        await router.kill()
        await node.kill()
    assert router.events("node down") == []
