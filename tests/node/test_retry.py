"""From every kind of outcome to its verdict."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from taskpusher.job import Backoff, Spec
from taskpusher_node.lifecycle import Attempt, Head, JobError, Response, State, Verdict, retried, settled
from taskpusher_node.outcomes import RULE
from taskpusher_node.retry import (
    _ANSWERS,
    _LATER,
    RESULTS,
    RETRY_AFTER_MAX_S,
    SNOOZED_MAX_S,
    UNREACHED_DELAY_MAX_S,
    Kind,
    Outcome,
    is_stale,
    judge,
    result_of,
)

NOW_MS = 1_794_000_000_000
NOT_REACHED = {Kind.DNS, Kind.CONNECT, Kind.TLS}


def spec(**fields: object) -> Spec:
    return Spec(url="http://a/", host="a:80", **{"backoff": Backoff(jitter=0), **fields})


def running(**fields: object) -> Head:
    return Head(State.RUNNING, 1, **{"started_ms": NOW_MS - 2_000, "attempt": 1, **fields})


def answer(status: int, *headers: tuple[str, str], body: bytes = b"x") -> Outcome:
    return Outcome(Kind.ANSWERED, 1.25, None, Response(status, list(headers), body, truncated=False))


def failure(kind: Kind) -> Outcome:
    return Outcome(kind, 1.25, "what went wrong")


def verdict(outcome: Outcome, of: Spec | None = None, head: Head | None = None, **how: object) -> Verdict:
    settings = {"now_ms": NOW_MS, "random_share": lambda: 0.0, **how}
    return judge(of or spec(), head or running(), outcome, **settings)


def delay_s(got: Verdict) -> float:
    assert got.to is State.SCHEDULED
    return (got.due_ms - NOW_MS) / 1000


def retry_after(text: str, status: int = 500) -> float:
    """Return what the delay is for this header; the backoff would be 7 seconds."""
    return delay_s(verdict(answer(status, ("Retry-After", text)), spec(max_attempts=2, backoff=[7.0])))


# -- answers


def test_a_success_completes_the_job():
    got = verdict(answer(200))
    assert (got.to, got.tries, got.unreached, got.error, got.due_ms) == (State.COMPLETED, 1, 0, None, None)
    assert got.attempt == Attempt(1, NOW_MS - 2_000, 1.25, "answered", None, answer(200).response)


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 404, 429, 500, 503])
def test_any_answer_but_200_is_an_error_by_default(status):
    got = verdict(answer(status))
    assert (got.to, got.tries) == (State.ERROR, 1)
    assert (got.error.kind, got.error.status) == ("status", status)


@given(st.integers(100, 599), st.sampled_from(["200", "2xx", "200,404", "500-599"]))
def test_a_job_may_say_what_success_is(status, success):
    good = {"200": [200], "2xx": range(200, 300), "200,404": [200, 404], "500-599": range(500, 600)}[success]
    to = State.COMPLETED if status in good else State.ERROR
    assert verdict(answer(status), spec(success=success)).to is to


@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.DISCONNECT])
def test_a_call_that_may_have_arrived_is_a_try(kind):
    got = verdict(failure(kind))
    assert (got.to, got.tries, got.unreached) == (State.ERROR, 1, 0)
    assert (got.error.kind, got.error.message, got.error.status) == (kind.value, "what went wrong", None)


@given(st.integers(1, 1000), st.integers(0, 1000), st.sampled_from([Kind.TIMEOUT, Kind.DISCONNECT, Kind.ANSWERED]))
def test_tries_are_repeated_up_to_max_attempts(max_attempts, tries, kind):
    outcome = answer(500) if kind is Kind.ANSWERED else failure(kind)
    got = verdict(outcome, spec(max_attempts=max_attempts), running(tries=tries))
    assert got.to is (State.ERROR if tries + 1 >= max_attempts else State.SCHEDULED)
    assert (got.error is None) is (got.to is State.SCHEDULED)
    assert (got.tries, got.unreached) == (1, 0)


def test_unreached_calls_do_not_count_against_max_attempts():
    assert verdict(answer(500), spec(max_attempts=2), running(unreached=9)).to is State.SCHEDULED


# -- calls that did not reach the application


@pytest.mark.parametrize("kind", sorted(NOT_REACHED))
def test_a_call_that_did_not_arrive_is_no_try(kind):
    got = verdict(failure(kind))
    assert (got.to, got.tries, got.unreached, got.error) == (State.SCHEDULED, 0, 1, None)
    assert got.attempt.outcome == kind.value


@given(st.integers(0, 1000), st.integers(0, 1001), st.sampled_from(sorted(NOT_REACHED)))
def test_unreached_calls_are_repeated_unreached_attempts_times(unreached_attempts, unreached, kind):
    got = verdict(failure(kind), spec(unreached_attempts=unreached_attempts), running(unreached=unreached))
    assert got.to is (State.ERROR if unreached >= unreached_attempts else State.SCHEDULED)
    if got.to is State.ERROR:
        assert got.error.kind == "unreached"
        assert "what went wrong" in got.error.message


@given(st.integers(0, 1000), st.floats(0, 1e6), st.floats(0, 0.999))
def test_unreached_calls_are_at_most_a_minute_apart(unreached, initial, share):
    of = spec(unreached_attempts=2_000, backoff=Backoff(initial=initial))
    got = verdict(failure(Kind.CONNECT), of, running(unreached=unreached), random_share=lambda: share)
    assert 0 <= delay_s(got) <= UNREACHED_DELAY_MAX_S


def test_unreached_calls_go_by_their_own_count_in_the_backoff():
    of = spec(max_attempts=9, backoff=[1.0, 2.0, 3.0])
    assert delay_s(verdict(failure(Kind.DNS), of, running(tries=2))) == 1.0
    assert delay_s(verdict(failure(Kind.DNS), of, running(unreached=1))) == 2.0
    assert delay_s(verdict(answer(500), of, running(unreached=2))) == 1.0


def test_503_with_retry_after_did_not_reach_the_application():
    got = verdict(answer(503, ("retry-after", "120")))
    assert (got.tries, got.unreached, got.attempt.outcome) == (0, 1, "unavailable")
    assert delay_s(got) == 120.0  # Retry-After wins over the minute


def test_503_with_a_retry_after_that_says_nothing_goes_by_the_backoff():
    got = verdict(answer(503, ("Retry-After", "soon")), spec(backoff=[7.0]))
    assert (got.unreached, delay_s(got)) == (1, 7.0)


def test_503_without_retry_after_is_a_try():
    assert verdict(answer(503)).tries == 1


def test_another_status_with_retry_after_is_a_try():
    got = verdict(answer(500, ("Retry-After", "30")), spec(max_attempts=2))
    assert (got.tries, delay_s(got)) == (1, 30.0)


@pytest.mark.parametrize(("status", "unreached"), [(502, True), (503, True), (500, False), (504, False)])
def test_the_node_may_say_which_statuses_did_not_reach_the_application(status, unreached):
    got = verdict(answer(status), spec(max_attempts=2), unreached_status="502,503")
    assert (got.unreached == 1) is unreached
    assert got.tries == (0 if unreached else 1)


def test_the_last_unreached_answer_is_named_in_the_error():
    got = verdict(answer(502), spec(unreached_attempts=0), unreached_status="502")
    assert (got.to, got.error.kind, got.error.status) == (State.ERROR, "unreached", 502)


# -- what an application asks for


def says(value: str, status: int = 200, *headers: tuple[str, str]) -> Outcome:
    return answer(status, ("TaskPusher-Outcome", value), *headers)


@given(st.integers(100, 599), st.integers(1, 1000), st.sampled_from(["200", "1xx,2xx,3xx,4xx,5xx"]))
def test_fail_is_an_error_at_once_whatever_the_status(status, max_attempts, success):
    got = verdict(says("fail", status), spec(max_attempts=max_attempts, success=success), unreached_status="502")
    assert (got.to, got.tries, got.unreached, got.error.kind, got.error.status) == (State.ERROR, 1, 0, "failed", status)


@given(st.integers(100, 599), st.integers(1, 1000), st.integers(0, 1000))
def test_retry_is_a_failed_try_whatever_the_status(status, max_attempts, tries):
    of = spec(max_attempts=max_attempts, success="1xx,2xx,3xx,4xx,5xx", backoff=[7.0])
    got = verdict(says("retry", status), of, running(tries=tries), unreached_status="502")
    assert (got.tries, got.unreached, got.snoozed_s) == (1, 0, 0.0)
    if tries + 1 >= max_attempts:
        assert (got.to, got.error.kind, got.error.status) == (State.ERROR, "failed", status)
    else:
        assert delay_s(got) == 7.0


def test_retry_after_wins_over_the_backoff_of_a_retry():
    assert delay_s(verdict(says("retry", 200, ("Retry-After", "30")), spec(max_attempts=2, backoff=[7.0]))) == 30.0


@given(st.integers(100, 599), st.integers(1, 86_400), st.sampled_from(["200", "1xx,2xx,3xx,4xx,5xx"]))
def test_snooze_is_later_and_no_try_whatever_the_status(status, after, success):
    of = spec(max_attempts=1, unreached_attempts=0, success=success)
    got = verdict(says(f"snooze; after={after}", status), of, unreached_status="502")
    assert (got.tries, got.unreached, got.error, got.snoozed_s) == (0, 0, None, after)
    assert (delay_s(got), got.attempt.outcome, result_of(got)) == (after, "snoozed", "snoozed")


@given(st.integers(1, 86_400), st.floats(0, 86_400), st.none() | st.integers(-100_000, 200_000))
def test_snoozes_are_bounded_by_24_hours_together_and_by_the_ttl(after, snoozed_s, left_s):
    expires_ms = None if left_s is None else NOW_MS + left_s * 1000
    head = running(snoozed_s=snoozed_s, expires_ms=expires_ms)
    got = verdict(says(f"snooze; after={after}"), spec(max_attempts=2, backoff=[7.0]), head)
    if snoozed_s + after <= SNOOZED_MAX_S and (left_s is None or after < left_s):
        assert (got.tries, delay_s(got)) == (0, after)
    else:
        assert (got.tries, delay_s(got), got.attempt.outcome) == (1, 7.0, "answered")
        assert "ttl" in got.attempt.error or "24 h" in got.attempt.error


@pytest.mark.parametrize(("head", "said"), [({"snoozed_s": 86_400.0}, "24 h"), ({"expires_ms": NOW_MS + 1_000}, "ttl")])
def test_a_snooze_beyond_its_bound_may_end_the_job_and_says_which(head, said):
    got = verdict(says("snooze; after=1"), head=running(**head))
    assert (got.to, got.tries, got.error.kind, got.error.status) == (State.ERROR, 1, "outcome", 200)
    assert said in got.error.message


@given(st.integers(1, 1000), st.sampled_from(["snoze", "fail; now", "snooze; after=0", "accepted"]))
def test_what_cannot_be_read_is_a_failed_try_with_the_rule(max_attempts, value):
    got = verdict(says(value), spec(max_attempts=max_attempts))
    assert (got.tries, got.attempt.error) == (1, RULE)
    if max_attempts == 1:
        assert (got.to, got.error) == (State.ERROR, JobError("outcome", RULE, 200))


@given(st.integers(1, 1000))
def test_410_is_an_error_at_once_unless_the_job_calls_it_a_success(max_attempts):
    got = verdict(answer(410), spec(max_attempts=max_attempts))
    assert (got.to, got.tries, got.error.kind, got.error.status) == (State.ERROR, 1, "failed", 410)
    assert verdict(answer(410), spec(success="200,410")).to is State.COMPLETED


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("0", 1), ("999999", 86_400)])
def test_429_with_retry_after_is_a_snooze(text, seconds):
    got = verdict(answer(429, ("Retry-After", text)))
    assert (got.tries, got.snoozed_s, delay_s(got), result_of(got)) == (0, seconds, seconds, "snoozed")


def test_429_is_no_snooze_without_a_time_or_where_it_is_a_success_or_unreached():
    assert verdict(answer(429)).to is State.ERROR
    assert verdict(answer(429, ("Retry-After", "soon"))).to is State.ERROR
    busy = answer(429, ("Retry-After", "30"))
    assert verdict(busy, spec(success="429")).to is State.COMPLETED
    assert verdict(busy, unreached_status="429").unreached == 1
    assert verdict(busy, spec(max_attempts=2), running(snoozed_s=86_400.0)).tries == 1


def test_the_header_wins_over_what_a_status_says():
    assert verdict(says("snooze; after=5", 410)).snoozed_s == 5
    assert verdict(says("fail", 429, ("Retry-After", "30"))).to is State.ERROR
    assert verdict(says("retry", 503, ("Retry-After", "30")), spec(max_attempts=2)).tries == 1


def test_snoozes_are_counted_and_added_up_and_a_retry_by_hand_forgets_them():
    head = running(snoozes=1, snoozed_s=60.0)
    later = settled(head, verdict(says("snooze; after=30"), head=head), NOW_MS)
    assert (later.state, later.snoozes, later.snoozed_s, later.tries) == (State.SCHEDULED, 2, 90.0, 0)
    ended = settled(head, verdict(says("fail"), head=head), NOW_MS)
    assert (ended.snoozes, ended.snoozed_s) == (1, 60.0)
    again = retried(ended, 2, NOW_MS, None)
    assert (again.snoozes, again.snoozed_s) == (0, 0.0)


def test_what_was_asked_for_is_told_in_words():
    assert verdict(says("snooze; after=60")).attempt.error == (
        "its application asked to be called again at 2026-11-06T21:21:00.000Z"
    )
    assert verdict(says("fail", 500)).error.message == "the target answered 500 and asked for no more tries"
    assert verdict(says("retry", 201), spec(max_attempts=2)).attempt.error == (
        "the target answered 201 and asked for another try"
    )


# -- calls that use up nothing


def test_an_aborted_call_waits_again_and_uses_up_nothing():
    got = verdict(failure(Kind.ABORTED), spec(max_attempts=1, unreached_attempts=0), running(tries=5, unreached=5))
    assert (got.to, got.tries, got.unreached, got.error, got.due_ms) == (State.WAITING, 0, 0, None, None)


def test_a_stale_connection_is_redone_once_at_once():
    got = verdict(failure(Kind.STALE))
    assert (got.to, got.tries, got.unreached) == (State.WAITING, 0, 0)
    assert is_stale(got.attempt)
    again = verdict(failure(Kind.STALE), spec(max_attempts=2), running(last=got.attempt))
    assert (again.to, again.tries, again.attempt.outcome) == (State.SCHEDULED, 1, "disconnect")
    assert not is_stale(again.attempt)


def test_after_another_call_a_stale_connection_is_redone_again():
    last = verdict(failure(Kind.STALE), head=running(last=verdict(failure(Kind.STALE)).attempt)).attempt
    assert verdict(failure(Kind.STALE), head=running(last=last)).to is State.WAITING


@pytest.mark.parametrize("last", [None, Attempt(1, NOW_MS, 0.1, "answered"), Attempt(1, NOW_MS, 0.1, "disconnect")])
def test_only_a_stale_call_is_stale(last):
    assert not is_stale(last)


# -- how long to wait


def test_a_backoff_grows_with_the_tries():
    of = spec(max_attempts=9, backoff=Backoff(initial=2, factor=3, max=20, jitter=0))
    assert [delay_s(verdict(answer(500), of, running(tries=tries))) for tries in range(4)] == [2, 6, 18, 20]


def test_a_list_of_delays_repeats_its_last():
    of = spec(max_attempts=9, backoff=[5.0, 1.0])
    assert [delay_s(verdict(answer(500), of, running(tries=tries))) for tries in range(4)] == [5, 1, 1, 1]


@given(st.floats(0, 0.999999), st.floats(0, 1))
def test_jitter_only_shortens_and_by_no_more_than_its_share(share, jitter):
    of = spec(max_attempts=2, backoff=Backoff(initial=100, jitter=jitter))
    got = delay_s(verdict(answer(500), of, random_share=lambda: share))
    assert 100 * (1 - jitter) - 0.001 <= got <= 100


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("1", 1), (" 90 ", 90), ("86400", 86_400), ("86401", 86_400), ("9" * 5_000, 86_400)],
)
def test_retry_after_in_seconds_is_honoured_up_to_a_day(text, seconds):
    assert retry_after(text) == seconds


def test_retry_after_with_leading_zeros_is_a_number_like_any_other():
    assert retry_after("0000000000120") == 120


@pytest.mark.parametrize("text", ["", "-1", "1.5", "soon", "١٢", "1 2", "0x10", "Fri, 99 Nov 2026", ",", "(", "<>"])
def test_a_retry_after_that_says_nothing_leaves_it_to_the_backoff(text):
    assert retry_after(text) == 7.0


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40))
def test_no_retry_after_breaks_the_verdict(text):
    assert 0 <= retry_after(text) <= RETRY_AFTER_MAX_S


@given(st.integers(-(10**6), 10**6))
def test_retry_after_as_a_date_is_honoured_from_now_up_to_a_day(seconds):
    moment = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(seconds=seconds)
    assert retry_after(format_datetime(moment, usegmt=True)) == min(max(seconds, 0), RETRY_AFTER_MAX_S)


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# RFC 9110, 5.6.7: a recipient must take all three, and all are in UTC
@pytest.mark.parametrize(
    "form",
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y", "%d %b %Y %H:%M:%S -0000"],
)
def test_every_form_of_an_http_date_is_in_utc_wherever_the_node_runs(far_east, form):
    moment = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(seconds=90)
    assert retry_after(moment.strftime(form)) == 90


def test_every_kind_of_call_has_its_verdict():
    leads_to = {
        kind: verdict(answer(500) if kind is Kind.ANSWERED else failure(kind), spec(max_attempts=2)).to for kind in Kind
    }
    again = dict.fromkeys(Kind, State.SCHEDULED)
    assert leads_to == again | {
        Kind.ABORTED: State.WAITING,
        Kind.STALE: State.WAITING,
        Kind.DENIED: State.ERROR,
    }


def test_an_address_that_is_denied_is_an_error_at_once_and_no_try():
    denied = verdict(failure(Kind.DENIED), spec(max_attempts=9, unreached_attempts=9))
    assert (denied.to, denied.tries, denied.unreached) == (State.ERROR, 0, 0)
    assert (denied.error.kind, denied.error.status) == ("denied", None)


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.REDIRECT, Kind.TIMEOUT, Kind.DISCONNECT])
def test_what_ends_a_call_behind_a_redirect_is_a_try_and_tells_of_both(kind):
    behind = structs.replace(failure(kind), response=answer(302).response)
    ended = verdict(behind, spec(max_attempts=1))
    assert (ended.to, ended.tries, ended.error.kind, ended.error.status) == (State.ERROR, 1, kind.value, 302)
    assert ended.error.message == behind.error


def test_what_a_job_calls_a_success_is_one_whatever_else_the_status_may_mean():
    busy = answer(503, ("Retry-After", "9"))
    assert verdict(busy, spec(success="2xx,503")).to is State.COMPLETED
    assert verdict(answer(502), spec(success="502"), unreached_status="502").to is State.COMPLETED


def test_what_the_node_itself_lacks_uses_up_nothing_and_comes_again_soon():
    got = verdict(Outcome(Kind.LOCAL, 0.0, "too many open files"))
    assert (got.tries, got.unreached, delay_s(got)) == (0, 0, 1.0)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, "success"),
        (201, "status_other"),
        (302, "status_other"),
        (400, "status_4xx"),
        (429, "status_429"),
        (499, "status_4xx"),
        (500, "status_5xx"),
        (599, "status_5xx"),
        (999, "status_other"),
    ],
)
def test_an_answer_is_told_by_its_status(status, result):
    assert result_of(verdict(answer(status), spec(max_attempts=2))) == result


def test_a_job_that_takes_an_answer_for_a_success_makes_it_one():
    assert result_of(verdict(answer(404), spec(success="404"))) == "success"


def test_an_answer_of_a_proxy_alone_is_told_by_its_status_too():
    assert result_of(verdict(answer(503, ("Retry-After", "9")))) == "status_5xx"


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (*_ANSWERS, *_LATER)])
def test_a_call_without_an_answer_is_told_by_how_it_failed(kind):
    assert result_of(verdict(failure(kind), spec(max_attempts=2))) == kind.value
    assert kind.value in RESULTS


def test_a_cancelled_call_is_told_as_aborted():
    assert result_of(Verdict(State.CANCELLED, Attempt(1, 0, 0.1, "cancelled"))) == "aborted"
