"""What an application asks for by the header TaskPusher-Outcome of its answer. Pure."""

import re
from enum import StrEnum

from msgspec import Struct

from taskpusher import headers

from .lifecycle import Response

SECONDS_MAX = 86_400
LEASE_DEFAULT_S = 300

_ACCEPTED = 202  # the one status that says of an answer that it is not yet the end
_HEADER = headers.OUTCOME.lower()
_VALUE = re.compile(
    r"(fail|retry)|(snooze) *; *after *= *([0-9]{1,5})|(accepted)(?: *; *lease *= *([0-9]{1,5}))?",
    re.IGNORECASE | re.ASCII,
)
RULE = (
    f'{headers.OUTCOME} is "fail", "retry", "snooze; after=60" or, with status {_ACCEPTED}, "accepted; lease=600"'
    f" (seconds from 1 to {SECONDS_MAX:,})"
)


class Word(StrEnum):
    """What is to become of the job."""

    FAIL = "fail"  # an error, without another try
    RETRY = "retry"  # a failed try
    SNOOZE = "snooze"  # called again after `seconds`, without a try used
    ACCEPTED = "accepted"  # the application goes on by itself, under a lease of `seconds`


class Asked(Struct, frozen=True):
    """What an answer asks for; `error` says what is wrong with the asking."""

    word: Word
    seconds: float = 0.0
    error: str | None = None


_UNREADABLE = Asked(Word.RETRY, error=RULE)


def asked(response: Response) -> Asked | None:
    """Return what the header asks for, None where there is none.

    What cannot be read is a failed try: to go by the status instead would hide a typing error.
    """
    # most names are of another length, which is seen at once
    values = [value for name, value in response.headers if len(name) == len(_HEADER) and name.lower() == _HEADER]
    return _parse(values, response.status) if values else None


def _parse(values: list[str], status: int) -> Asked:
    match = _VALUE.fullmatch(values[0].strip(" \t")) if len(values) == 1 else None
    if match is None:
        return _UNREADABLE
    bare, snooze, after, accepted, lease = match.groups()
    word = Word((bare or snooze or accepted).lower())
    if bare is not None:
        return Asked(word)
    if word is Word.ACCEPTED and status != _ACCEPTED:
        return _UNREADABLE
    seconds = int(after or lease or LEASE_DEFAULT_S)
    return Asked(word, float(seconds)) if 1 <= seconds <= SECONDS_MAX else _UNREADABLE
