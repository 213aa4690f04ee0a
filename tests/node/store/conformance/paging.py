"""What `page` promises."""

import asyncio
import random

import pytest

from taskpusher_node.lifecycle import State
from taskpusher_node.store.base import Settled, UnknownPosition, Verb

from ..bench import Bench


async def spread(bench: Bench, state: State, n: int = 5) -> list[str]:
    """Bring jobs into a state, 10 ms apart."""
    uids = []
    for _ in range(n):
        uids.append(await bench.bring(state))
        bench.now_ms += 10
    return uids


class Paging:
    """Listings in order, in parts, narrowed."""

    @pytest.mark.parametrize("state", [State.WAITING, State.SCHEDULED])
    async def test_what_is_to_come_is_listed_soonest_first(self, bench: Bench, state: State):
        assert await spread(bench, state) == await bench.walk(state)

    @pytest.mark.parametrize("state", [State.RUNNING, State.COMPLETED, State.ERROR, State.CANCELLED])
    async def test_what_began_or_ended_is_listed_newest_first(self, bench: Bench, state: State):
        assert (await spread(bench, state))[::-1] == await bench.walk(state)

    async def test_scheduled_jobs_are_listed_by_when_they_are_due(self, bench: Bench):
        jobs = [bench.job(delay_ms=delay) for delay in (300, 100, 200)]
        await bench.put(*jobs)
        assert await bench.walk(State.SCHEDULED) == [jobs[i].uid for i in (1, 2, 0)]

    @pytest.mark.parametrize("state", list(State))
    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
    async def test_small_pages_give_every_job_once(self, bench: Bench, state: State, limit: int):
        await spread(bench, state)
        assert await bench.walk(state, limit) == await bench.walk(state)

    @pytest.mark.parametrize("state", list(State))
    async def test_jobs_of_the_same_moment_are_listed_once_each_in_small_pages(self, bench: Bench, state: State):
        uids = [await bench.bring(state) for _ in range(5)]
        walked = await bench.walk(state, limit=2)
        forwards = state in (State.WAITING, State.SCHEDULED)
        assert walked == sorted(uids, reverse=not forwards)

    @pytest.mark.parametrize("state", list(State))
    async def test_a_plain_uid_is_a_position(self, bench: Bench, state: State):
        await spread(bench, state)
        walked = await bench.walk(state)
        page = await bench.page(state, after=walked[2])
        assert [job.uid for job in page.jobs] == walked[3:]

    async def test_the_uid_of_a_job_in_another_state_is_no_position(self, bench: Bench):
        uid = await bench.add()
        for state in set(State) - {State.WAITING}:
            with pytest.raises(UnknownPosition):
                await bench.page(state, after=uid)

    async def test_what_is_no_position_at_all_is_refused(self, bench: Bench):
        uid = await bench.add()
        other = uid.replace("bench", "other")
        for after in ("", "~", "x", f"x~{uid}", f"-1~{uid}", f"~{uid}", f"1~{other}-", other, f"{2**64}~{uid}"):
            with pytest.raises(UnknownPosition):
                await bench.page(State.WAITING, after=after)

    @pytest.mark.parametrize("state", list(State))
    @pytest.mark.parametrize("name", ["a", "bench", "z"])
    async def test_a_position_of_another_store_stands_in_the_order_of_all(self, bench: Bench, state: State, name: str):
        """That of (t, id, name): forwards or backwards as the listing goes, and what stands there is not told again."""
        for same_moment in (True, False):
            for _ in range(3):
                await bench.bring(state)
                bench.now_ms += 0 if same_moment else 10
        walked = await bench.walk(state)
        forwards = state in (State.WAITING, State.SCHEDULED)
        positions = [(await bench.page(state, limit=n)).scanned_to for n in range(1, 6)]
        for n, position in enumerate(positions, 1):
            t_text, _, uid = position.partition("~")
            told_again = name < "bench" if forwards else name > "bench"
            rest = walked[n - told_again :]
            after = f"{t_text}~{uid[:32]}-{name}"
            assert await self._rest(bench, state, after) == rest
            assert await self._rest(bench, state, after, limit=2) == rest

    async def _rest(self, bench: Bench, state: State, after: str | None, limit: int = 100) -> list[str]:
        found: list[str] = []
        while after is not None:
            page = await bench.page(state, after=after, limit=limit)
            found += [job.uid for job in page.jobs]
            after = page.scanned_to
        return found

    @pytest.mark.parametrize("state", list(State))
    async def test_a_position_of_another_store_between_two_jobs_hides_none(self, bench: Bench, state: State):
        uids = await spread(bench, state)
        t_text, _, uid = ((await bench.page(state, limit=2)).scanned_to or "").partition("~")
        forwards = state in (State.WAITING, State.SCHEDULED)
        after = f"{int(t_text) + (5 if forwards else -5)}~{uid[:32]}-other"
        assert await self._rest(bench, state, after) == (uids if forwards else uids[::-1])[2:]

    async def test_a_position_of_endless_digits_is_refused(self, bench: Bench):
        uid = await bench.add()
        with pytest.raises(UnknownPosition):
            await bench.page(State.WAITING, after=f"{'9' * 5_000}~{uid}")

    async def test_a_position_outlives_the_job_it_names(self, bench: Bench):
        uids = await spread(bench, State.WAITING)
        page = await bench.page(State.WAITING, limit=2)
        await bench.change(uids[1], Verb.CANCEL)
        await bench.change(uids[1], Verb.DELETE)
        rest = await bench.page(State.WAITING, after=page.scanned_to)
        assert [job.uid for job in rest.jobs] == uids[2:]

    async def test_an_exhausted_listing_says_so(self, bench: Bench):
        assert (await bench.page(State.WAITING)).scanned_to is None
        await spread(bench, State.WAITING, 3)
        page = await bench.page(State.WAITING, limit=2)
        assert page.scanned_to is not None
        assert (await bench.page(State.WAITING, after=page.scanned_to, limit=2)).scanned_to is None

    async def test_jobs_are_shown_as_get_shows_them(self, bench: Bench):
        uid = await bench.bring(State.RUNNING)
        page = await bench.page(State.RUNNING)
        assert page.jobs == [bench.store.get(uid)]

    async def test_a_long_listing_is_walked_in_order(self, bench: Bench):
        uids = await bench.add_many(1_050)
        assert await bench.walk(State.WAITING, limit=400) == uids
        assert await bench.walk(State.WAITING, limit=2_000) == uids


class Filtering:
    """A listing narrowed."""

    async def test_by_queue_and_host(self, bench: Bench):
        jobs = [bench.job(queue=queue, host=host) for queue in ("x", "y") for host in ("a:1", "b:1")]
        await bench.put(*jobs)
        uids = [job.uid for job in jobs]
        assert await bench.walk(State.WAITING, queue="y") == uids[2:]
        assert await bench.walk(State.WAITING, host="a:1") == uids[::2]
        assert await bench.walk(State.WAITING, host="b:1", queue="x") == [uids[1]]
        assert await bench.walk(State.WAITING, queue="z") == []

    @pytest.mark.parametrize("state", [State.ERROR, State.SCHEDULED, State.COMPLETED])
    async def test_by_the_status_of_the_last_answer(self, bench: Bench, state: State):
        uids = {}
        for status in (200, 404, 500, None):
            uids[status] = await bench.add()
            await bench.settle(await bench.start(), state, status=status, due_ms=bench.now_ms + 9, tries=1)
        assert await bench.walk(state, status="404") == [uids[404]]
        assert sorted(await bench.walk(state, status="4xx,500-599")) == sorted([uids[404], uids[500]])
        assert await bench.walk(state, status="201") == []

    async def test_by_the_status_of_jobs_that_run_again(self, bench: Bench):
        uid = await bench.add()
        await bench.settle(await bench.start(), State.SCHEDULED, status=500, due_ms=bench.now_ms + 1, tries=1)
        await bench.promote(1)
        assert await bench.walk(State.WAITING, status="500") == [uid]
        await bench.start()
        assert await bench.walk(State.RUNNING, status="500") == [uid]
        assert await bench.walk(State.RUNNING, status="200") == []

    async def test_an_interrupted_call_left_no_status(self, bench: Bench):
        await bench.add()
        await bench.settle(await bench.start(), State.SCHEDULED, status=500, due_ms=bench.now_ms + 1, tries=1)
        await bench.promote(1)
        await bench.settle(await bench.start(), State.WAITING)
        await bench.durable()
        assert await bench.walk(State.WAITING, status="500") == []

    @pytest.mark.parametrize("state", list(State))
    @pytest.mark.parametrize("limit", [1, 100])
    async def test_by_time_from_since_up_to_until(self, bench: Bench, state: State, limit: int):
        start_ms = bench.now_ms + (60_000 if state is State.SCHEDULED else 0)
        walked = sorted(await spread(bench, state))
        since, until = {"since_ms": start_ms + 10}, {"until_ms": start_ms + 30}
        assert sorted(await bench.walk(state, limit, **since)) == walked[1:]
        assert sorted(await bench.walk(state, limit, **until)) == walked[:3]
        assert sorted(await bench.walk(state, limit, **since, **until)) == walked[1:3]
        assert await bench.walk(state, limit, since_ms=start_ms + 99) == []
        assert await bench.walk(state, limit, since_ms=start_ms + 30, until_ms=start_ms + 10) == []

    @pytest.mark.parametrize("state", list(State))
    async def test_a_time_before_1970_narrows_nothing_or_everything(self, bench: Bench, state: State):
        await spread(bench, state, 1)
        assert len(await bench.walk(state, since_ms=-1_000)) == 1
        assert await bench.walk(state, until_ms=-1_000) == []

    async def test_a_page_examines_no_more_than_the_scan_limit(self, bench: Bench):
        await bench.reopen(scan_limit=10)
        await bench.add_many(25, queue="x")
        rare = await bench.add(queue="y")
        pages = [await bench.page(State.WAITING, queue="y")]
        while pages[-1].scanned_to is not None:
            pages.append(await bench.page(State.WAITING, pages[-1].scanned_to, queue="y"))
        assert [[job.uid for job in page.jobs] for page in pages] == [[], [], [rare]]


class Moving:
    """Walks while jobs change their state."""

    @pytest.mark.parametrize("seed", range(5))
    async def test_a_job_that_stays_is_seen_exactly_once(self, bench: Bench, seed: int):
        chance = random.Random(seed)
        stay, go = await self._mixed(bench, chance)
        seen: list[str] = []
        position: str | None = None
        while True:
            page = await bench.page(State.WAITING, position, 3)
            seen += [job.uid for job in page.jobs]
            position = page.scanned_to
            if position is None:
                break
            bench.now_ms += 1
            await bench.change(go.pop(), Verb.CANCEL)
            await bench.add(priority=chance.randint(-5, 5))
            await bench.promote()
        assert [uid for uid in seen if uid in stay] == sorted(stay)
        assert len(seen) == len(set(seen))

    async def _mixed(self, bench: Bench, chance: random.Random) -> tuple[set[str], list[str]]:
        uids = []
        for _ in range(30):
            uids.append(await bench.add())
            bench.now_ms += 1
        go = chance.sample(uids, 20)
        return set(uids) - set(go), go

    async def test_a_finished_job_that_stays_is_seen_once_while_others_end_and_go(self, bench: Bench):
        ended = await spread(bench, State.COMPLETED, 9)
        seen: list[str] = []
        position: str | None = None
        for gone in (ended[8], ended[0], ended[3], ended[4], ended[1]):
            page = await bench.page(State.COMPLETED, position, 2)
            seen += [job.uid for job in page.jobs]
            position = page.scanned_to
            await bench.change(gone, Verb.DELETE)
            await bench.bring(State.COMPLETED)
        stayed = [ended[i] for i in (7, 6, 5, 2)]
        assert [uid for uid in seen if uid in stayed] == stayed

    async def test_a_job_whose_call_ends_during_a_page_is_not_shown_as_waiting(self, bench: Bench):
        uids = await bench.add_many(500)
        bench.now_ms += 1
        urgent = await bench.add(priority=100)
        job = await bench.start()
        assert job.uid == urgent
        reading = asyncio.ensure_future(bench.page(State.WAITING, limit=1_000))
        await self._settle_within_the_page(bench, job)
        page = await reading
        assert [view.uid for view in page.jobs] == uids

    async def _settle_within_the_page(self, bench: Bench, job) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await bench.settle(job, State.COMPLETED) is Settled.APPLIED


META = {
    "text": b'{"shop": "a b", "n": {"shop": "x"}}',
    "number": b'{"shop":7.50,"x":true}',
    "null": b'{"shop":null,"x":false}',
    "list": b'{"shop":["a b"]}',
    "none": None,
}


class FilteringByJob:
    """Filters that look into the job: its key, and members of its meta."""

    @pytest.mark.parametrize(
        ("meta", "found"),
        [
            ({"shop": "a b"}, ["text"]),
            ({"shop": "7.50"}, ["number"]),
            ({"shop": "7.5"}, []),
            ({"shop": "null"}, ["null"]),
            ({"shop": '["a b"]'}, []),
            ({"x": "true"}, ["number"]),
            ({"x": "true", "shop": "7.50"}, ["number"]),
            ({"x": "true", "shop": "null"}, []),
            ({"n": "x"}, []),
            ({"other": "null"}, []),
        ],
    )
    async def test_a_member_of_meta_is_compared_with_a_text(self, bench: Bench, meta: dict[str, str], found: list[str]):
        uids = {name: await bench.add(meta=text) for name, text in META.items()}
        await bench.kill_and_reopen()
        assert await bench.walk(State.WAITING, meta=meta) == [uids[name] for name in found]

    async def test_a_key_is_compared_as_a_whole(self, bench: Bench):
        uids = [await bench.add(key=key) for key in ("a", "ab", None, "a")]
        await bench.kill_and_reopen()
        assert await bench.walk(State.WAITING, key="a") == [uids[0], uids[3]]
        assert await bench.walk(State.WAITING, key="b") == []
        for job in await bench.claim(4):
            await bench.settle(job, State.COMPLETED, tries=1)
        assert set(await bench.walk(State.COMPLETED, key="a")) == {uids[0], uids[3]}

    async def test_they_examine_no_more_than_other_filters_do(self, bench: Bench):
        await bench.reopen(scan_limit=3)
        uids = [await bench.add(key="a" if n == 4 else None) for n in range(5)]
        page = await bench.page(State.WAITING, key="a")
        assert (page.jobs, page.scanned_to is not None) == ([], True)
        page = await bench.page(State.WAITING, page.scanned_to, key="a")
        assert [job.uid for job in page.jobs] == [uids[4]]

    async def test_a_verb_for_many_takes_them_too(self, bench: Bench):
        chosen = await bench.add(meta=b'{"shop":1}')
        await bench.add(meta=b'{"shop":2}')
        done = await bench.change_many(State.WAITING, Verb.CANCEL, meta={"shop": "1"})
        assert (done.done, done.examined) == (1, 2)
        await bench.kill_and_reopen()
        assert await bench.walk(State.CANCELLED) == [chosen]
