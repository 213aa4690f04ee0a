"""Buckets of what happened lately, whatever the clock does."""

import pytest

from taskpusher.histogram import DURATIONS_S
from taskpusher_node.rings import Bucket, Ring

T = 1_800_000_000
HOUR = 3_600


@pytest.fixture
def ring() -> Ring:
    return Ring(10, 360)


def count(ring: Ring, now_s: float, n: int = 1) -> None:
    ring.bucket(now_s).added += n


def seen(ring: Ring, now_s: float) -> dict[int, int]:
    """Return what a ring shows, but for empty buckets."""
    buckets = list(ring.newest(now_s))
    begin = int(now_s) // 10 * 10
    assert [bucket.t for bucket in buckets] == list(range(begin - 3_590, begin + 1, 10))
    return {bucket.t - T: bucket.added for bucket in buckets if bucket.added}


def test_buckets_are_aligned_to_the_epoch(ring):
    for now_s in (T, T + 0.5, T + 9.999, T + 10):
        count(ring, now_s)
    assert seen(ring, T + 15) == {0: 3, 10: 1}


def test_the_oldest_bucket_gives_way_to_the_newest(ring):
    for t in range(0, 2 * HOUR, 10):
        count(ring, T + t)
    assert seen(ring, T + 2 * HOUR - 1) == dict.fromkeys(range(HOUR, 2 * HOUR, 10), 1)


def test_a_time_without_a_node_is_a_gap_of_which_nobody_knows_how_much_waited(ring):
    ring.bucket(T).waiting = 3
    ring.bucket(T + 30).waiting = 5
    assert [bucket.waiting for bucket in ring.newest(T + 30)][-4:] == [3, None, None, 5]


def test_after_more_than_its_length_nothing_old_is_shown(ring):
    count(ring, T)
    assert seen(ring, T + HOUR) == {}


def test_a_clock_that_steps_forward_leaves_a_gap(ring):
    count(ring, T)
    count(ring, T + HOUR - 20)
    assert seen(ring, T + HOUR - 20) == {0: 1, HOUR - 20: 1}


def test_a_clock_that_steps_back_goes_on_with_the_buckets_it_meets_again(ring):
    for t in (0, 10, 20):
        count(ring, T + t)
    count(ring, T + 10, 5)
    assert seen(ring, T + 10) == {0: 1, 10: 6}
    assert seen(ring, T + 20) == {0: 1, 10: 6, 20: 1}


def test_a_clock_that_was_an_hour_ahead_costs_no_more_than_the_buckets_of_then(ring):
    for t in range(0, 60, 10):
        count(ring, T + t)
    count(ring, T + HOUR + 30)
    count(ring, T + 60)
    assert seen(ring, T + 60) == {0: 1, 10: 1, 20: 1, 40: 1, 50: 1, 60: 1}


def test_what_is_restored_is_counted_on(ring):
    count(ring, T)
    other = Ring(10, 360)
    other.restore(ring.bucket(T))
    count(other, T + 1)
    assert seen(other, T) == {0: 2}


def test_a_bucket_with_other_bounds_is_not_restored(ring):
    ring.restore(Bucket(T, added=1, durations=[0] * len(DURATIONS_S)))
    assert seen(ring, T) == {}
