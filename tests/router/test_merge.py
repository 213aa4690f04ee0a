"""The merge of pages: a walk over nodes whose jobs change under it shows every job that stays exactly once."""

import json
from dataclasses import dataclass, field
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskpusher.codec import to_json, to_time
from taskpusher.position import Position
from taskpusher_router.merge import SOONEST_FIRST, BadPage, NodePage, merge, position_of, read

STATES = st.sampled_from(["waiting", "scheduled", "running", "completed", "error", "cancelled"])
TIMES = {"waiting": "waiting_at", "scheduled": "due_at", "running": "started_at"}
NAMES = ("n1", "n2", "n3", "n4")


@dataclass
class Node:
    """Pages as a node does: from chunks of its index, up to a number of entries that it looks at."""

    name: str
    state: str
    chunk: int
    scan_limit: int
    jobs: dict[Position, bool] = field(default_factory=dict)  # whether it passes the filters

    def page(self, after, limit):
        jobs, examined = [], 0
        while examined < self.scan_limit:
            entries = [at for at in in_order(self.state, self.jobs) if after is None or behind(self.state, at, after)]
            exhausted = len(entries) < self.chunk
            entries = entries[: self.chunk]
            for index, at in enumerate(entries, 1):
                after, examined = at, examined + 1
                if self.jobs[at]:
                    jobs.append(at)
                if len(jobs) == limit or examined == self.scan_limit:
                    return self.answer(jobs, None if exhausted and index == len(entries) else after)
            if exhausted:
                break
        return self.answer(jobs, None)

    def answer(self, jobs, scanned_to):
        items = [item(self.state, at) for at in jobs]
        return json.dumps({"jobs": items, "scanned_to": str(scanned_to) if scanned_to else None}).encode()


def in_order(state, positions):
    return sorted(positions, reverse=state not in SOONEST_FIRST)


def behind(state, at, other):
    return at > other if state in SOONEST_FIRST else at < other


def item(state, at, **more):
    return {"uid": uid(at), "state": state, TIMES.get(state, "ended_at"): to_time(at.t_ms), **more}


def told(jobs):
    return [json.loads(to_json(job))["uid"] for job in jobs]


def place(t, number, name="n1"):
    return Position(1_764_026_012_997 + t, f"019ab4c1f3a27d31a1b2c3d4e5f6{number:04x}", name)


def uid(at):
    return f"{at.id}-{at.name}"


@st.composite
def positions(draw, name):
    """Few times and few ids: many jobs come at one time, and stores have the same ids."""
    return place(draw(st.integers(0, 6)), draw(st.integers(0, 15)), name)


@st.composite
def clusters(draw):
    state = draw(STATES)
    nodes = []
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        jobs = draw(st.dictionaries(positions(name), st.booleans(), max_size=20))
        alone = {at.id: at for at in jobs}.values()  # a job stands in one place
        chunk, scan_limit = draw(st.integers(1, 5)), draw(st.integers(1, 8))
        nodes.append(Node(name, state, chunk, scan_limit, {at: jobs[at] for at in alone}))
    return nodes


def walk_page(nodes, state, after, limit, draw, change):
    """Ask all nodes, in any order, for any part of the page; then those behind, now and then, as often as one likes."""
    pages = {}
    for node in draw(st.permutations(nodes)):
        pages[node.name] = read(state, node.page(after, draw(st.integers(1, limit))))
        change()
    merged = merge(state, pages, after=after, limit=limit)
    for _ in range(draw(st.integers(0, 3))):
        for node in nodes:
            if node.name in merged.behind:
                further = node.page(pages[node.name].scanned_to, draw(st.integers(1, limit)))
                pages[node.name] = pages[node.name].then(read(state, further))
                change()
        merged = merge(state, pages, after=after, limit=limit)
    return merged


@settings(max_examples=300)
@given(clusters(), st.integers(1, 100) | st.integers(1, 5), st.data())
def test_a_walk_shows_every_job_that_stays_exactly_once(nodes, limit, data):
    state = nodes[0].state
    entered = set(chain.from_iterable(node.jobs for node in nodes))
    moving = data.draw(st.sets(st.sampled_from(sorted(entered)))) if entered else set()
    staying = {at for node in nodes for at, passes in node.jobs.items() if passes and at not in moving}
    left = data.draw(st.integers(0, 30))  # changes; without an end of them there is none of a walk

    def change():
        """Have a job leave the state, and another come, or the same again, before or behind where the walk is."""
        nonlocal left
        if left == 0 or data.draw(st.booleans()):
            return
        left -= 1
        node = data.draw(st.sampled_from(nodes))
        leaving = sorted(moving & set(node.jobs))
        if leaving:
            del node.jobs[data.draw(st.sampled_from(leaving))]
        coming = data.draw(positions(node.name))
        if coming.id not in {at.id for at in node.jobs}:
            node.jobs[coming] = data.draw(st.booleans())
            moving.add(coming)
            entered.add(coming)

    after, shown, pages = None, [], 0
    while pages == 0 or after is not None:
        merged = walk_page(nodes, state, after, limit, data.draw, change)
        assert len(merged.jobs) <= limit
        assert merged.position is None or after is None or behind(state, merged.position, after)
        shown += told(merged.jobs)
        after, pages = merged.position, pages + 1
        assert pages <= len(entered) + 1  # each ended at another job
    assert sorted(each for each in shown if each in set(map(uid, staying))) == sorted(map(uid, staying))
    assert set(shown) <= set(map(uid, entered))


@given(clusters(), st.integers(1, 30))
def test_a_page_that_goes_on_with_all_that_are_behind_is_full_until_the_last_and_in_order(nodes, limit):
    state = nodes[0].state
    wanted = in_order(state, (at for node in nodes for at, passes in node.jobs.items() if passes))
    after, shown = None, []
    while not shown or after is not None:
        pages = {node.name: read(state, node.page(after, limit)) for node in nodes}
        merged = merge(state, pages, after=after, limit=limit)
        while merged.behind:
            for node in nodes:
                if node.name in merged.behind:
                    pages[node.name] = pages[node.name].then(read(state, node.page(pages[node.name].scanned_to, limit)))
            merged = merge(state, pages, after=after, limit=limit)
        assert len(merged.jobs) == limit or merged.position is None
        shown.append(told(merged.jobs))
        after = merged.position
    assert list(chain.from_iterable(shown)) == list(map(uid, wanted))


def test_nothing_is_told_beyond_the_least_advanced_and_its_end_is_where_the_next_page_begins():
    a, b, c, d = (place(t, t) for t in range(4))
    ahead = read("waiting", Node("n1", "waiting", 9, 9, dict.fromkeys([a, b, d], True)).page(None, 9))
    late = NodePage([], c)
    merged = merge("waiting", {"n1": ahead, "n2": late}, after=None, limit=9)
    assert (told(merged.jobs), merged.position, merged.behind) == ([uid(a), uid(b)], c, {"n2"})
    merged = merge("waiting", {"n1": ahead, "n2": late}, after=None, limit=2)
    assert (told(merged.jobs), merged.position, merged.behind) == ([uid(a), uid(b)], c, set())
    merged = merge("waiting", {"n1": ahead, "n2": late}, after=a, limit=1)
    assert (told(merged.jobs), merged.position, merged.behind) == ([uid(b)], c, set())
    merged = merge("waiting", {"n1": ahead, "n2": late.then(NodePage([], None))}, after=None, limit=9)
    assert (told(merged.jobs), merged.position, merged.behind) == ([uid(a), uid(b), uid(d)], None, set())


@pytest.mark.parametrize("limit", [3, 4, 9])
def test_only_the_least_advanced_goes_on(limit):
    places = [place(t, t) for t in range(6)]
    full = read("completed", Node("n1", "completed", 9, 9, dict.fromkeys(places, True)).page(None, 3))
    late = NodePage([], places[5])
    merged = merge("completed", {"n1": full, "n2": late}, after=None, limit=limit)
    assert merged.behind == {"n2"}
    merged = merge("completed", {"n1": full, "n2": late.then(NodePage([], None))}, after=None, limit=limit)
    assert merged.behind == ({"n1"} if limit > 3 else set())


def test_no_node_no_job():
    assert merge("waiting", {}, after=None, limit=1) == ([], None, set())


def test_a_job_goes_out_to_the_letter():
    text = f'{{"uid":"{uid(place(0, 0))}","state":"running","meta":{{"n": 123456789012345678901.0,"ä":"\\u00e4"}}}}'
    page = read("running", f'{{"jobs":[{text}],"last_uid":null,"scanned_to":null,"partial":false}}'.encode())
    assert to_json(merge("running", {"n1": page}, after=None, limit=1).jobs) == f"[{text}]".encode()


@given(STATES, positions("n1"))
def test_where_a_job_is_listed_is_read_out_of_itself(state, at):
    position = position_of(state, json.dumps(item(state, at, url="http://a")).encode())
    assert position == at
    assert position_of("waiting", json.dumps(item("running", at)).encode()) is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"jobs":[]}',
        '{"jobs":[{}],"scanned_to":null}',
        '{"jobs":[],"scanned_to":"UID"}',
        '{"jobs":[{"uid":"x","state":"waiting"}],"scanned_to":null}',
        '{"jobs":[{"uid":"UID","state":"waiting","waiting_at":"2026"}],"scanned_to":null}',
        '{"jobs":[{"uid":"UID","state":"waiting","due_at":"2026-11-24T23:13:32"}],"scanned_to":null}',
    ],
)
def test_what_is_no_page_is_refused(body):
    with pytest.raises(BadPage):
        read("waiting", body.replace("UID", uid(place(0, 0))).encode())


def test_what_is_no_job_is_refused():
    with pytest.raises(BadPage):
        position_of("waiting", b'{"uid":"n1","state":"waiting"}')
