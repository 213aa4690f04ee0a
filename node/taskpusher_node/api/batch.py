"""The body by which a router hands on many adds in one request: an envelope each, around what its client sent."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct, structs

from taskpusher import errors
from taskpusher.fields import pairs

from ..request import Parsed, parse_form, parse_json
from .idempotency import with_key

_NOT_SENT = Raw()


class _Beside(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    form: Annotated[str, Meta(description="the job, as in application/x-www-form-urlencoded")] | None = None
    uid: Annotated[str, Meta(description="that of a job which names none")] | None = None
    trace: Annotated[dict[str, str], Meta(description="traceparent and tracestate")] | None = None
    keys: Annotated[list[str], Meta(description="the values of the header Idempotency-Key")] | None = None


class Envelope(_Beside, frozen=True, kw_only=True):
    """An add as a client sent it: the job in `json` or as a `form`, and what came in the headers."""

    json: Raw = _NOT_SENT


class EnvelopeJson(_Beside, frozen=True, kw_only=True):
    """The same for who reads the contract."""

    json: Annotated[Any, Meta(description="the job, as in application/json")] = None


_decode = msgspec.json.Decoder(list[Envelope]).decode


def parse_envelopes(text: bytes) -> list[Envelope]:
    """Return the envelopes of a body, their jobs unread; raises Malformed."""
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise errors.Malformed(f"the body is no array of adds: {error}") from error


def parse_envelope(envelope: Envelope) -> Parsed:
    """Return the request in an envelope as if it had come alone; raises Malformed."""
    text = bytes(envelope.json)
    if bool(text) is (envelope.form is not None):
        raise errors.Malformed("an envelope has either json or a form")
    request, broken = parse_json(text) if envelope.form is None else parse_form(pairs(envelope.form))
    if envelope.uid is not None and request.uid is None and all(path != "uid" for path, _ in broken):
        request = structs.replace(request, uid=envelope.uid)
    return with_key((request, broken), envelope.keys) if envelope.keys else (request, broken)
