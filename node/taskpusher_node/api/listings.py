"""The jobs of a state: pages of them, narrowed by filters, and one verb done to many."""

from collections.abc import Callable
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from taskpusher import errors
from taskpusher.contract import operation
from taskpusher.fields import Members, Statuses, Time, of_query, of_query_or_form
from taskpusher.job import ALSO_CALLED
from taskpusher.web import json_response

from ..lifecycle import State
from ..store.base import VERB_STATES, Filters, Store, UnknownPosition, Verb
from . import answers, shapes

PAGE_MAX = 100
BULK_MAX = 1_000

STATES = {state.value: state for state in State} | {name: State(state) for name, state in ALSO_CALLED.items()}
_PROBLEMS = (errors.NotFound, errors.CursorGone)
_BULK_PROBLEMS = (*_PROBLEMS, errors.WrongState)


class ListingFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a listing is narrowed to, and where it goes on."""

    queue: Annotated[str, Meta(description="the name of a queue")] | None = None
    host: Annotated[str, Meta(description="a target as host:port")] | None = None
    status: Statuses | None = None  # of the last answer
    group: Annotated[str, Meta(description="the id of a group of /errors")] | None = None
    error: Annotated[str, Meta(description="a kind of error, such as status, timeout or unreached")] | None = None
    since: Time | None = None  # t of the state's own order: since <= t < until
    until: Time | None = None
    key: Annotated[str, Meta(description="the key of a job")] | None = None
    meta: Members = Members()
    last_uid: Annotated[str, Meta(description="the last_uid of the answer before, or a uid of the listing")] | None = (
        None
    )

    def filters(self) -> Filters:
        """Return what the store narrows by."""
        return Filters(
            queue=self.queue,
            host=self.host.lower() if self.host is not None else None,
            status=self.status,
            group=self.group,
            error=self.error,
            since_ms=self.since,
            until_ms=self.until,
            key=self.key,
            meta=self.meta,
        )


class PageFields(ListingFields, frozen=True, kw_only=True):
    """Which page of a listing."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX, description=f"an integer from 1 to {PAGE_MAX}")] = PAGE_MAX
    partial: Annotated[
        bool, Meta(description="true, or false for no page where a node of a router does not answer")
    ] = True


class BulkFields(ListingFields, frozen=True, kw_only=True):
    """Which jobs of a listing are changed."""

    limit: Annotated[int, Meta(ge=1, le=BULK_MAX, description=f"an integer from 1 to {BULK_MAX}")] = BULK_MAX
    dry_run: Annotated[bool, Meta(description="true to only count, or false")] = False


class ListingsApi:
    """Lists jobs, and changes many."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms

    @operation("GET", "/jobs/{state}", fields=PageFields, answers={200: answers.Listing}, problems=_PROBLEMS)
    async def listing(self, request: web.Request) -> web.Response:
        """Answer with a page of the jobs in a state."""
        state = _state(request)
        asked = of_query(request, PageFields)
        try:
            page = await self._store.page(state, after=asked.last_uid, limit=asked.limit, filters=asked.filters())
        except UnknownPosition as error:
            raise _gone(asked, state) from error
        shape: answers.Listing = {
            "jobs": [shapes.listing_item(view, self._store.name) for view in page.jobs],
            "last_uid": page.scanned_to,
            "scanned_to": page.scanned_to,
            "partial": False,
        }
        return json_response(shape)

    @operation(
        "POST", "/jobs/{state}/retry", fields=BulkFields, answers={200: answers.BulkDone}, problems=_BULK_PROBLEMS
    )
    async def retry(self, request: web.Request) -> web.Response:
        """Run finished jobs again, from the start; call again with `last_uid` until it is null."""
        return await self._change(request, Verb.RETRY, await of_query_or_form(request, BulkFields))

    @operation(
        "POST", "/jobs/{state}/cancel", fields=BulkFields, answers={200: answers.BulkDone}, problems=_BULK_PROBLEMS
    )
    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel jobs that have not ended; call again with `last_uid` until it is null."""
        return await self._change(request, Verb.CANCEL, await of_query_or_form(request, BulkFields))

    @operation("DELETE", "/jobs/{state}", fields=BulkFields, answers={200: answers.BulkDone}, problems=_BULK_PROBLEMS)
    async def delete(self, request: web.Request) -> web.Response:
        """Delete finished jobs; call again with `last_uid` until it is null."""
        return await self._change(request, Verb.DELETE, await of_query_or_form(request, BulkFields))

    async def _change(self, request: web.Request, verb: Verb, asked: BulkFields) -> web.Response:
        """Change what came into its state before this call: of an end in its own millisecond a client may know."""
        state = _state(request)
        if state not in VERB_STATES[verb]:
            raise errors.WrongState(f"{verb} takes jobs that are {', '.join(sorted(VERB_STATES[verb]))}, not {state}")
        try:
            walked = await self._store.change_many(
                state,
                verb,
                before_ms=self._now_ms() + 1,
                after=asked.last_uid,
                limit=asked.limit,
                filters=asked.filters(),
                dry_run=asked.dry_run,
            )
        except UnknownPosition as error:
            raise _gone(asked, state) from error
        shape: answers.BulkDone = {"done": walked.done, "examined": walked.examined, "last_uid": walked.scanned_to}
        return json_response(shape)


def _state(request: web.Request) -> State:
    state = STATES.get(request.match_info["state"])
    if state is None:
        raise errors.NotFound(f"listings are {', '.join(sorted(STATES))}")
    return state


def _gone(asked: ListingFields, state: State) -> errors.CursorGone:
    return errors.CursorGone(f"{(asked.last_uid or '')[:100]} is not in {state}: begin again without last_uid")
