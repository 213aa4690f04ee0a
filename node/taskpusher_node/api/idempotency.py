"""The header Idempotency-Key of POST /add: another way to give the field idempotency_key, for one job alone."""

import re
from collections.abc import Sequence

from aiohttp import web
from msgspec import structs

from taskpusher import errors, headers

from ..placing import TEXT_RULE, is_text
from ..request import Parsed

_HEADER = str(headers.IDEMPOTENCY_KEY)
_SF_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')  # RFC 8941, as the header's draft has it
_ESCAPED = re.compile(r"\\(.)")


def header_keys(request: web.Request) -> Sequence[str]:
    """Return what was given in the header, mostly nothing."""
    sent = request.headers
    return sent.getall(headers.IDEMPOTENCY_KEY) if headers.IDEMPOTENCY_KEY in sent else ()


def refuse(keys: Sequence[str]) -> None:
    """Many jobs have no key in common."""
    if keys:
        rule = "for one job only; of many, each has an idempotency_key of its own"
        raise errors.InvalidField([(_HEADER, rule)])


def with_key(parsed: Parsed, keys: Sequence[str]) -> Parsed:
    """Return a request with the key of its header."""
    request, broken = parsed
    key = _unquoted(keys[0])
    if len(keys) > 1:
        rule = "given more than once"
    elif not is_text(key):
        rule = TEXT_RULE
    elif request.idempotency_key not in (None, key):
        rule = "not that of the field idempotency_key"
    else:
        return structs.replace(request, idempotency_key=key), broken
    return request, [*broken, (_HEADER, rule)]


def _unquoted(value: str) -> str:
    quoted = _SF_STRING.fullmatch(value)
    return _ESCAPED.sub(r"\1", quoted[1]) if quoted is not None else value
