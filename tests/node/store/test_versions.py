"""What a cluster shares, in numbers: each store's part, and which of two records is the newer one."""

from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import structs

from taskpusher_node.store.base import Pause, QueueState
from taskpusher_node.store.queues import Share
from taskpusher_node.store.versions import digest_of, digest_of_all, is_newer, same_until

WEIGHTS = some.lists(some.integers(1, 1_000), min_size=1, max_size=64)


def shares(weights: list[int]) -> list[Share]:
    total = sum(weights)
    bounds = [float(Fraction(part, total)) for part in accumulate(weights, initial=0)]
    return [Share(len(weights), low, high) for low, high in pairwise(bounds)]


@given(WEIGHTS, some.integers(0, 1_000_000))
def test_the_calls_of_all_members_are_those_of_the_cluster(weights, more):
    whole = len(weights) + more
    parts = [share.concurrency(whole) for share in shares(weights)]
    assert (sum(parts), min(parts) >= 1) == (whole, True)


@given(WEIGHTS, some.integers(1, 64))
def test_fewer_calls_than_members_leave_nobody_without(weights, whole):
    assert min(share.concurrency(whole) for share in shares(weights)) >= 1


@given(WEIGHTS, some.floats(0.001, 1_000))
def test_the_rates_of_all_members_are_that_of_the_cluster(weights, rate):
    parts = [share.numbers("cluster", None, rate, 2.0) for share in shares(weights)]
    assert sum(part for _, part, _ in parts) == pytest.approx(rate)
    assert {(calls, per) for calls, _, per in parts} == {(None, 2.0)}


def test_a_queue_of_the_node_keeps_its_numbers():
    assert Share(4, 0.25, 0.5).numbers("node", 3, 8.0, 2.0) == (3, 8.0, 2.0)


STATE = QueueState(
    3, 10.0, 60.0, "node", b'{"timeout":5,"method":"PUT"}', pause=Pause("ada", 1), declared=True, version=7
)
OTHERS = [
    structs.replace(STATE, **change)
    for change in (
        {"concurrency": None}, {"rate": 11.0}, {"per": 1.0}, {"scope": "cluster"}, {"defaults": None},
        {"defaults": b"{}"},
        {"pause": None}, {"pause": Pause("bob", 1)}, {"pause": Pause("ada", 2)}, {"pause": Pause("ada", 1, 9)},
        {"declared": False},
    )
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
def test_whatever_is_said_of_a_queue_is_in_its_digest(other):
    assert digest_of(STATE, 5) != digest_of(other, 5)
    assert digest_of_all({"a": STATE}, 5) != digest_of_all({"a": other}, 5)
    assert is_newer(STATE, other, 5) is not is_newer(other, STATE, 5)


@pytest.mark.parametrize("text", [b'{"method":"PUT","timeout":5}', b'{ "timeout" : 5, "method":"\\u0050UT"}'])
def test_how_json_is_written_makes_no_difference(text):
    assert digest_of(STATE, 5) == digest_of(structs.replace(STATE, defaults=text), 5)


def test_a_higher_version_is_newer_whatever_it_says():
    assert all(is_newer(structs.replace(other, version=8), STATE, 5) for other in OTHERS)
    assert not any(is_newer(structs.replace(other, version=6), STATE, 5) for other in OTHERS)
    assert not is_newer(STATE, STATE, 5)


def test_a_pause_that_is_over_is_none():
    over = structs.replace(STATE, pause=Pause("ada", 1, 9))
    none = structs.replace(STATE, pause=None)
    assert [digest_of(over, now_ms) == digest_of(none, now_ms) for now_ms in (8, 9)] == [False, True]
    assert [same_until([STATE, none, over], now_ms) for now_ms in (8, 9)] == [9, None]


def test_the_digest_of_all_knows_their_names_and_versions_and_leaves_out_what_was_made_by_a_job():
    one = digest_of_all({"a": STATE, "b": QueueState()}, 5)
    assert one == digest_of_all({"c": QueueState(), "a": STATE}, 5)
    assert one != digest_of_all({"b": STATE}, 5)
    assert one != digest_of_all({"a": structs.replace(STATE, version=8)}, 5)
