"""How many calls may be made again: a share of those of the last seconds, so that trouble is not multiplied. Pure."""

from collections import deque
from collections.abc import Callable

SHARE = 0.2  # of the requests of the window
WINDOW_S = 10.0
AT_LEAST = 3

_SLICE_S = 1.0


class _Slice:
    __slots__ = ("begin_s", "requests", "retries")

    def __init__(self, begin_s: float) -> None:
        self.begin_s = begin_s
        self.requests = 0
        self.retries = 0


class RetryBudget:
    """Counts requests and retries second by second; `now_s` is a clock that never steps."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._slices: deque[_Slice] = deque()

    def request(self) -> None:
        """A request came."""
        self._current().requests += 1

    def take(self) -> bool:
        """Tell whether one call more may be made again, and count it."""
        current = self._current()
        requests = sum(each.requests for each in self._slices)
        retries = sum(each.retries for each in self._slices)
        if retries >= max(AT_LEAST, SHARE * requests):
            return False
        current.retries += 1
        return True

    def give_back(self) -> None:
        """One that was taken was not needed: nothing was sent."""
        for each in reversed(self._slices):
            if each.retries:
                each.retries -= 1
                return

    def _current(self) -> _Slice:
        now_s = self._now_s()
        while self._slices and self._slices[0].begin_s <= now_s - WINDOW_S:
            self._slices.popleft()
        if not self._slices or self._slices[-1].begin_s <= now_s - _SLICE_S:
            self._slices.append(_Slice(now_s))
        return self._slices[-1]
