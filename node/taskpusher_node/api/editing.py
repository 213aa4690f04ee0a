"""PATCH /job/{uid}: other fields for a job that has not begun."""

from collections.abc import Callable

from aiohttp import web

from taskpusher import errors, fields
from taskpusher.contract import operation
from taskpusher.fields import check_no_query, form_pairs, pairs
from taskpusher.web import json_response

from ..config import Config
from ..edits import EditJson, EditText, edited, parse_form, parse_json
from ..request import Given, SpecBuilder
from ..store.base import Changed, Store
from . import answers, shapes
from .problems import no_job, no_queue_left


class EditApi:
    """Edits jobs."""

    def __init__(self, store: Store, config: Config, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._builder = SpecBuilder(config, store.name, store.queue_defaults)
        self._max_queues = config.max_queues
        self._now_ms = now_ms

    @operation(
        "PATCH",
        "/job/{uid}",
        fields=EditText,
        bodies={"application/json": EditJson, fields.FORM: EditText},
        answers={200: answers.JobListed},
        problems=[errors.NotFound, errors.WrongState],
    )
    async def edit(self, request: web.Request) -> web.Response:
        """Change fields of a job that waits or is scheduled; what is not given stays, null is the default."""
        uid = request.match_info["uid"]
        given, now_ms = await _given(request), self._now_ms()
        changed = await self._store.edit(uid, lambda spec: edited(self._builder, given, spec, now_ms))
        view = self._store.get(uid)
        if view is None:
            raise no_job(uid)
        if changed is Changed.WRONG_STATE:
            raise errors.WrongState(f"a job that is {view.head.state} is not changed any more")
        if changed is Changed.NO_QUEUE:
            raise no_queue_left("queue", self._max_queues)
        return json_response(shapes.listing_item(view, self._store.name))


async def _given(request: web.Request) -> Given:
    """Return what a JSON object, or the query and a form together, say is to change."""
    body = await request.read()
    if body and request.content_type == "application/json":
        check_no_query(request)
        return parse_json(body)
    given = pairs(request.rel_url.raw_query_string)
    if body and request.content_type != fields.FORM:
        raise errors.UnsupportedMediaType("send a form (application/x-www-form-urlencoded) or application/json")
    return parse_form(given + form_pairs(body))
