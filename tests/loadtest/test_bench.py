"""The bench counts what happened, tells when it did not, and knows its floors."""

import json
import subprocess
import sys

import pytest

from .conftest import LOADTEST


@pytest.mark.parametrize(
    ("values", "at_most", "passed"),
    [([0.4, 0.5, 0.9], False, True), ([0.4, 0.49, 0.9], False, False), ([0.5], True, True), ([0.51], True, False)],
)
def test_the_median_has_to_keep_the_bound(values, at_most, passed):
    import report  # noqa: PLC0415 - found by the fixture of conftest

    figure = report.Figure("a figure", values, 0.5, at_most=at_most)
    assert figure.passed is passed
    assert figure.line().endswith("PASS" if passed else "FAIL")


@pytest.mark.parametrize(("busy", "share"), [(1.0, 0.6), (0.5, 0.4)])
def test_a_reference_that_waited_for_its_load_flatters_nobody(busy, share):
    import report  # noqa: PLC0415
    import scenarios  # noqa: PLC0415

    samples = {
        "taskpusher": [scenarios.Sample(600, 125, 1.0, 0.0, front_us=125)],
        "bare": [scenarios.Sample(1_000, 50, busy, 0.0, front_us=50)],
    }
    (figure,) = report.scenario_figures(scenarios.SCENARIOS["adds"], samples)
    assert figure.value == share


def test_a_verdict_of_disturbed_measurements_says_so():
    import report  # noqa: PLC0415
    import scenarios  # noqa: PLC0415

    quiet, disturbed = (
        scenarios.Sample(600, 80, 1.0, 0.0, front_us=80),
        scenarios.Sample(1_000, 50, 1.0, 0.3, front_us=50),
    )
    samples = {"taskpusher": [quiet], "bare": [disturbed]}
    (figure,) = report.scenario_figures(scenarios.SCENARIOS["adds"], samples)
    assert "disturbed" in figure.line()


@pytest.mark.parametrize(("before_us", "passed"), [(100.0, True), (90.0, False)])
def test_a_job_may_cost_little_more_than_in_the_version_before(before_us, passed):
    import report  # noqa: PLC0415
    import scenarios  # noqa: PLC0415

    sample = scenarios.Sample(600, 100.0, 1.0, 0.0, front_us=100.0)
    samples = {
        "taskpusher": [sample],
        "bare": [sample],
        "before": [scenarios.Sample(600, before_us, 1.0, 0.0, front_us=before_us)],
    }
    _, figure = report.scenario_figures(scenarios.SCENARIOS["adds"], samples)
    assert figure.passed is passed


def test_a_quick_run_counts_what_the_target_has_seen(tmp_path):
    import processes  # noqa: PLC0415

    out = tmp_path / "bench.json"
    command = [sys.executable, LOADTEST / "bench.py", "adds", "drain4", "--quick", "--seconds", "0.3", "--json", out]
    command += ["--before", processes.taskpusher_command()]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    result = json.loads(out.read_text())
    assert result["faults"] == []
    for name in ("adds", "drain4"):
        assert set(result["samples"][name]) == {"taskpusher", "before", "bare", "lean"}
        assert all(sample["rate"] > 0 for samples in result["samples"][name].values() for sample in samples)
