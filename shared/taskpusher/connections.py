"""Client connections: how many there may be, how slow a client may be, and what is said to one that talks no HTTP."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from heapq import nsmallest
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from . import errors
from .guard import MESSAGE_MAX, Guard
from .web import last_words, problem_response

PACE_OVER_S = 10.0  # a client's pace is measured over this long
_SWEEP_S = 1.0
_ROOM_SHARE = 64  # of so many connections one is closed with each other, so that not every newcomer is a search
_NEW_S = 0.1  # who has just come gets this long to speak, whatever comes behind
_SLOW_AFTER_S = 1.0  # a request that is not whole by then has to make room before idle connections have

# A peer that is gone without a word is found by probes after a minute, one that takes nothing more after as long.
_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000}

_SLOW_HEADERS = last_words(errors.TooSlow("the headers did not come in time"))
_FULL = last_words(errors.Busy("there are as many connections as are allowed", retry_after_s=1))

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client connection may cost.

    `headers_s` is how long the headers of a request may take, `min_rate` the bytes a second that a client must send of
    a body and take of an answer, `keepalive_s` how long it may be idle.
    """

    connections: int
    headers_s: float
    min_rate: float
    keepalive_s: float


def end_half_open(sock: socket.socket) -> None:
    """Have the system end connections whose peer is gone; those accepted inherit it from the listening socket."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):  # not every system has all of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class GuardedRunner(web.AppRunner):
    """Runs an application behind a guard, on connections that are bounded in number and in slowness."""

    def __init__(self, app: web.Application, guard: Guard, limits: Limits, *, shutdown_s: float) -> None:
        super().__init__(
            app,
            access_log=None,
            keepalive_timeout=limits.keepalive_s,
            shutdown_timeout=shutdown_s,
            auto_decompress=False,  # 100 KB inflate to 100 MB, and aiohttp would do it before it is known who asks
        )
        self._guard = guard
        self._limits = limits

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        handler = partial(self._guard.handle, server.request_handler)
        return _Server(self._limits, handler, request_factory=server.request_factory, **self._kwargs)


class _Server(web.Server):
    """Makes connections and looks after them once a second: no request pays for a timer."""

    def __init__(self, limits: Limits, handler: Any, **options: Any) -> None:
        super().__init__(handler, **options)
        self._limits = limits
        self._room = max(1, limits.connections // _ROOM_SHARE)
        self._open: set[_Connection] = set()
        self._late = False
        self._plan_sweep()

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await super().shutdown(timeout)
        self._sweeping.cancel()

    def take(self, connection: "_Connection") -> bool:
        """Count a new connection in, if there is room or somebody can give it up."""
        if len(self._open) >= self._limits.connections and not self._make_room():
            return False
        self._open.add(connection)
        return True

    def leave(self, connection: "_Connection") -> None:
        """Count a connection out."""
        self._open.discard(connection)

    def _make_room(self) -> bool:
        """Close those that hold a request back longest, else those idle longest, else those that have just come.

        None that is being answered. So a newcomer is let in however many come and say nothing, for who does speak is
        answered before it is the oldest of those.
        """
        found = nsmallest(self._room, self._dispensable(), key=lambda entry: entry[:2])
        for *_, connection in found:
            connection.drop()
        return bool(found)

    def _dispensable(self) -> Iterator[tuple[int, float, "_Connection"]]:
        now_s = self._loop.time()
        for connection in self._open:
            rank = connection.dispensable(now_s, self._limits.min_rate)
            if rank is not None:
                yield rank, connection.since_s, connection

    def _plan_sweep(self) -> None:
        self._due_s = self._loop.time() + _SWEEP_S
        self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        due_s = self._due_s
        self._plan_sweep()
        # handlers go first: one whose body has just grown does not wait for it, until it has had its turn
        self._loop.call_soon(self._look, due_s)

    def _look(self, due_s: float) -> None:
        now_s = self._loop.time()
        # what clients sent while this process slept is not read yet: it gets its turn first, but not again and again
        self._late = not self._late and now_s - due_s > _SWEEP_S
        if self._late:
            return
        for connection in tuple(self._open):
            connection.look(now_s, self._limits)


class _Stage(Enum):
    IDLE = auto()  # between requests
    HEADERS = auto()  # a request's headers are not whole
    BODY = auto()  # its handler waits for more of its body
    WORK = auto()  # it is being answered
    ANSWER = auto()  # the client does not take the answer as fast as it comes


class _Connection(RequestHandler):
    """aiohttp's handler of a connection, but for what a slow client may do and how it tells what it cannot parse."""

    __slots__ = ("_begun", "_done", "_link", "_received", "_seen", "since_s")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        super().connection_made(transport)
        self._link = cast("asyncio.Transport", transport)  # aiohttp forgets its own before the last bytes are sent
        self._received = 0
        self._begun = True  # the first request's headers are due from now on
        self._seen: object = self._at(_Stage.HEADERS)
        self._done = 0
        self.since_s = self._loop.time()
        if not cast("_Server", self._manager).take(self):
            self._link.write(_FULL)
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        if self._manager is not None:
            cast("_Server", self._manager).leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those that come while no request is under way begin the next one."""
        super().data_received(data)
        self._received += len(data)
        messages = self._messages
        if messages:
            self._begun = False
            if not isinstance(messages[-1][0], RawRequestMessage):
                self._end_body(web.RequestPayloadError("it is no HTTP from here on"))
        else:
            waiter = self._waiter
            self._begun = not self._request_count or (waiter is not None and not waiter.done())

    def resume_writing(self) -> None:
        """Go on: the client has taken what was to be sent."""
        super().resume_writing()
        self._seen = None

    def look(self, now_s: float, limits: Limits) -> None:
        """Act on a client that is slower than it may be."""
        stage, done = self._progress()
        at = self._at(stage)
        if at != self._seen:
            self._seen, self._done, self.since_s = at, done, now_s
            return
        took_s = now_s - self.since_s
        if stage is _Stage.HEADERS:
            if took_s >= limits.headers_s:
                self._end_headers()
        elif stage in (_Stage.BODY, _Stage.ANSWER) and took_s >= PACE_OVER_S:
            if done - self._done < limits.min_rate * took_s:
                self._too_slow(stage)
            self._done, self.since_s = done, now_s

    def dispensable(self, now_s: float, min_rate: float) -> int | None:
        """Return how easily this one is given up for a newcomer, 0 the easiest; None: not at all."""
        stage, done = self._progress()
        if stage is _Stage.IDLE:
            return 1
        took_s = now_s - self.since_s
        is_slow = took_s >= _SLOW_AFTER_S and self._at(stage) == self._seen
        if stage is _Stage.HEADERS:
            return 0 if is_slow else 2 if took_s >= _NEW_S else None
        if stage is _Stage.WORK or not is_slow or done - self._done >= min_rate * took_s:
            return None
        return 0

    def drop(self) -> None:
        """End it at once, and count it out."""
        cast("_Server", self._manager).leave(self)
        self._link.abort()

    def _at(self, stage: _Stage) -> object:
        """Return where the client stands: as long as this stays the same, its time runs."""
        return stage, self._request_count, self._current_request is None

    def _progress(self) -> tuple[_Stage, int]:
        """Return what goes on here, and how many bytes of it have passed."""
        unsent = self._link.get_write_buffer_size()
        request = self._current_request
        if unsent:
            written = request.writer.output_size if request is not None else 0
            return _Stage.ANSWER, written - unsent + self._received  # NDJSON may be sent to its end before it is read
        if self._begun:
            return _Stage.HEADERS, 0
        if self._waiter is not None:
            return _Stage.IDLE, 0
        if request is not None and not request.content.is_eof() and request.content._waiter is not None:  # noqa: SLF001
            return _Stage.BODY, self._received
        return _Stage.WORK, 0

    def _end_headers(self) -> None:
        if self._received:
            self._link.write(_SLOW_HEADERS)
        self.force_close()

    def _too_slow(self, stage: _Stage) -> None:
        if stage is _Stage.BODY:
            self._end_body(errors.TooSlow("the body came too slowly"))
        else:
            self._link.abort()

    def _end_body(self, error: Exception) -> None:
        """Fail the reading of a body that is not whole; the connection ends with the answer."""
        request = self._current_request
        if request is None or request.content.is_eof():
            return
        request.content.set_exception(error)
        request.content.feed_eof()  # so that aiohttp does not wait for the rest of it
        self.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request. Anybody can send that, so it is no line in the log."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was on its way already")
        problem: errors.Problem
        if status < 500:  # noqa: PLR2004
            problem = errors.Malformed((message or "it is no HTTP request")[:MESSAGE_MAX])
        else:
            log.error("connection", exc_info=exc)
            problem = errors.Internal("the log of the node has more")
        response = problem_response(problem)
        response.force_close()
        return response
