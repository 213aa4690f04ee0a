"""The account that the tests of a cluster keep: each kind of fault is seen, and where there is none, none is."""

import pytest

from .account import Account


@pytest.fixture
def account():
    """Three adds of a line that were acknowledged, one that was refused, one that nobody knows of."""
    account = Account()
    for n in range(3):
        account.new("line").uid = f"{n}-n1"
    account.new()
    account.new().unknown = True
    return account


def job(n, uid=None):
    return {"uid": uid or f"{n}-n1", "meta": {"n": n}}


JOBS = [job(0), job(1), job(2)]
CALLS = ["0-n1", "1-n1", "2-n1"]


@pytest.mark.parametrize("calls", [CALLS, ["0-n1", "0-n1", "1-n1", "2-n1"], [*CALLS, "4-n1"]])
@pytest.mark.parametrize("unknown", [[], [job(4)]])
def test_what_is_kept_once_and_called_in_order_is_no_fault(account, calls, unknown):
    assert account.faults([*JOBS, *unknown], calls) == {}


@pytest.mark.parametrize(
    ("jobs", "calls", "faults"),
    [
        (JOBS[1:], CALLS, {"lost": [0]}),
        ([job(0, "9-n1"), *JOBS[1:]], CALLS, {"lost": [0]}),
        ([*JOBS, job(2, "9-n2")], CALLS, {"doubled": [2]}),
        ([*JOBS, job(4), job(4, "5-n2")], CALLS, {"doubled": [4]}),
        ([*JOBS, job(3)], CALLS, {"refused but stored": [3]}),
        (JOBS, CALLS[1:], {"not called": [0]}),
        (JOBS, ["0-n1", "2-n1", "1-n1"], {"out of order": ["line"]}),
        (JOBS, [*CALLS, "0-n1"], {"out of order": ["line"]}),
    ],
)
def test_each_fault_is_seen(account, jobs, calls, faults):
    assert account.faults(jobs, calls) == faults


def test_lines_that_moved_may_be_out_of_order_and_lies_of_listings_are_told(account):
    account.lies.append("it did not show all")
    faults = account.faults(JOBS, ["0-n1", "2-n1", "1-n1"], moved=frozenset({"line"}))
    assert faults == {"lies": ["it did not show all"]}


def test_the_share_of_answered_adds_counts_first_answers(account):
    account.keyless.update([201] * 97 + [503, 504, None])
    assert account.answered == pytest.approx(0.97)
