"""Limit keys: how many calls of one run at once and begin in a time, and fixing that by hand."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from taskpusher import errors
from taskpusher.contract import operation
from taskpusher.fields import FORM, of_query, of_query_form_or_json
from taskpusher.job import Concurrency, Limit, Per, Rate
from taskpusher.web import json_response, no_content

from ..placing import LIMIT_RULES, TEXT_RULE, broken_limit, is_text
from ..store.base import Store
from ..store.limits import LimitView
from . import answers, shapes

SHOWN_MAX = 1_000


class LimitFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers of a limit key: at least one of concurrency and rate."""

    concurrency: Annotated[Concurrency, Meta(description=LIMIT_RULES["concurrency"])] | None = None
    rate: Annotated[Rate, Meta(description=LIMIT_RULES["rate"])] | None = None
    per: Annotated[Per, Meta(description=LIMIT_RULES["per"])] | None = None


class LimitsFields(Struct, frozen=True, kw_only=True):
    """Where the list goes on."""

    after: Annotated[str, Meta(description="the key behind which the list goes on")] | None = None


class LimitsApi:
    """Reads, pins and unpins limit keys."""

    def __init__(self, store: Store, max_pinned: int) -> None:
        self._store = store
        self._max_pinned = max_pinned

    @operation("GET", "/limits", fields=LimitsFields, answers={200: answers.Limits})
    async def limits(self, request: web.Request) -> web.Response:
        """Answer with limit keys that have jobs, a bucket that fills, or are pinned: at most 1,000, by key."""
        after = of_query(request, LimitsFields).after
        if after is not None and not is_text(after):
            raise errors.InvalidField([("after", TEXT_RULE)])
        views = self._store.limits(after=after, n=SHOWN_MAX + 1)
        shown = views[:SHOWN_MAX]
        last_key = shown[-1].limit.key if len(views) > SHOWN_MAX else None
        shape: answers.Limits = {"limits": [shapes.limit(view) for view in shown], "last_key": last_key}
        return json_response(shape)

    @operation("GET", "/limits/{key}", answers={200: answers.LimitTold}, problems=[errors.NotFound])
    async def limit(self, request: web.Request) -> web.Response:
        """Answer with one limit key."""
        return json_response(shapes.limit(self._found(request.match_info["key"])))

    @operation(
        "PUT",
        "/limits/{key}",
        fields=LimitFields,
        bodies={"application/json": LimitFields, FORM: LimitFields},
        answers={200: answers.LimitTold},
    )
    async def put(self, request: web.Request) -> web.Response:
        """Fix the numbers of a key, so that adds do not change them; what runs goes on."""
        fields = await of_query_form_or_json(request, LimitFields)
        limit = Limit(request.match_info["key"], fields.concurrency, fields.rate, fields.per or 1.0)
        broken = broken_limit(limit)
        if broken:
            raise errors.InvalidField(broken)
        if not await self._store.pin_limit(limit):
            rule = f"one more than may be fixed by hand, and {self._max_pinned} are: let one of them go"
            raise errors.InvalidField([("key", rule)])
        return json_response(shapes.limit(self._found(limit.key)))

    @operation("DELETE", "/limits/{key}", answers={204: None})
    async def delete(self, request: web.Request) -> web.Response:
        """Let the next add of a key change its numbers again; twice is fine."""
        await self._store.unpin_limit(request.match_info["key"])
        return no_content()

    def _found(self, key: str) -> LimitView:
        view = self._store.limit(key)
        if view is None:
            raise errors.NotFound(f"there is no limit {key[:100]}; its first job makes it")
        return view
