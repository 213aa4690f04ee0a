"""Jobs one by one, and what can be done to one by hand."""

import asyncio
from time import monotonic
from typing import Annotated, Literal

import structlog
from aiohttp import web
from msgspec import Meta, Struct

from taskpusher import errors
from taskpusher.access import Role
from taskpusher.contract import operation
from taskpusher.fields import of_query
from taskpusher.job import WAIT_DEFAULT_S
from taskpusher.web import ROLE, USER, json_response, no_content

from ..config import Config
from ..lifecycle import FINISHED
from ..store.base import Changed, Store, Verb
from . import answers, shapes
from .problems import no_job

_LOOK_EVERY_S = 1.0  # hints of the store may be lost


class WaitFields(Struct, frozen=True, kw_only=True):
    """How long to wait."""

    timeout: Annotated[float, Meta(ge=0, le=86_400, description="seconds from 0 to the node's max-wait")] | None = None


class JobFields(Struct, frozen=True, kw_only=True):
    """How much is shown."""

    reveal: Annotated[Literal["1"], Meta(description="1, or left out")] | None = None


log = structlog.get_logger()


class JobsApi:
    """Reads and changes jobs."""

    def __init__(self, store: Store, config: Config, stopping: asyncio.Event) -> None:
        self._store = store
        self._config = config
        self._stopping = stopping
        self._waiting: dict[str, set[asyncio.Event]] = {}
        store.events.ended = self._ended

    @operation("GET", "/job/{uid}", fields=JobFields, answers={200: answers.Job}, problems=[errors.NotFound])
    async def job(self, request: web.Request) -> web.Response:
        """Answer with one job; to an administrator with its secrets, if `reveal` asks for them."""
        uid = request.match_info["uid"]
        reveal = of_query(request, JobFields).reveal is not None
        if reveal and request[ROLE] is not Role.ADMIN:
            raise errors.Forbidden(f"secrets are shown to the role {Role.ADMIN} only")
        answer = self._answer(uid, reveal=reveal)
        if reveal:
            log.warning("revealed", uid=uid, by=request.get(USER))
        return answer

    @operation("GET", "/job/{uid}/wait", fields=WaitFields, answers={200: answers.Job}, problems=[errors.NotFound])
    async def wait(self, request: web.Request) -> web.Response:
        """Answer with a job when it has ended; after `timeout`, or when the node stops, as it is."""
        uid = request.match_info["uid"]
        until = monotonic() + self._wait_s(request)
        ended = asyncio.Event()
        self._waiting.setdefault(uid, set()).add(ended)
        try:
            while True:
                view = self._store.get(uid)
                if view is None:
                    break
                if view.head.state in FINISHED:
                    await self._store.durable()
                    break
                left_s = until - monotonic()
                if left_s <= 0 or self._stopping.is_set():
                    break
                await _any_set(ended, self._stopping, timeout_s=min(left_s, _LOOK_EVERY_S))
        finally:
            self._waiting[uid].discard(ended)
            if not self._waiting[uid]:
                del self._waiting[uid]
        return self._answer(uid)

    @operation("DELETE", "/job/{uid}", answers={204: None}, problems=[errors.NotFound, errors.WrongState])
    async def delete(self, request: web.Request) -> web.Response:
        """Delete a finished job."""
        await self._change(request.match_info["uid"], Verb.DELETE)
        return no_content()

    @operation(
        "POST", "/job/{uid}/retry", answers={200: answers.JobListed}, problems=[errors.NotFound, errors.WrongState]
    )
    async def retry(self, request: web.Request) -> web.Response:
        """Run a finished job again, from the start."""
        return await self._act(request.match_info["uid"], Verb.RETRY)

    @operation(
        "POST", "/job/{uid}/cancel", answers={200: answers.JobListed}, problems=[errors.NotFound, errors.WrongState]
    )
    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel a job that has not ended, and abort its call."""
        return await self._act(request.match_info["uid"], Verb.CANCEL)

    @operation(
        "POST", "/job/{uid}/run", answers={200: answers.JobListed}, problems=[errors.NotFound, errors.WrongState]
    )
    async def run(self, request: web.Request) -> web.Response:
        """Run a scheduled job now."""
        return await self._act(request.match_info["uid"], Verb.RUN)

    async def _act(self, uid: str, verb: Verb) -> web.Response:
        await self._change(uid, verb)
        view = self._store.get(uid)
        if view is None:
            raise no_job(uid)
        return json_response(shapes.listing_item(view, self._store.name))

    async def _change(self, uid: str, verb: Verb) -> None:
        match await self._store.change(uid, verb):
            case Changed.MISSING:
                raise no_job(uid)
            case Changed.WRONG_STATE:
                view = self._store.get(uid)
                state = view.head.state if view is not None else "gone"
                held = "held by another job" if view is not None and view.head.held else state
                raise errors.WrongState(f"a job that is {held} takes no {verb}")
            case Changed.TAKEN:
                other = self._store.held(uid, 1).unique
                raise errors.WrongState(f"job {other} has its unique text, and has not ended")

    def _answer(self, uid: str, *, reveal: bool = False) -> web.Response:
        view = self._store.get(uid, attempts=True)
        if view is None:
            raise no_job(uid)
        return json_response(shapes.job(view, self._store.name, reveal=reveal))

    def _ended(self, uid: str) -> None:
        for event in self._waiting.get(uid, ()):
            event.set()

    def _wait_s(self, request: web.Request) -> float:
        longest_s = self._config.max_wait
        seconds = of_query(request, WaitFields).timeout
        if seconds is not None and seconds > longest_s:
            raise errors.InvalidField([("timeout", f"seconds from 0 to {longest_s:g}")])
        return min(WAIT_DEFAULT_S, longest_s) if seconds is None else seconds


async def _any_set(*events: asyncio.Event, timeout_s: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
