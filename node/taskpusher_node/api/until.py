"""When a pause or a hold ends by itself, as it is asked for: `for` seconds, `until` a time, or neither."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct, field

from taskpusher import errors
from taskpusher.fields import Time, of_query_or_form
from taskpusher.web import USER

from ..request import RUN_AT_MAX_MS
from ..store.base import Pause


class UntilFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long something stands still; for good where neither is given."""

    for_: (
        Annotated[float, Meta(ge=0.001, le=RUN_AT_MAX_MS / 1000, description="seconds above 0, at most ten years")]
        | None
    ) = field(name="for", default=None)
    until: Time | None = None


async def read_pause(request: web.Request, now_ms: int) -> Pause:
    """Return the pause that the query or the form of a request asks for, from now on; raises InvalidField."""
    return Pause(request.get(USER), now_ms, _until_ms(await of_query_or_form(request, UntilFields), now_ms))


def _until_ms(asked: UntilFields, now_ms: int) -> int | None:
    if asked.for_ is not None and asked.until is not None:
        raise errors.InvalidField([("until", "for or until, not both")])
    if asked.for_ is not None:
        return now_ms + round(asked.for_ * 1000)
    if asked.until is not None and not now_ms < asked.until <= now_ms + RUN_AT_MAX_MS:
        raise errors.InvalidField([("until", "an RFC 3339 time in the future, at most ten years ahead")])
    return None if asked.until is None else int(asked.until)  # msgpack knows no kinds of int
