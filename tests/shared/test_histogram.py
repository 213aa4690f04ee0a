"""Histograms: where a value is counted, and which value a share of them lies below."""

import pytest

from taskpusher.histogram import DURATIONS_S, Histogram, quantile


def test_a_value_is_counted_in_the_first_bucket_that_holds_it():
    histogram = Histogram((1.0, 10.0))
    for value in (0.5, 1.0, 1.5, 10.0, 11.0):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 24.0


def test_nothing_counted_has_no_quantile():
    assert quantile(0.5, Histogram().counts) is None


@pytest.mark.parametrize(("share", "value"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 5.5), (1.0, 10.0)])
def test_a_quantile_is_linear_within_its_bucket(share, value):
    assert quantile(share, [2, 2, 0], (1.0, 10.0)) == pytest.approx(value)


def test_what_is_beyond_the_last_bound_is_told_as_the_bound():
    assert quantile(0.99, [0] * len(DURATIONS_S) + [5]) == DURATIONS_S[-1]
