"""What `groups` promises, and the filters by group and kind of error."""

from taskpusher_node.grouping import OTHER
from taskpusher_node.lifecycle import JobError, State
from taskpusher_node.store.base import Verb

from ..bench import Bench


async def fail(bench: Bench, body: bytes, *, status: int = 500, **fields) -> str:
    """Add a job that ends in error with an answer."""
    uid = await bench.add(**fields)
    error = JobError("status", f"the target answered {status}", status)
    await bench.settle(await bench.start(), State.ERROR, tries=1, status=status, body=body, error=error)
    return uid


def found(bench: Bench) -> list[tuple[str, str, str, int]]:
    """Return (host, kind, line, count) of all groups."""
    return [(v.group.host, v.group.kind, v.group.line, v.count) for v in bench.store.groups()]


class Groups:
    """Errors that are alike are counted together, at any time and after any end."""

    async def test_errors_that_differ_by_ids_fall_together(self, bench: Bench):
        uids = [await fail(bench, b"no user %d\n  at line 7" % n, host="a:1") for n in range(3)]
        await fail(bench, b"no user 9", host="b:1")
        await fail(bench, b"no user 9", host="a:1", status=404)
        assert found(bench)[0] == ("a:1", "status 500", "no user #", 3)
        assert sorted(found(bench)[1:]) == [
            ("a:1", "status 404", "no user #", 1),
            ("b:1", "status 500", "no user #", 1),
        ]
        first = bench.store.groups()[0]
        assert await bench.walk(State.ERROR, group=first.group.id) == uids[::-1]
        assert first.sample_uid == uids[-1]

    async def test_a_group_says_when_its_errors_were_seen(self, bench: Bench):
        start_ms = bench.now_ms
        for _ in range(3):
            await fail(bench, b"x")
            bench.now_ms += 10
        [group] = bench.store.groups()
        assert (group.first_ms, group.last_ms) == (start_ms, start_ms + 20)

    async def test_a_group_that_is_empty_goes_away(self, bench: Bench):
        first, second = await fail(bench, b"x"), await fail(bench, b"x")
        await bench.change(second, Verb.RETRY)
        [group] = bench.store.groups()
        assert (group.count, group.sample_uid) == (1, None)
        await bench.change(first, Verb.DELETE)
        assert bench.store.groups() == []
        await bench.durable()
        await bench.kill_and_reopen()
        assert bench.store.groups() == []

    async def test_groups_are_as_they_were_after_a_kill(self, bench: Bench):
        for n in range(20):
            await fail(bench, b"kind %s" % b"abc"[n % 3 : n % 3 + 1])
        before = bench.store.groups()
        await bench.durable()
        await bench.kill_and_reopen()
        assert bench.store.groups() == before
        await fail(bench, b"kind a")
        assert [view.count for view in bench.store.groups()] == [8, 7, 6]

    async def test_what_never_ran_and_what_crashed_has_its_group_too(self, bench: Bench):
        await bench.add(ttl_s=1.0)
        await bench.promote(1_000)
        await bench.add()
        for _ in range(3):
            await bench.start()
            await bench.kill_and_reopen()
        assert sorted(kind for _, kind, _, _ in found(bench)) == ["crashed-node", "expired"]

    async def test_one_group_too_many_is_counted_as_other(self, bench: Bench):
        words = ["".join("ab"[n >> bit & 1] + "x" for bit in range(10)) for n in range(1_003)]
        uids = [await fail(bench, word.encode()) for word in words]
        groups = {view.group.id: view for view in bench.store.groups()}
        assert (len(groups), groups[OTHER].count) == (1_001, 3)
        assert await bench.walk(State.ERROR, group=OTHER) == uids[:-4:-1]
        for uid in uids[-3:]:
            await bench.change(uid, Verb.DELETE)
        assert OTHER not in {view.group.id for view in bench.store.groups()}

    async def test_a_listing_is_narrowed_to_a_kind_of_error(self, bench: Bench):
        failed = await fail(bench, b"x")
        expiring = await bench.add(ttl_s=1.0)
        await bench.promote(1_000)
        assert await bench.walk(State.ERROR, error="status") == [failed]
        assert await bench.walk(State.ERROR, error="expired") == [expiring]
        assert await bench.walk(State.ERROR, error="status", group="no such") == []
        await bench.bring(State.COMPLETED)
        assert await bench.walk(State.COMPLETED, error="status") == []
