"""What nodes tell, added up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpusher.histogram import DURATIONS_S, Histogram, quantile
from taskpusher_router import sums

STATES = ("waiting", "scheduled", "running", "completed", "error", "cancelled")
T1, T2, T3 = (f"2026-11-24T23:13:3{n}.000Z" for n in range(3))


def histogram(*values):
    counted = Histogram()
    for value in values:
        counted.observe(value)
    return counted.counts


def counts(**some):
    return dict.fromkeys(STATES, 0) | some


def stats(**some):
    told = {"now": T1, "states": counts(), "oldest_waiting": None, "slots": {"busy": 0, "limit": 4}}
    return told | {"rates": {"added": 0.0, "completed": 0.0, "errors": 0.0}, "role": "admin"} | some


def series(*buckets):
    """Return the series of buckets of (t, added, waiting, durations)."""
    return {
        "t": [t for t, *_ in buckets],
        "added": [added for _, added, *_ in buckets],
        "completed": [added for _, added, *_ in buckets],
        "errors": [0 for _ in buckets],
        "waiting": [waiting for _, _, waiting, _ in buckets],
        "p95": [quantile(0.95, histogram(*durations)) for *_, durations in buckets],
        "duration_hist": [histogram(*durations) for *_, durations in buckets],
    }


def queue(name, **some):
    told = {"name": name, "declared": False, "paused": None, "counts": counts(), "oldest_waiting": None, "version": 0}
    return told | {"concurrency": None, "rate": None, "per": 1.0, "scope": "cluster", "defaults": {}} | some


def target(host, *durations, **some):
    told = {"host": host, "in_flight": 0, "limit": None, "rate": 0.0, "p50": None, "p95": None, "error_share": None}
    return told | {"duration_hist": histogram(*durations), "held": None} | some


def group(id_, count, **some):
    told = {"id": id_, "host": "h:80", "class": "status 500", "line": "Oops", "count": count}
    return told | {"first_seen": T1, "last_seen": T2, "sample_uid": "u"} | some


def limit(key, **some):
    return {"key": key, "concurrency": 1, "rate": None, "per": 1.0, "pinned": False, "running": 0, "waiting": 0} | some


# -- numbers


def test_numbers_are_added_and_the_oldest_is_that_of_all():
    one = stats(states=counts(waiting=1), oldest_waiting=T3, slots={"busy": 1, "limit": 4}, now=T2)
    two = stats(states=counts(waiting=2, error=5), oldest_waiting=T2, slots={"busy": 4, "limit": 8})
    one["rates"], two["rates"] = ({"added": 0.1, "completed": n, "errors": 0.2} for n in (1.0, 2.0))
    assert sums.stats([one, two, stats()]) == {
        "now": T2,
        "states": counts(waiting=3, error=5),
        "oldest_waiting": T2,
        "slots": {"busy": 5, "limit": 16},
        "rates": {"added": 0.2, "completed": 3.0, "errors": 0.4},
    }


def test_buckets_are_added_by_their_time_though_the_clocks_of_nodes_are_apart():
    one = stats(range="1h", step=10, series=series((10, 1, 5, [0.3]), (20, 2, 6, []), (30, 3, None, [])))
    two = stats(range="1h", step=10, series=series((20, 20, 7, [20.0]), (30, 30, None, [0.3, 0.3]), (40, 40, 1, [])))
    told = sums.stats([one, two])
    assert (told["range"], told["step"]) == ("1h", 10)
    assert told["series"]["t"] == [20, 30, 40]
    assert told["series"]["added"] == told["series"]["completed"] == [22, 33, 40]
    assert told["series"]["waiting"] == [13, None, 1]
    assert told["series"]["duration_hist"] == [histogram(20.0), histogram(0.3, 0.3), histogram()]
    assert told["series"]["p95"][2] is None


@given(st.lists(st.lists(st.floats(0, 2_000), max_size=20), min_size=1, max_size=5))
def test_percentiles_are_those_of_all_calls_together(durations):
    told = sums.stats([stats(range="1h", step=10, series=series((10, 0, 0, part))) for part in durations])
    together = quantile(0.95, histogram(*(value for part in durations for value in part)))
    assert told["series"]["p95"] == [together if together is None else round(together, 6)]


def test_a_histogram_of_other_bounds_counts_for_nothing():
    odd = target("h:80", duration_hist=[1, 2, 3], rate=2.0)
    told = sums.target([target("h:80", 0.3, rate=1.0), odd])
    assert (told["duration_hist"], told["rate"], len(told["duration_hist"])) == (
        histogram(0.3),
        3.0,
        len(DURATIONS_S) + 1,
    )


# -- queues


def test_queues_of_all_nodes_are_told_by_name_with_their_jobs_added():
    one = [queue("b", counts=counts(waiting=1), oldest_waiting=T2), queue("c")]
    two = [queue("a"), queue("b", counts=counts(waiting=2, error=1), oldest_waiting=T1)]
    told = sums.queues([one, two])
    assert [each["name"] for each in told] == ["a", "b", "c"]
    assert (told[1]["counts"], told[1]["oldest_waiting"]) == (counts(waiting=3, error=1), T1)
    assert told[1].keys() == queue("b").keys()


def test_the_settings_of_a_queue_are_those_of_the_newest_version():
    old = queue("q", version=3, concurrency=9, rate=9.0, declared=True, defaults={"priority": 9})
    new = queue("q", version=4, concurrency=2, rate=5.0, per=60.0, scope="node", declared=True)
    for told in (sums.queue([old, new, queue("q")]), sums.queue([new, queue("q"), old])):
        assert told == new


def test_a_queue_is_paused_where_any_node_has_it_paused():
    by_ann, by_joe = ({"by": by, "since": T1, "until": None} for by in ("ann", "joe"))
    paused = queue("q", version=1, paused=by_ann)
    assert sums.queue([queue("q", version=2), paused])["paused"] == by_ann
    assert sums.queue([paused, queue("q", version=2, paused=by_joe)])["paused"] == by_joe


# -- targets


def test_hosts_are_added_with_percentiles_of_all_their_calls():
    told = sums.target([target("h:80", *[0.3] * 99, in_flight=1, rate=1.5), target("h:80", 20.0, in_flight=2)])
    assert (told["in_flight"], told["rate"], sum(told["duration_hist"])) == (3, 1.5, 100)
    assert (told["p50"] < 0.5, told["p95"] < 0.5) == (True, True)


def test_the_share_of_errors_is_weighed_by_the_calls_of_each_node():
    few, many = target("h:80", 0.3, error_share=1.0), target("h:80", *[0.3] * 3, error_share=0.2)
    assert sums.target([few, many, target("h:80")])["error_share"] == 0.4
    assert sums.target([target("h:80")])["error_share"] is None


def test_a_host_is_held_where_any_node_holds_it_by_hand_first():
    by_itself = {"by": "unreached", "since": T1, "until": None, "next_probe": T2}
    sooner = {**by_itself, "next_probe": T1}
    by_hand = {"by": "ann", "since": T2, "until": None, "next_probe": None}
    held = [target("h:80", held=each) for each in (None, by_itself, sooner, by_hand)]
    assert sums.target(held)["held"] == by_hand
    assert sums.target(held[:3])["held"] == sooner


def test_how_many_calls_a_host_may_run_is_the_sum_unless_a_node_has_no_bound():
    assert sums.target([target("h:80", limit=4), target("h:80", limit=0)])["limit"] == 4
    assert sums.target([target("h:80", limit=4), target("h:80")])["limit"] is None


def test_hosts_that_are_held_come_first_then_the_busy_then_who_was_called_last():
    held = {"by": "ann", "since": T2, "until": None, "next_probe": None}
    one = [target("held:1", held=held), target("a:1", in_flight=1), target("late:1"), target("late:3")]
    two = [target("b:1", in_flight=3), target("a:1", in_flight=1), target("late:2")]
    hosts = [each["host"] for each in sums.targets([one, two])]
    assert hosts == ["held:1", "b:1", "a:1", "late:1", "late:2", "late:3"]


# -- errors


def test_errors_that_are_alike_are_one_group_with_the_latest_job_as_its_sample():
    one = [group("a", 2, first_seen=T2, last_seen=T2, sample_uid="old"), group("b", 3)]
    two = [group("a", 5, first_seen=T1, last_seen=T3, sample_uid="new"), group("other", 1, host=None, line=None)]
    told = sums.groups([one, two])
    assert [(each["id"], each["count"]) for each in told] == [("a", 7), ("b", 3), ("other", 1)]
    assert told[0] == group("a", 7, first_seen=T1, last_seen=T3, sample_uid="new")


# -- limits


def test_a_limit_that_stands_on_several_nodes_has_the_numbers_of_its_owner():
    one = {"limits": [limit("k", concurrency=9, running=1, waiting=3), limit("x")], "last_key": None}
    two = {"limits": [limit("k", concurrency=2, pinned=True, running=2)], "last_key": None}
    told = sums.limits({"n1": one, "n2": two}, lambda _: "n2")
    assert told["limits"] == [limit("k", concurrency=2, pinned=True, running=3, waiting=3), limit("x")]
    assert sums.limits({"n1": one}, lambda _: "n2")["limits"][0]["concurrency"] == 9


@given(
    st.lists(st.sets(st.text("abé\U0001f600\uffff", min_size=1, max_size=3)), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_a_walk_over_the_limits_of_all_nodes_tells_each_once_in_order(keys, size):
    def page(has, after):
        behind = sorted(key for key in has if after is None or key > after)
        return {
            "limits": [limit(key) for key in behind[:size]],
            "last_key": behind[size - 1] if len(behind) > size else None,
        }

    told, after = [], None
    for _ in range(100):
        part = sums.limits({f"n{i}": page(has, after) for i, has in enumerate(keys)}, lambda _: "n0")
        told += [each["key"] for each in part["limits"]]
        after = part["last_key"]
        if after is None:
            break
    assert told == sorted(set().union(*keys))


@pytest.mark.parametrize("n", [999, 1_000, 1_001])
def test_a_part_of_the_limits_is_never_too_long(n):
    told = sums.limits({"n1": {"limits": [limit(f"{i:04}") for i in range(n)], "last_key": None}}, lambda _: "n1")
    assert (len(told["limits"]), told["last_key"]) == (min(n, 1_000), "0999" if n > 1_000 else None)
