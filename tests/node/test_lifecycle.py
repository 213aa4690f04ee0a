"""The state table, and what each step does to a head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpusher_node.lifecycle import (
    CRASHES_MAX,
    FINISHED,
    SNIPPET_BYTES,
    TRANSITIONS,
    Attempt,
    Head,
    IllegalTransition,
    JobError,
    Response,
    State,
    Verdict,
    born,
    can_expire,
    cancelled,
    claimed,
    crashed,
    expired,
    move,
    ready,
    retried,
    settled,
    snippet,
)

# the arrows of DESIGN.md
ARROWS = {
    ("scheduled", "waiting"),  # due, or run by hand
    ("waiting", "running"),  # claim
    ("waiting", "scheduled"),  # put off by hand, or let go by another job and not due yet
    ("running", "completed"),  # verdict
    ("running", "error"),  # verdict, third crash
    ("running", "scheduled"),  # retry, unreached
    ("running", "waiting"),  # interrupted
    ("waiting", "error"),  # expired
    ("scheduled", "error"),  # expired
    ("waiting", "cancelled"),
    ("scheduled", "cancelled"),
    ("running", "cancelled"),
    ("completed", "waiting"),  # retry by hand
    ("error", "waiting"),
    ("cancelled", "waiting"),
}
NOW_MS = 1_800_000_000_000
ATTEMPT = Attempt(3, NOW_MS - 500, 0.5, "answered")
COUNTERS = st.integers(0, 50)


@st.composite
def heads(draw: st.DrawFn, *states: State) -> Head:
    times = st.none() | st.integers(0, NOW_MS)
    return Head(
        draw(st.sampled_from(states or tuple(State))),
        draw(st.integers(1, 2**63)),
        *(draw(times) for _ in range(5)),
        *(draw(COUNTERS) for _ in range(4)),
        draw(st.integers(0, CRASHES_MAX - 1)),
        draw(st.none() | st.just(JobError("status", "the target answered 500", 500))),
        draw(st.none() | st.just(ATTEMPT)),
    )


def counters(head: Head) -> tuple[int, int, int, int, int]:
    return head.attempt, head.tries, head.unreached, head.snoozes, head.crashes


def test_the_arrows_are_those_of_the_design():
    assert {(source.value, to.value) for source, targets in TRANSITIONS.items() for to in targets} == ARROWS


def test_every_state_has_its_arrows_and_the_finished_lead_only_back_to_waiting():
    assert set(TRANSITIONS) == set(State)
    assert {state for state in State if TRANSITIONS[state] == {State.WAITING}} == FINISHED


@pytest.mark.parametrize("source", list(State))
@pytest.mark.parametrize("to", list(State))
def test_a_move_is_made_exactly_where_an_arrow_leads(source, to):
    head = Head(source, 1)
    if (source.value, to.value) in ARROWS:
        assert move(head, to).state is to
    else:
        with pytest.raises(IllegalTransition):
            move(head, to)


@given(heads(), st.sampled_from(State))
def test_a_move_changes_nothing_but_what_it_is_told(head, to):
    if to in TRANSITIONS[head.state]:
        moved = move(head, to, tries=99)
        assert move(head, to) == Head(to, *_fields(head)[1:])
        assert moved.tries == 99


def _fields(head: Head) -> list[object]:
    return [getattr(head, name) for name in head.__struct_fields__]


@pytest.mark.parametrize(("delay_ms", "state"), [(0, State.WAITING), (-1, State.WAITING), (1, State.SCHEDULED)])
def test_a_job_is_born_waiting_when_due_and_scheduled_before(delay_ms, state):
    head = born(7, NOW_MS, NOW_MS + delay_ms, None)
    assert (head.state, head.seq, head.due_ms, head.expires_ms) == (state, 7, NOW_MS + delay_ms, None)
    assert head.waiting_ms == (NOW_MS if state is State.WAITING else None)
    assert counters(head) == (0, 0, 0, 0, 0)


def test_a_ttl_counts_from_the_due_time():
    assert born(1, NOW_MS, NOW_MS + 500, 1.5).expires_ms == NOW_MS + 2_000


@given(heads(State.WAITING))
def test_a_claim_counts_a_call_and_nothing_else(head):
    running = claimed(head, NOW_MS)
    assert (running.state, running.started_ms, running.attempt) == (State.RUNNING, NOW_MS, head.attempt + 1)
    assert counters(running)[1:] == counters(head)[1:]
    assert (running.seq, running.waiting_ms) == (head.seq, head.waiting_ms)


@given(heads(State.RUNNING), st.sampled_from([State.COMPLETED, State.ERROR]), COUNTERS, COUNTERS)
def test_a_call_that_ended_the_job_adds_its_counters_and_forgets_the_crashes(head, to, tries, unreached):
    error = JobError("status", "the target answered 500", 500) if to is State.ERROR else None
    after = settled(head, Verdict(to, ATTEMPT, error=error, tries=tries, unreached=unreached), NOW_MS)
    assert (after.state, after.ended_ms, after.error, after.last) == (to, NOW_MS, error, ATTEMPT)
    assert counters(after) == (head.attempt, head.tries + tries, head.unreached + unreached, head.snoozes, 0)
    assert (after.started_ms, after.seq) == (head.started_ms, head.seq)


@given(heads(State.RUNNING))
def test_a_call_to_be_repeated_is_scheduled_and_has_no_waiting_time(head):
    after = settled(head, Verdict(State.SCHEDULED, ATTEMPT, due_ms=NOW_MS + 9, tries=1), NOW_MS)
    assert (after.state, after.due_ms, after.waiting_ms) == (State.SCHEDULED, NOW_MS + 9, None)
    assert (after.crashes, after.error, after.ended_ms) == (0, None, head.ended_ms)


@given(heads(State.RUNNING))
def test_an_interrupted_call_uses_up_nothing_and_keeps_its_place(head):
    after = settled(head, Verdict(State.WAITING, ATTEMPT), NOW_MS)
    assert counters(after) == counters(head)
    assert (after.seq, after.waiting_ms, after.started_ms) == (head.seq, head.waiting_ms, None)
    assert after.last == ATTEMPT


@given(heads(State.RUNNING), st.booleans())
def test_a_crash_counts_unless_it_was_a_power_cut_and_the_third_ends_the_job(head, counts):
    after = crashed(head, ATTEMPT, NOW_MS, counts=counts)
    assert after.crashes == head.crashes + counts
    assert counters(after)[:4] == counters(head)[:4]
    assert after.last == ATTEMPT
    if after.crashes < CRASHES_MAX:
        assert (after.state, after.seq, after.started_ms) == (State.WAITING, head.seq, None)
    else:
        assert (after.state, after.error.kind, after.ended_ms) == (State.ERROR, "crashed-node", NOW_MS)


def test_three_crashes_are_the_most():
    assert CRASHES_MAX == 3


@given(heads(State.SCHEDULED))
def test_a_job_that_is_due_joins_the_end_of_its_line(head):
    after = ready(head, 10**6, NOW_MS)
    assert (after.state, after.seq, after.waiting_ms) == (State.WAITING, 10**6, NOW_MS)
    assert counters(after) == counters(head)


@pytest.mark.parametrize("state", [State.WAITING, State.SCHEDULED])
def test_an_expired_job_is_an_error(state):
    after = expired(Head(state, 1, tries=0), NOW_MS)
    assert (after.state, after.error.kind, after.ended_ms) == (State.ERROR, "expired", NOW_MS)


@given(heads())
def test_a_ttl_matters_until_a_try_has_begun(head):
    assert can_expire(head) is (head.tries == 0 and head.state in (State.WAITING, State.SCHEDULED))


@given(heads(State.WAITING, State.SCHEDULED, State.RUNNING), st.none() | st.just(ATTEMPT))
def test_a_cancelled_job_has_no_error_and_keeps_its_last_call(head, attempt):
    after = cancelled(head, NOW_MS, attempt)
    assert (after.state, after.ended_ms, after.error) == (State.CANCELLED, NOW_MS, None)
    assert after.last == (attempt or head.last)
    assert counters(after) == counters(head)


@given(heads(*FINISHED), st.none() | st.floats(0.001, 1e6))
def test_a_retry_by_hand_zeroes_all_but_the_number_of_calls(head, ttl_s):
    after = retried(head, 42, NOW_MS, ttl_s)
    assert counters(after) == (head.attempt, 0, 0, 0, 0)
    assert (after.state, after.seq, after.waiting_ms, after.due_ms) == (State.WAITING, 42, NOW_MS, NOW_MS)
    assert (after.started_ms, after.ended_ms, after.error, after.last) == (None, None, None, head.last)
    assert after.expires_ms == (None if ttl_s is None else NOW_MS + round(ttl_s * 1000))


@given(st.binary(max_size=3 * SNIPPET_BYTES), st.booleans(), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_a_snippet_is_the_beginning_of_the_answer_without_headers(body, truncated, headers):
    attempt = Attempt(1, NOW_MS, 0.1, "answered", None, Response(200, headers, body, truncated))
    cut = snippet(attempt)
    assert cut.response.body == body[:SNIPPET_BYTES]
    assert cut.response.headers == []
    assert cut.response.truncated is (truncated or len(body) > SNIPPET_BYTES)
    assert (cut.n, cut.started_ms, cut.duration_s, cut.outcome) == (1, NOW_MS, 0.1, "answered")


def test_a_snippet_of_no_answer_is_the_attempt_itself():
    assert snippet(ATTEMPT) is ATTEMPT
