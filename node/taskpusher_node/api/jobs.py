"""Jobs one by one and in listings, and what can be done to one by hand."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog
from aiohttp import web

from taskpusher import codec, errors
from taskpusher.access import Role
from taskpusher.job import parse_statuses
from taskpusher.web import ROLE, USER, json_response, no_content

from ..config import Config
from ..lifecycle import FINISHED, State
from ..store.base import Changed, Filters, Store, UnknownPosition, Verb
from . import shapes

LIMIT_MAX = 100
WAIT_DEFAULT_S = 30.0
_LOOK_EVERY_S = 1.0  # hints of the store may be lost

_STATES = {state.value: state for state in State} | {"errors": State.ERROR, "runing": State.RUNNING}
_FILTERS = frozenset({"queue", "host", "status", "group", "error", "since", "until"})
_PAGING = frozenset({"last_uid", "limit"})

log = structlog.get_logger()


class JobsApi:
    """Reads and changes jobs."""

    def __init__(self, store: Store, config: Config, stopping: asyncio.Event) -> None:
        self._store = store
        self._config = config
        self._stopping = stopping
        self._waiting: dict[str, set[asyncio.Event]] = {}
        store.events.ended = self._ended

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/job/{uid}", self.job),
            web.get("/job/{uid}/wait", self.wait),
            web.delete("/job/{uid}", self.delete),
            *(web.post(f"/job/{{uid}}/{verb}", self._act(verb)) for verb in (Verb.RETRY, Verb.CANCEL, Verb.RUN)),
            web.get("/jobs/{state}", self.listing),
        ]

    async def job(self, request: web.Request) -> web.Response:
        """Answer with one job; to an administrator with its secrets, if `reveal` asks for them."""
        uid = request.match_info["uid"]
        reveal = request.query.get("reveal")
        if reveal not in (None, "1"):
            raise errors.InvalidField([("reveal", "1, or left out")])
        if reveal is not None and request[ROLE] is not Role.ADMIN:
            raise errors.Forbidden(f"secrets are shown to the role {Role.ADMIN} only")
        answer = self._answer(uid, reveal=reveal is not None)
        if reveal is not None:
            log.warning("revealed", uid=uid, by=request.get(USER))
        return answer

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

    async def listing(self, request: web.Request) -> web.Response:
        """Answer with a page of the jobs in a state."""
        state = _STATES.get(request.match_info["state"])
        if state is None:
            raise errors.NotFound(f"listings are {', '.join(sorted(_STATES))}")
        problems: list[tuple[str, str]] = []
        filters, limit = _read_query(request, problems)
        if problems:
            raise errors.InvalidField(problems)
        after = request.query.get("last_uid")
        try:
            page = await self._store.page(state, after=after, limit=limit, filters=filters)
        except UnknownPosition as error:
            raise errors.CursorGone(f"{after} is not in {state}: begin again without last_uid") from error
        return json_response(
            {
                "jobs": [shapes.listing_item(view, self._store.name) for view in page.jobs],
                "last_uid": page.scanned_to,
                "scanned_to": page.scanned_to,
                "partial": False,
            }
        )

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a finished job."""
        await self._change(request.match_info["uid"], Verb.DELETE)
        return no_content()

    def _act(self, verb: Verb) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def act(request: web.Request) -> web.Response:
            uid = request.match_info["uid"]
            await self._change(uid, verb)
            view = self._store.get(uid)
            if view is None:
                raise errors.NotFound(f"there is no job {uid[:100]}")
            return json_response(shapes.listing_item(view, self._store.name))

        return act

    async def _change(self, uid: str, verb: Verb) -> None:
        match await self._store.change(uid, verb):
            case Changed.MISSING:
                raise errors.NotFound(f"there is no job {uid[:100]}")
            case Changed.WRONG_STATE:
                view = self._store.get(uid)
                state = view.head.state if view is not None else "gone"
                raise errors.WrongState(f"a job that is {state} takes no {verb}")

    def _answer(self, uid: str, *, reveal: bool = False) -> web.Response:
        view = self._store.get(uid, attempts=True)
        if view is None:
            raise errors.NotFound(f"there is no job {uid[:100]}")
        return json_response(shapes.job(view, self._store.name, reveal=reveal))

    def _ended(self, uid: str) -> None:
        for event in self._waiting.get(uid, ()):
            event.set()

    def _wait_s(self, request: web.Request) -> float:
        text = request.query.get("timeout")
        try:
            seconds = WAIT_DEFAULT_S if text is None else float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= self._config.max_wait:
            raise errors.InvalidField([("timeout", f"seconds from 0 to {self._config.max_wait:g}")])
        return seconds


async def _any_set(*events: asyncio.Event, timeout_s: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _read_query(request: web.Request, problems: list[tuple[str, str]]) -> tuple[Filters, int]:
    query = request.query
    problems += [(name[:100], "unknown filter") for name in query if name not in _FILTERS | _PAGING]
    problems += [(name[:100], "given more than once") for name in set(query) if len(query.getall(name)) > 1]
    limit_text = query.get("limit", str(LIMIT_MAX))
    limit = int(limit_text) if limit_text.isascii() and limit_text.isdigit() and len(limit_text) <= 3 else 0  # noqa: PLR2004
    if not 1 <= limit <= LIMIT_MAX:
        problems.append(("limit", f"an integer from 1 to {LIMIT_MAX}"))
    status = query.get("status")
    if status is not None:
        try:
            parse_statuses(status)
        except ValueError:
            problems.append(("status", 'statuses such as "500", "404,410" or "5xx"'))
    host = query.get("host")
    filters = Filters(
        queue=query.get("queue"),
        host=host.lower() if host is not None else None,
        status=status,
        group=query.get("group"),
        error=query.get("error"),
        since_ms=_read_time(request, "since", problems),
        until_ms=_read_time(request, "until", problems),
    )
    return filters, limit


def _read_time(request: web.Request, name: str, problems: list[tuple[str, str]]) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return max(codec.parse_time(text), 0)
    except (ValueError, OverflowError):
        problems.append((name, "an RFC 3339 time with its zone, such as 2026-11-24T23:13:32Z"))
        return None
