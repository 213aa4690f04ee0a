"""The header Idempotency-Key of POST /add: another way to give the field idempotency_key, for one job alone."""

from collections.abc import Sequence

from msgspec import structs

from taskpusher import headers
from taskpusher.adding import unquoted

from ..placing import TEXT_RULE, is_text
from ..request import Parsed

_HEADER = str(headers.IDEMPOTENCY_KEY)


def with_key(parsed: Parsed, keys: Sequence[str]) -> Parsed:
    """Return a request with the key of its header."""
    request, broken = parsed
    key = unquoted(keys[0])
    if len(keys) > 1:
        rule = "given more than once"
    elif not is_text(key):
        rule = TEXT_RULE
    elif request.idempotency_key not in (None, key):
        rule = "not that of the field idempotency_key"
    else:
        return structs.replace(request, idempotency_key=key), broken
    return request, [*broken, (_HEADER, rule)]
