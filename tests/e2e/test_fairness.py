"""A host that never answers holds up nobody but itself."""

from .processes import NodeProcess, Target, add, until

HANGING = 200_000
HEALTHY = 400


async def test_healthy_jobs_behind_two_hundred_thousand_of_a_black_hole_all_end_while_it_hangs(tmp_path, http, target):
    black_hole = Target()
    await black_hole.start()
    node = await NodeProcess(tmp_path).start("--concurrency=4")
    try:
        await _post(http, f"{node.url}/queues/default/pause")
        await _add_many(http, node, f"{black_hole.url}/hang", HANGING)
        await _add_many(http, node, f"{target.url}/ok", HEALTHY)
        await _post(http, f"{node.url}/queues/default/resume")
        seen = await until(http, node, completed=HEALTHY)
        assert seen["waiting"] >= HANGING - 4
        assert black_hole.calls.total() <= 4
        assert target.calls.total() == HEALTHY
    finally:
        await node.kill()
        black_hole.released.set()
        await black_hole.stop()


async def test_a_black_hole_that_has_all_slots_gives_them_up_when_its_calls_time_out(tmp_path, http, target):
    black_hole = Target()
    await black_hole.start()
    node = await NodeProcess(tmp_path).start("--concurrency=4")
    try:
        await _add_many(http, node, f"{black_hole.url}/hang", 100, timeout=1)
        await until(http, node, running=4)
        await _add_many(http, node, f"{target.url}/ok", HEALTHY)
        seen = await until(http, node, completed=HEALTHY)
        assert seen["waiting"] > 50
    finally:
        await node.kill()
        black_hole.released.set()
        await black_hole.stop()


async def test_a_site_whose_only_host_is_its_own_application_keeps_all_slots(node, http, target):
    await node.start("--concurrency=4")
    for _ in range(10):
        await add(http, node, url=f"{target.url}/hang")
    await until(http, node, running=4, waiting=6)
    target.released.set()
    await until(http, node, completed=10)


async def _post(http, url):
    async with http.post(url) as answer:
        assert answer.status == 200


async def _add_many(http, node, url, n, **fields):
    for start in range(0, n, 1_000):
        jobs = [{"url": url, **fields} for _ in range(min(1_000, n - start))]
        async with http.post(f"{node.url}/add", json=jobs) as answer:
            assert answer.status == 201
