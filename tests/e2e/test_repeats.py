"""Answered twice, stored once: a process is killed between an add and its repeat, and a day passes on its clock."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from .processes import NodeProcess, Target, until
from .test_clock import Clock

DAY_S = 86_400


async def added(http: aiohttp.ClientSession, node: NodeProcess, **fields: object) -> tuple[int, str]:
    async with http.post(f"{node.url}/add", json=fields) as answer:
        body = await answer.json()
        assert answer.status < 300, body
        return answer.status, body["uid"]


async def test_a_kill_between_an_add_and_its_repeat(node, http, target: Target):
    await node.start()
    fields = {"url": f"{target.url}/ok", "idempotency_key": "k"}
    status, uid = await added(http, node, **fields)
    assert status == 201
    await node.kill()
    await node.start()
    assert await added(http, node, **fields) == (200, uid)
    assert await added(http, node, **fields, uid=uid) == (200, uid)
    await until(http, node, completed=1)
    async with http.delete(f"{node.url}/job/{uid}") as answer:
        assert answer.status == 204
    await node.kill()
    await node.start()
    assert await added(http, node, **fields) == (200, uid)
    assert await added(http, node, **fields, uid=uid) == (200, uid)
    await until(http, node)
    assert set(target.calls) == {uid}


async def test_adds_whose_answer_a_kill_took_are_stored_once_when_they_are_repeated(node, http, target: Target):
    await node.start()
    jobs = [{"url": f"{target.url}/ok", "idempotency_key": str(i % 100)} for i in range(200)]
    adds = [asyncio.create_task(added(http, node, **fields)) for fields in jobs]
    await asyncio.wait(adds, return_when=asyncio.FIRST_COMPLETED)
    await node.kill()
    told = await asyncio.gather(*adds, return_exceptions=True)
    known = {
        fields["idempotency_key"]: each[1] for fields, each in zip(jobs, told, strict=True) if isinstance(each, tuple)
    }
    assert known
    await node.start()
    again = {fields["idempotency_key"]: (await added(http, node, **fields))[1] for fields in jobs}
    assert known.items() <= again.items()
    await until(http, node, completed=100)
    assert set(target.calls) == set(again.values())


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
async def clocked(tmp_path: Path, clock: Clock):
    process = NodeProcess(tmp_path, env=clock.environment)
    yield process
    await process.kill()


async def test_a_day_after_its_end_a_key_is_free_and_a_deleted_uid_is_too_old(
    clocked, http, target: Target, clock: Clock
):
    await clocked.start()
    fields = {"url": f"{target.url}/ok", "idempotency_key": "k"}
    _, uid = await added(http, clocked, **fields)
    await until(http, clocked, completed=1)
    waits = {"url": f"{target.url}/ok", "idempotency_key": "waits", "delay": 9 * DAY_S}
    _, waiting = await added(http, clocked, **waits)
    async with http.delete(f"{clocked.url}/job/{uid}") as answer:
        assert answer.status == 204
    clock.step(23 * 3_600)
    assert await added(http, clocked, **fields) == (200, uid)
    assert await added(http, clocked, **fields, uid=uid) == (200, uid)
    await clocked.kill()
    clock.step(25 * 3_600)
    await clocked.start()
    async with asyncio.timeout(10):  # it is forgotten at the first look
        while (answered := await added(http, clocked, **fields))[0] == 200:
            await asyncio.sleep(0.05)
    assert answered[1] != uid
    async with http.post(f"{clocked.url}/add", json=fields | {"uid": uid}) as answer:
        assert answer.status == 422
    assert await added(http, clocked, **waits) == (200, waiting)
    await until(http, clocked, completed=1, scheduled=1)
    assert target.calls == {uid: 1, answered[1]: 1}
