"""The field `callback` of POST /add: a URL, or an object that names one; every rule that it breaks. Pure."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, ValidationError

from taskpusher.fields import Errors, read_each

from .urls import URL_RULE

CALLBACK_RULE = 'a URL, or an object of "url", "headers", "on" and "max_attempts"'
_RULES = {
    "url": URL_RULE,
    "headers": "an object of texts",
    "on": 'a list of some of "completed", "error" and "cancelled"',
    "max_attempts": "an integer from 1 to 1000",
}


class CallbackRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to be told of the end of a job; `on` names the ends."""

    url: str
    headers: dict[str, str] | None = None
    on: Annotated[tuple[Literal["completed", "error", "cancelled"], ...], Meta(min_length=1, max_length=3)] | None = (
        None
    )
    max_attempts: Annotated[int, Meta(ge=1, le=1000)] | None = None


_TYPES: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(CallbackRequest)}
_decode = msgspec.json.Decoder(str | CallbackRequest).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


def parse_callback(text: bytes) -> tuple[CallbackRequest, Errors] | None:
    """Return what a JSON text asks for and which rules its fields break; None where it is neither URL nor object."""
    try:
        asked = _decode(text)
    except ValidationError:
        return _field_by_field(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return CallbackRequest(asked) if isinstance(asked, str) else asked, []


def form_text(text: str) -> bytes:
    """Return what a field of a form says as JSON: an object as it stands, any other text is a URL."""
    return text.encode() if text.lstrip().startswith("{") else msgspec.json.encode(text)


def _field_by_field(text: bytes) -> tuple[CallbackRequest, Errors] | None:
    try:
        given = _decode_object(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    fields, broken = read_each(given, _TYPES, _RULES)
    if "url" not in given:
        broken.append(("url", "missing"))
    return CallbackRequest(**{"url": "", **fields}), broken
