"""Which errors fall together: from a job that ended in error to its group, by host, class and first line. Pure.

All of it is a target's text: it is cut before it is looked at, and stays text.
"""

import re
from collections.abc import Collection
from hashlib import blake2b

import msgspec
from msgspec import Struct

from taskpusher.job import Spec
from taskpusher.masking import mask_url

from .lifecycle import Head, JobError, Response

OTHER = "other"  # the id of the group of what has no group of its own, because there are too many
LINE_MAX = 120
_LOOK_AT_BYTES = 4_096
_LINE_BYTES = 400
_ID_BYTES = 6
_ANSWERED = ("status", "unreached", "failed")  # kinds of errors that an answer may be the reason of

_TITLE = re.compile(r"<title[^>]{0,100}>([^<]+)", re.IGNORECASE)
_MESSAGE_FIELDS = ("message", "error", "detail", "title")  # where JSON answers say what went wrong
_QUOTED = re.compile(r'"[^"]*"|\'[^\']*\'|`[^`]*`')
_MAYBE_ID = re.compile(r"\b[0-9a-fA-F][0-9a-fA-F-]{7,}\b")
_NUMBERS = re.compile(r"\d+")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class Group(Struct, frozen=True):
    """What errors have in common."""

    id: str
    host: str
    kind: str  # the error's kind, or "status 500"
    line: str


def group_of(spec: Spec, head: Head) -> Group | None:
    """Return the group of a job that ended in error, None where it did not."""
    error = head.error
    if error is None:
        return None
    kind = f"status {error.status}" if error.kind == "status" else error.kind
    line = normalised(_first_line(error, head.last.response if head.last is not None else None), spec.redact)
    digest = blake2b(f"{spec.host}\0{kind}\0{line}".encode(errors="replace"), digest_size=_ID_BYTES)
    return Group(digest.hexdigest(), spec.host, kind, line)


def normalised(line: str, redact: Collection[str] = ()) -> str:
    """Return a line without what differs from job to job: quoted texts, ids, numbers, and secrets in URLs."""
    line = _SPACE.sub(" ", line).strip()
    line = " ".join(mask_url(word, redact) if "=" in word or "@" in word else word for word in line.split(" "))
    line = _QUOTED.sub('"*"', line)
    line = _MAYBE_ID.sub(_without_id, line)
    return _NUMBERS.sub("#", line)[:LINE_MAX]


def _without_id(match: re.Match[str]) -> str:
    return "*" if _NUMBERS.search(match[0]) is not None else match[0]  # else it is a word such as facade


def _first_line(error: JobError, response: Response | None) -> str:
    """Return the first line of what the target answered; the error's message where it answered no text."""
    if error.kind not in _ANSWERED or error.status is None or response is None:
        return error.message[:_LINE_BYTES]
    try:
        text = response.body[:_LOOK_AT_BYTES].decode()
    except UnicodeDecodeError as broken:
        if broken.start < _LOOK_AT_BYTES - 3:
            return error.message[:_LINE_BYTES]
        text = response.body[: broken.start].decode()  # cut in the middle of a character
    text = text.lstrip()
    if text.startswith("{"):
        text = _message(response.body) or text
    elif text.startswith("<") and (title := _TITLE.search(text)) is not None:
        text = title[1]
    line = text.lstrip().partition("\n")[0].partition("\r")[0]
    return line[:_LINE_BYTES] or error.message


def _message(body: bytes) -> str | None:
    """Return what a JSON answer says went wrong."""
    try:
        answer = msgspec.json.decode(body) if len(body) <= _LOOK_AT_BYTES else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    inner = answer.get("error")
    fields = inner if isinstance(inner, dict) else answer
    return next((fields[name] for name in _MESSAGE_FIELDS if isinstance(fields.get(name), str)), None)
