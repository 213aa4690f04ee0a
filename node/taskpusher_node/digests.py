"""Short sums of what was asked for, by which a repeat is told from another job: of an add as given, of a spec. Pure."""

import hashlib
from typing import Any

import msgspec
from msgspec import Raw, structs

from taskpusher.job import Spec

from .request import AddRequest

DIGEST_BYTES = 16

_encode = msgspec.msgpack.Encoder(order="deterministic").encode  # as maps of headers come in any order
_DEFAULTS = structs.astuple(Spec("", ""))
# uid and key say which add it is, not what it asks for
_GIVEN = tuple(name for name in AddRequest.__struct_fields__ if name not in ("uid", "idempotency_key"))


def of_request(request: AddRequest) -> bytes:
    """Return the digest of the fields of an add as they were given, in a form or in JSON, before any default.

    A body is compared by what it says where it is a text, and as it stands where it is other JSON.
    """
    given = {}
    for name in _GIVEN:
        value = getattr(request, name)
        if isinstance(value, Raw):
            value = _said(value)
        if value is not None:
            given[name] = value
    return short_sum(given)


def of_spec(spec: Spec) -> bytes:
    """Return the digest of a job, by which a repeat of its uid is told from another job.

    A repeated add has a trace of its own. What is at its default is left out at the end, where later releases append.
    """
    values = structs.astuple(structs.replace(spec, trace={}))
    n = len(values)
    while n and values[n - 1] == _DEFAULTS[n - 1]:
        n -= 1
    return short_sum(values[:n])


def _said(raw: Raw) -> str | bytes | None:
    text = bytes(raw)
    if text in (b"", b"null"):
        return None
    return msgspec.json.decode(text) if text[:1] == b'"' else text


def short_sum(what: Any) -> bytes:
    """Return the digest of any values; in which order the members of objects stand does not matter."""
    return hashlib.blake2b(_encode(what), digest_size=DIGEST_BYTES).digest()
