"""What an application is told of ends, by a node that is killed between the end and the telling."""

import asyncio

from aiohttp import web

from .processes import add, job, until


class Told:
    """An application that is told of ends, and answers only when it is let."""

    def __init__(self) -> None:
        self.bodies: list[dict] = []
        self.answers = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """Take a callback."""
        self.bodies.append(await request.json())
        await self.answers.wait()
        return web.Response(status=204)

    async def heard(self, n: int) -> None:
        """Wait until it was told `n` times."""
        async with asyncio.timeout(20):
            while len(self.bodies) < n:
                await asyncio.sleep(0.01)


async def test_an_end_is_told_though_the_node_is_killed_before_and_while_it_tells(node, http, target, serve):
    told = Told()
    app = web.Application()
    app.router.add_post("/told", told.take)
    url = f"{await serve(app)}/told"
    await node.start()
    for path in ("callbacks", "callbacks/pause"):
        await (http.put if path == "callbacks" else http.post)(f"{node.url}/queues/{path}")
    uid = await add(http, node, url=f"{target.url}/ok", callback=url)
    await until(http, node, completed=1, waiting=1)
    await node.kill()
    assert told.bodies == []
    await node.start()
    async with http.get(f"{node.url}/jobs/waiting?queue=callbacks") as answer:
        [listed] = (await answer.json())["jobs"]
    await http.post(f"{node.url}/queues/callbacks/resume")
    await told.heard(1)
    await node.kill()  # while its application has not answered
    told.answers.set()
    await node.start()
    await until(http, node, completed=2)
    callback = await job(http, node, listed["uid"])
    assert (callback["callback_of"], callback["state"], callback["attempt"]) == (uid, "completed", 2)
    assert [(body["uid"], body["state"]) for body in told.bodies] == [(uid, "completed")] * 2
    assert target.calls[uid] == 1
