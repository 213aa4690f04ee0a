"""What `get` promises."""

from taskpusher_node.lifecycle import SNIPPET_BYTES, State
from taskpusher_node.store.base import Verb

from ..bench import Bench, response


class Reading:
    """A job as it is now."""

    async def test_an_unknown_uid_is_none(self, bench: Bench):
        known = await bench.add()
        for uid in (bench.job().uid, known[:-1], known.replace("bench", "other"), "", "x", known[:32]):
            assert bench.store.get(uid) is None

    async def test_a_running_job_is_shown_running(self, bench: Bench):
        uid = await bench.add()
        bench.now_ms += 5
        await bench.start()
        head = bench.head(uid)
        assert (head.state, head.started_ms, head.attempt) == (State.RUNNING, bench.now_ms, 1)

    async def test_earlier_attempts_are_shown_only_where_asked_for(self, bench: Bench):
        uid = await self._called(bench, 3)
        plain = bench.store.get(uid)
        assert plain is not None
        assert plain.attempts == ()
        assert plain.head == bench.view(uid).head

    async def test_earlier_attempts_come_newest_first_beside_the_last(self, bench: Bench):
        uid = await self._called(bench, 4)
        view = bench.view(uid)
        assert view.head.last.n == 4
        assert [attempt.n for attempt in view.attempts] == [3, 2, 1]

    async def test_a_job_of_one_call_has_no_earlier_attempts(self, bench: Bench):
        assert list(bench.view(await self._called(bench, 1)).attempts) == []

    async def test_at_most_25_attempts_are_kept_the_newest(self, bench: Bench):
        view = bench.view(await self._called(bench, 40))
        numbers = [view.head.last.n, *(attempt.n for attempt in view.attempts)]
        assert len(view.attempts) <= 25
        assert len(numbers) >= 25
        assert numbers == list(range(40, 40 - len(numbers), -1))

    async def test_attempts_are_kept_over_a_kill(self, bench: Bench):
        uid = await self._called(bench, 5)
        view = bench.view(uid)
        await bench.durable()
        await bench.kill_and_reopen()
        assert bench.view(uid) == view

    async def test_the_last_answer_is_kept_whole_and_earlier_ones_as_snippets(self, bench: Bench):
        uid = await bench.add()
        body = bytes(range(256)) * 4
        await self._call(bench, body=body)
        assert bench.head(uid).last.response == response(200, body)
        await self._call(bench, body=b"short")
        earlier = bench.view(uid).attempts[0].response
        assert (earlier.body, earlier.truncated, earlier.headers) == (body[:SNIPPET_BYTES], True, [])

    async def test_a_short_earlier_answer_is_not_called_truncated(self, bench: Bench):
        uid = await bench.add()
        await self._call(bench, body=b"y" * SNIPPET_BYTES)
        await self._call(bench)
        earlier = bench.view(uid).attempts[0].response
        assert (earlier.body, earlier.truncated) == (b"y" * SNIPPET_BYTES, False)

    async def test_attempts_go_with_their_job(self, bench: Bench):
        uid = await self._called(bench, 30)
        await bench.change(uid, Verb.CANCEL)
        await bench.change(uid, Verb.DELETE)
        await bench.put(bench.job(uid=uid, given=True))
        assert list(bench.view(uid).attempts) == []

    async def _called(self, bench: Bench, times: int) -> str:
        uid = await bench.add()
        for _ in range(times):
            await self._call(bench)
        return uid

    async def _call(self, bench: Bench, body: bytes = b"") -> None:
        job = await bench.start()
        await bench.settle(job, State.SCHEDULED, due_ms=bench.now_ms + 1, tries=1, body=body)
        await bench.promote(1)
