"""What places a job, read out of an add as a client sent it; all else of it is for the node to read. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from taskpusher.adding import unquoted
from taskpusher.errors import Malformed
from taskpusher.fields import Pairs

from .ring import hashed_text


class _Fields(Struct):
    """The fields that place a job; of any type, since it is the node that refuses wrong ones."""

    uid: Any = None
    limit: Any = None
    key: Any = None
    unique: Any = None
    idempotency_key: Any = None


class Place(NamedTuple):
    """Where a job belongs: `uid` is the one given, `affinity` the text whose owner alone may take the job."""

    uid: str | None = None
    affinity: str | None = None


ANYWHERE = Place()

_decode = msgspec.json.Decoder(_Fields).decode
_decode_any = msgspec.json.Decoder(msgspec.Raw).decode
_decode_limit = msgspec.json.Decoder(dict[str, Any]).decode


def of_json(text: bytes | msgspec.Raw, keys: Sequence[str] = ()) -> Place:
    """Return where the job of a JSON text belongs; `keys` are the values of its header Idempotency-Key.

    Raises Malformed where the text is no JSON; what is JSON and no job belongs anywhere.
    """
    try:
        try:
            fields = _decode(text)
        except msgspec.ValidationError:
            _decode_any(text)  # the first look stops at the wrong type: what follows may be no JSON, and break out
            return ANYWHERE
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is no JSON: {error}") from error
    if fields == _NONE and not keys:
        return ANYWHERE
    return _place(fields, keys)


def of_form(pairs: Pairs, keys: Sequence[str] = ()) -> Place:
    """Return where the job of a form, or of a query, belongs."""
    fields = _Fields(**{name: text for name, text in pairs if name in _Fields.__struct_fields__})
    if fields.limit is not None:
        try:
            fields.limit = _decode_limit(fields.limit)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            fields.limit = None
    return _place(fields, keys)


def _place(fields: _Fields, keys: Sequence[str]) -> Place:
    limit_key = fields.limit.get("key") if isinstance(fields.limit, dict) else None
    idempotency_key = unquoted(keys[0]) if keys else fields.idempotency_key
    affinity = hashed_text(_text(limit_key), _text(fields.key), _text(fields.unique), _text(idempotency_key), "")
    return Place(_text(fields.uid), affinity or None)


def _text(value: object) -> str | None:
    """Return a text as it is hashed; half a character, which no node takes, is replaced."""
    return value.encode(errors="replace").decode() if isinstance(value, str) and value else None


_NONE = _Fields()
