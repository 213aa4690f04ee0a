"""Why a job does not run: every reason, in a node that is in that state."""

import asyncio

import pytest

from taskpusher import uid as uids
from taskpusher.clock import unix_ms
from taskpusher.job import Spec
from taskpusher.phase import Phase
from taskpusher_node.lifecycle import Head, State
from taskpusher_node.store.base import JobView, NewJob, Place
from taskpusher_node.store.rocksdb import RocksStore
from taskpusher_node.targets import TargetView
from taskpusher_node.why import Around, Slots, why

from .harness import Api, Target, error
from .test_targets import hold_back


async def reason(api: Api, uid: str) -> tuple[str, str, dict]:
    """Return the name of the reason, the sentence and the facts."""
    told = await api.get(f"/job/{uid}/why")
    assert told.keys() == {"uid", "state", "why", "facts"}
    assert (told["uid"], told["state"]) == (uid, (await api.get(f"/job/{uid}"))["state"])
    return told["facts"]["reason"], told["why"], told["facts"]


async def busy(api: Api, target: Target, n: int = 1) -> list[str]:
    """Have calls run that end when the target is released."""
    running = [await api.add(f"{target.url}/hang") for _ in range(n)]
    for uid in running:
        await api.until(uid, "running")
    return running


@pytest.fixture
async def one_slot(tmp_path):
    async with Api(tmp_path, concurrency=1) as api:
        yield api


async def test_an_unknown_job_is_not_found(api):
    assert error(await api.ask("GET", f"/job/{uids.mint('n1')}/why")) == (404, "not-found")


async def test_jobs_that_have_ended_say_how(api, target):
    done, failed = await api.add(f"{target.url}/ok"), await api.add(f"{target.url}/fail")
    cancelled = await api.add(f"{target.url}/ok", delay=60)
    await api.ask("POST", f"/job/{cancelled}/cancel")
    jobs = [await api.get(f"/job/{uid}/wait") for uid in (done, failed, cancelled)]
    told = [await reason(api, job["uid"]) for job in jobs]
    assert [name for name, _, _ in told] == ["completed", "error", "cancelled"]
    assert told[0][1] == f"it was completed at {jobs[0]['ended_at']}"
    assert told[1][1] == f"it ended in error at {jobs[1]['ended_at']}: the target answered 500"


async def test_a_job_that_runs_says_so(api, target):
    [uid] = await busy(api, target)
    name, sentence, facts = await reason(api, uid)
    assert (name, facts["call"], "call 1 began at" in sentence) == ("running", 1, True)


async def test_a_job_that_is_not_due_says_when_and_why(api, target):
    later = await api.add(f"{target.url}/ok", delay=60)
    failed = await api.add(f"{target.url}/fail", max_attempts=3, backoff=[60])
    away = await api.add(f"{target.url}/away", unreached_attempts=5)
    told = []
    for uid in (later, failed, away):
        due = (await api.until(uid, "scheduled"))["due_at"]
        name, sentence, facts = await reason(api, uid)
        assert (name, facts["due_at"], due in sentence) == ("scheduled", due, True)
        told.append(sentence)
    assert told[0].startswith("it is due at")
    assert told[1].startswith("it is retried: 1 of 3 tries are used up")
    assert told[2].startswith("its target was not reached (1 of at most 5 calls")


async def test_a_paused_queue_is_named_with_who_paused_it_and_until_when(tmp_path, target):
    headers = {"Authorization": "Basic am9lOnNlY3JldA=="}
    async with Api(tmp_path, basicauth="joe:secret") as api:
        pause = (await api.ask("POST", "/queues/default/pause?for=60", headers=headers)).body["paused"]
        added = await api.ask("POST", "/add", json={"url": f"{target.url}/ok"}, headers=headers)
        told = (await api.ask("GET", f"/job/{added.body['uid']}/why", headers=headers)).body
        expected = f"its queue default is paused by joe since {pause['since']}, until {pause['until']}"
        assert told["why"] == expected
        assert told["facts"] == {"reason": "paused", "queue": "default", **pause}


async def test_a_host_that_is_held_by_hand_is_named(api, target):
    held = (await api.ask("POST", f"/targets/{target.host}/hold")).body["held"]
    uid = await api.add(f"{target.url}/ok")
    name, sentence, facts = await reason(api, uid)
    assert (name, facts) == ("held", {"reason": "held", "host": target.host, **held})
    assert sentence == f"its host {target.host} is held since {held['since']}, until somebody lets it go on"


async def test_a_host_that_is_held_back_is_named_with_its_next_probe_and_then_with_its_limit(api, target):
    await hold_back(api, target.url)
    probe, other = await api.add(f"{target.url}/hang"), await api.add(f"{target.url}/ok")
    name, sentence, facts = await reason(api, other)
    assert (name, facts["by"]) == ("held", "unreached")
    assert sentence.endswith(f"one call probes it at {facts['next_probe']}")
    await api.ask("POST", f"/targets/{target.host}/release")
    await api.until(probe, "running")
    name, sentence, facts = await reason(api, other)
    assert (name, facts["limit"], facts["in_flight"]) == ("host-limit", 1, 1)
    assert "may run 1 call at once for now, and does" in sentence
    target.released.set()


async def test_what_is_ahead_is_counted_up_to_a_thousand(one_slot, target):
    await busy(one_slot, target)
    answer = await one_slot.ask("POST", "/add", json=[{"url": f"{target.url}/ok"}] * 1_000)
    second = answer.body[1]["uid"]
    name, sentence, facts = await reason(one_slot, second)
    assert (name, facts["ahead"], facts["more"]) == ("line", 1, False)
    assert sentence == f"1 job is ahead of it in queue default for host {target.host}"
    last = answer.body[-1]["uid"]
    assert (await reason(one_slot, last))[2]["ahead"] == 999
    for _ in range(2):
        last = await one_slot.add(f"{target.url}/ok")
    _, sentence, facts = await reason(one_slot, last)
    assert ((facts["ahead"], facts["more"]), sentence.startswith("more than 1,000 jobs are")) == ((1_000, True), True)


async def test_only_what_goes_first_is_ahead(one_slot, target):
    await busy(one_slot, target)
    uid = await one_slot.add(f"{target.url}/ok")
    for fields in ({"priority": -1}, {"queue": "other"}, {}):
        await one_slot.add(f"{target.url}/ok", **fields)
    await one_slot.add("http://127.0.0.2:1/")
    assert (await reason(one_slot, uid))[0] == "slots"
    gone = await one_slot.add(f"{target.url}/ok", priority=1)
    await one_slot.add(f"{target.url}/ok", priority=2)
    assert (await reason(one_slot, uid))[2]["ahead"] == 2
    await one_slot.ask("POST", f"/job/{gone}/cancel")
    assert (await reason(one_slot, uid))[2]["ahead"] == 1


async def test_how_fast_the_line_moves_is_told(one_slot, target):
    await one_slot.get(f"/job/{await one_slot.add(f'{target.url}/ok')}/wait")
    await busy(one_slot, target)
    for _ in range(2):
        uid = await one_slot.add(f"{target.url}/ok")
    _, sentence, facts = await reason(one_slot, uid)
    assert (facts["rate"] > 0, "; its calls end at" in sentence) == (True, True)


async def test_busy_slots_are_told_with_the_hosts_that_have_them(one_slot, target):
    await busy(one_slot, target)
    name, sentence, facts = await reason(one_slot, await one_slot.add(f"{target.url}/ok"))
    assert (name, facts["busy"], facts["limit"], facts["hosts"]) == ("slots", 1, 1, {target.host: 1})
    assert sentence == f"all 1 slots are busy, most with calls of {target.host} (1)"


async def test_the_slot_that_is_kept_for_idle_hosts_is_told(tmp_path, target):
    async with Api(tmp_path, concurrency=3) as api, Target() as other:
        await busy(api, target)
        await busy(api, other)
        added = await api.ask("POST", "/add", json=[{"url": f"{url}/hang"} for url in (target.url, other.url)])
        name, sentence, _ = await reason(api, added.body[0]["uid"])
        assert name == "reserve"
        assert sentence == f"the last slot is kept for hosts with no call running, and {target.host} has 1"


async def test_suspects_of_a_crash_wait_for_one_another(tmp_path, target):
    store = await RocksStore.open(tmp_path / "store", "n1")
    spec = Spec(url=f"{target.url}/hang", host=target.host)
    jobs = [NewJob(uids.mint("n1"), spec, unix_ms(), 0) for _ in range(2)]
    await store.put_new(jobs)
    await store.claim(2, reserve=0)
    await store.close()  # under running calls: for the next start that is a crash
    async with Api(tmp_path) as api:
        await api.until(jobs[0].uid, "running")
        name, sentence, facts = await reason(api, jobs[1].uid)
        assert (name, facts["crashes"]) == ("suspect", 1)
        assert sentence.startswith("it was running when the node crashed, once")
        target.released.set()
        await api.until(jobs[1].uid, "completed")


async def test_a_node_that_stops_leaves_what_comes_for_the_next_start(tmp_path, target):
    async with Api(tmp_path, drain_timeout=10.0, concurrency=1) as api:
        await busy(api, target)
        before = await api.add(f"{target.url}/ok")
        api.begin_stop()
        async with asyncio.timeout(5):
            while (await api.ask("GET", "/ready")).body["state"] != "stopping":
                await asyncio.sleep(0.005)
        after = await api.add(f"{target.url}/ok")
        name, sentence, _ = await reason(api, after)
        assert (name, "stopping" in sentence) == ("stopping", True)
        assert (await reason(api, before))[0] == "slots"  # it is run down
        target.released.set()


async def test_a_node_that_begins_no_more_calls_says_so(tmp_path, target):
    async with Api(tmp_path, drain_timeout=0.0, stop_grace=10.0, concurrency=1) as api:
        await busy(api, target)
        uid = await api.add(f"{target.url}/ok")
        api.begin_stop()
        async with asyncio.timeout(5):
            while (await reason(api, uid))[0] != "stopping":
                await asyncio.sleep(0.005)
        target.released.set()


async def test_a_store_that_stalls_is_told(one_slot, target):
    await busy(one_slot, target)
    uid = await one_slot.add(f"{target.url}/ok")
    one_slot.node._events.stalled(True)
    assert await reason(one_slot, uid) == (
        "stalled",
        "the node begins no call of it: the store cannot write at the moment",
        {"reason": "stalled"},
    )


def test_a_job_that_nothing_stands_before_is_next():
    job = JobView("u", Spec(url="http://a/", host="a:80"), Head(State.WAITING, 1), 0)
    target = TargetView("a:80", 0, None, 0.0, None, [0], None)
    around = Around(Phase.READY, None, None, Place(), target, Slots(0, 4, 1, {}, claiming=True))
    assert why(job, around).facts == {"reason": "next"}
