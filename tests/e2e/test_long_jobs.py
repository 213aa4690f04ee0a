"""Jobs that an application accepts, and ends when it has done them, whatever becomes of the node meanwhile."""

import asyncio
import signal

from .processes import add, job, say, until


async def test_what_was_accepted_is_completed_over_a_kill_and_is_called_once(node, http, target):
    await node.start("--concurrency=4")
    uids = [await add(http, node, url=f"{target.url}/accept") for _ in range(30)]
    await target.called(30)
    await until(http, node, waiting=0, running=30)
    for uid in uids:  # durable when it is answered
        assert await say(http, node, target, uid, "heartbeat", percent=10) == 200
    for _ in range(3):
        await node.kill()
        await node.start("--concurrency=4")
    await asyncio.sleep(0.1)  # a node that took them for what was running would call them now
    assert [await say(http, node, target, uid, "complete", result=uid) for uid in uids] == [200] * 30
    await node.kill()
    await node.start()
    await until(http, node, completed=30)
    seen = await job(http, node, uids[0])
    assert (seen["attempt"], seen["crashes"], seen["response"]["body"]) == (1, 0, f'"{uids[0]}"')
    assert set(target.calls.values()) == {1}


async def test_a_call_that_a_kill_cut_short_has_no_say_any_more(node, http, target):
    await node.start()
    uid = await add(http, node, url=f"{target.url}/hang")
    await target.called(1)
    stale = target.tokens[uid]
    await node.kill()
    await node.start()
    await target.called(2)
    fresh = target.tokens[uid]
    target.tokens[uid] = stale
    assert await say(http, node, target, uid, "complete") == 409
    target.tokens[uid] = fresh
    assert await say(http, node, target, uid, "complete") == 200
    target.released.set()
    assert (await job(http, node, uid))["state"] == "completed"


async def test_no_stop_waits_for_what_was_accepted(node, http, target):
    await node.start()
    uid = await add(http, node, url=f"{target.url}/accept")
    await target.called(1)
    await until(http, node, running=1)
    assert await say(http, node, target, uid, "heartbeat") == 200
    node.signal(signal.SIGTERM)
    assert await node.wait(10) == 0
    await node.start()
    assert [line["stopped_clean"] for line in node.events("recovery")][-1]
    assert await say(http, node, target, uid, "complete") == 200
    assert target.calls[uid] == 1
