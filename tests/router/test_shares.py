"""The shares of members: what a cluster shares is divided to the last one, and each has some of it."""

from itertools import pairwise
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpusher_router.members import WEIGHTS_MAX, Member, parse
from taskpusher_router.shares import Share, shares

WEIGHTS = (
    st.lists(st.just(0.0) | st.integers(1, 3_000).map(lambda n: n / 1_000), min_size=1, max_size=64)
    | st.lists(st.sampled_from([0.0, 0.001, 1.0, WEIGHTS_MAX - 2.0]), min_size=1, max_size=3)
).filter(any)


def members(weights):
    return [Member(f"n{n}", f"http://n{n}:80", weight) for n, weight in enumerate(weights)]


def concurrency(cluster, share):
    """The formula of a node: one, and its part of the others."""
    others = cluster - share.members
    return 1 + floor(others * share.high) - floor(others * share.low)


@given(WEIGHTS, st.integers(0, 10_000) | st.integers(0, 10**9))
def test_parts_are_the_whole_and_none_is_empty(weights, others):
    told = shares(members(weights))
    cluster = len(weights) + others
    parts = [concurrency(cluster, share) for share in told.values()]
    assert sum(parts) == cluster
    assert min(parts) >= 1


@given(WEIGHTS)
def test_shares_lie_edge_to_edge_in_the_order_of_names_and_follow_the_weights(weights):
    told = shares(members(weights))
    assert list(told) == sorted(told)
    edges = [0.0, *(share.high for share in told.values())]
    assert [share.low for share in told.values()] == edges[:-1]
    assert edges[-1] == 1.0
    assert all(low < high for low, high in pairwise(edges))
    least = min(weight for weight in weights if weight)
    whole = sum(weight or least for weight in weights)
    for member in members(weights):
        share = told[member.name]
        assert share.members == len(weights)
        assert share.high - share.low == pytest.approx((member.weight or least) / whole, abs=1e-9)


@given(WEIGHTS, st.randoms())
def test_the_order_in_which_members_are_named_says_nothing(weights, randoms):
    shuffled = members(weights)
    randoms.shuffle(shuffled)
    assert shares(shuffled) == shares(members(weights))


def test_one_without_weight_has_as_much_as_the_least():
    text = "n3=http://c,weight=0 n1=http://a,weight=3 n2=http://b n4=http://d"
    assert shares(parse(text)) == {
        "n1": Share(4, 0.0, 0.5),
        "n2": Share(4, 0.5, 4 / 6),
        "n3": Share(4, 4 / 6, 5 / 6),
        "n4": Share(4, 5 / 6, 1.0),
    }
    assert shares(parse("n1=http://a")) == {"n1": Share(1, 0.0, 1.0)}
