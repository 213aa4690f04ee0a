"""The kill test finds a node that loses jobs, and tells the ends of a job apart."""

import shutil

import pytest


@pytest.mark.parametrize(
    ("status", "job", "counted"),
    [
        (404, {"title": "not found"}, "lost"),
        (200, {"state": "waiting", "error": None}, "unended"),
        (200, {"state": "error", "error": {"kind": "crashed-node"}}, "crashed_node"),
        (200, {"state": "error", "error": {"kind": "status"}}, "wrong_end"),
        (200, {"state": "completed", "error": None}, None),
    ],
)
def test_a_job_is_judged_by_its_end(status, job, counted):
    import kill  # noqa: PLC0415 - found by the fixture of conftest

    report = kill.Report(1)
    kill._judge("uid", status, job, report)
    for what in ("lost", "unended", "crashed_node", "wrong_end"):
        assert getattr(report, what) == (what == counted)
    assert report.passed is (counted in (None, "crashed_node"))


def test_a_node_that_forgets_is_found_out(monkeypatch, tmp_path):
    import kill  # noqa: PLC0415

    start_node = kill.start_node

    def forgetful(folder, **settings):
        shutil.rmtree(folder / "store", ignore_errors=True)
        return start_node(folder, **settings)

    monkeypatch.setattr(kill, "start_node", forgetful)
    report = kill.run(1, folder=tmp_path)
    assert not report.passed
    assert report.lost == report.acknowledged > 0
    assert len(report.uids["lost"]) == kill.UIDS_SHOWN
