"""The bench of a router counts what happened on all nodes, and knows its bounds."""

import json
import subprocess
import sys

import pytest

from .conftest import LOADTEST


@pytest.mark.parametrize(("over_1", "over_2", "passed"), [(150, 172, [True, True]), (151, 174, [False, False])])
def test_a_router_and_a_second_node_may_cost_so_much(over_1, over_2, passed):
    import report  # noqa: PLC0415 - found by the fixture of conftest

    figures = report.run_figures([sample(100)], [sample(over_1)], [sample(over_2)])
    assert [figure.passed for figure in figures] == passed


def test_coalescing_is_judged_with_the_node_and_without():
    import report  # noqa: PLC0415

    together, alone = report.coalescing_figures([sample(100, front_us=60)], [sample(250, front_us=149)])
    assert (together.passed, alone.passed) == (True, False)


def test_a_page_of_many_nodes_is_judged_by_time_and_by_cpu():
    import listing  # noqa: PLC0415
    import report  # noqa: PLC0415

    one, merged = listing.Pages(1.0, 100, 0.0, ()), listing.Pages(6.1, 1_000, 0.0, ())
    by_time, by_cpu = report.listing_figures(8, [one], [merged])
    assert (by_time.passed, by_cpu.passed) == (False, True)


def test_a_quick_run_counts_what_the_target_has_seen(tmp_path):
    out = tmp_path / "cluster.json"
    command = [sys.executable, LOADTEST / "cluster.py", "--quick", "--seconds", "1.5", "--jobs", "1000", "--json", out]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    result = json.loads(out.read_text())
    assert result["faults"] == []
    assert len(result["figures"]) == 6
    samples = result["samples"]
    for found in (*samples["run"].values(), *samples["coalescing"].values()):
        assert all(0 < one["front_us"] <= one["cpu_us"] for one in found)
    assert all(0 < found["front_us"] < found["cpu_us"] for found in samples["run"]["router, 2 nodes"])
    assert all(pages["cpu_us"] > 0 for walks in samples["listing"].values() for pages in walks)


def sample(cpu_us, front_us=0.0):
    import scenarios  # noqa: PLC0415

    return scenarios.Sample(1_000, cpu_us, 1.0, 0.0, front_us)
