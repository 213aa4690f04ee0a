"""How often a router may ask again."""

from hypothesis import given
from hypothesis import strategies as st

from taskpusher_router.budget import AT_LEAST, SHARE, WINDOW_S, RetryBudget


class Clock:
    """Goes when it is told to."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def test_a_few_are_allowed_with_no_requests_at_all():
    budget = RetryBudget(Clock())
    assert [budget.take() for _ in range(AT_LEAST + 2)] == [True] * AT_LEAST + [False] * 2


def test_a_fifth_of_the_requests_of_the_last_ten_seconds_may_be_made_again():
    clock = Clock()
    budget = RetryBudget(clock)
    for _ in range(100):
        budget.request()
        clock.now += 0.01
    assert sum(budget.take() for _ in range(100)) == 20
    clock.now += WINDOW_S + 1  # all of that is past
    assert sum(budget.take() for _ in range(100)) == AT_LEAST


def test_what_was_not_needed_is_given_back():
    budget = RetryBudget(Clock())
    for _ in range(100):
        assert budget.take()
        budget.give_back()


@given(st.lists(st.tuples(st.sampled_from(["request", "take"]), st.floats(0, 3)), max_size=200))
def test_there_are_never_more_retries_in_a_window_than_its_share(steps):
    clock = Clock()
    budget = RetryBudget(clock)
    requests, retries = [], []
    for step, pause in steps:
        clock.now += pause
        if step == "request":
            budget.request()
            requests.append(clock.now)
        elif budget.take():
            # slices of a second: what was counted may be up to a second older than the window
            seen = [at for at in requests if at > clock.now - WINDOW_S - 1]
            before = [at for at in retries if at > clock.now - WINDOW_S + 1]
            assert len(before) < max(AT_LEAST, SHARE * len(seen))
            retries.append(clock.now)
