"""What stands around all handlers: it lets requests in by their credentials and origin, and tells every failure."""

import re
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog
from aiohttp import hdrs, web
from multidict import istr

from . import errors
from .access import CLUSTER, SAFE_METHODS, Access, Role, spoken_for
from .origin import Origins
from .web import ROLE, USER, problem_response

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Observe = Callable[[web.Request, int, float], None]
"""Hears of every answer: its request, its status, and how many seconds it took."""

_FETCH_SITE = istr("Sec-Fetch-Site")
_ADMIN = Role.ADMIN

MESSAGE_MAX = 200  # characters of a client's text that a problem repeats
_TELL_EVERY_S = 10.0  # failed logins are counted, not listed: anybody can send them

log = structlog.get_logger()


class Guard:
    """Lets requests in, and turns every exception into a problem.

    `exempt` are the paths that anybody may read, `by_token` those of changes whose handlers ask for a token of their
    own, not for credentials. `max_in_flight` bounds the changes that wait for the store: one whose body is still on
    its way is not among them, it waits for its own client, and one that only waits for a job changes nothing.
    `translate` returns the problem for an exception that the daemon knows, else None.
    """

    def __init__(
        self,
        access: Access,
        origins: Origins,
        *,
        exempt: frozenset[str],
        by_token: re.Pattern[str],
        max_in_flight: int,
        translate: Callable[[Exception], errors.Problem | None],
        observe: Observe,
    ) -> None:
        self._access = access
        self._origins = origins
        self._exempt = exempt
        self._by_token = by_token
        self._max_in_flight = max_in_flight
        self._translate = translate
        self._observe = observe
        self._in_flight = 0
        self._failed_logins = 0
        self._tell_again = 0.0

    async def handle(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        """Answer a request by a handler, if it is let in."""
        begin = monotonic()
        leave: Callable[[], None] | None = None
        try:
            if request.method in SAFE_METHODS:
                if request.rel_url.raw_path not in self._exempt:
                    self._let_in(request)
            else:
                self._let_change(request)
                leave = self._enter(request)
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - every failure of a handler is told to who asked
            response = self._told(request, error)
        finally:
            if leave is not None:
                leave()
        self._observe(request, response.status, monotonic() - begin)
        return response

    def _let_change(self, request: web.Request) -> None:
        """Let in what may change something: of this site, by who may do it, with a body as it is."""
        sent = request.headers
        if _FETCH_SITE in sent or hdrs.ORIGIN in sent:
            self._origins.check_site(sent.get(_FETCH_SITE), sent.get(hdrs.ORIGIN), sent.get(hdrs.HOST))
        try:
            self._let_in(request)
        except (errors.Unauthorized, errors.Forbidden):
            if self._by_token.fullmatch(request.rel_url.raw_path) is None:
                raise
        if hdrs.CONTENT_ENCODING in sent:
            raise errors.UnsupportedMediaType("send the body as it is, without Content-Encoding")

    def _enter(self, request: web.Request) -> Callable[[], None]:
        """Count a change in, as soon as its body is whole, and return what counts it out; raises Busy."""
        if self._in_flight >= self._max_in_flight:
            raise errors.Busy("too many changes wait for the store", retry_after_s=1)
        if request.content.is_eof():
            self._in_flight += 1
            return self._leave
        counted: bool | None = False  # None: it is answered, and what is left of its body is thrown away

        def enter() -> None:
            nonlocal counted
            if counted is not None:
                counted = True
                self._in_flight += 1

        def leave() -> None:
            nonlocal counted
            if counted:
                self._in_flight -= 1
            counted = None

        request.content.on_eof(enter)
        return leave

    def _leave(self) -> None:
        self._in_flight -= 1

    def _told(self, request: web.Request, error: Exception) -> web.Response:
        """Return the answer that tells a failure."""
        match error:
            case errors.Problem():
                return problem_response(error)
            case web.HTTPException():
                return _of_aiohttp(request, error)
            case web.RequestPayloadError():
                response = problem_response(errors.Malformed(f"the body cannot be read: {error}"[:MESSAGE_MAX]))
                response.force_close()  # where it would go on is unknown
                return response
            case ConnectionError():
                return problem_response(errors.Malformed("the client hung up"))  # nobody reads it
        known = self._translate(error)
        if known is None:
            log.error("handler", method=request.method, path=request.path, exc_info=error)
            known = errors.Internal("the log of the node has more")
        return problem_response(known)

    def _let_in(self, request: web.Request) -> None:
        """Find out who asks and whether they may; without credentials, whether the host they ask is this one."""
        if not self._access.needed:
            self._origins.check_host(request.headers.get(hdrs.HOST))
            request[ROLE] = _ADMIN
            return
        authorization = request.headers.get(hdrs.AUTHORIZATION)
        try:
            caller = self._access.caller(authorization)
        except errors.Unauthorized:
            if authorization is not None:
                self._login_failed(request)
            raise
        if caller is CLUSTER:
            caller = spoken_for(request.headers)
        elif self._access.changes_by_cluster and request.method not in SAFE_METHODS:
            raise errors.Forbidden("this node takes jobs and changes from its routers only: ask one of them")
        if caller.role is not _ADMIN and not caller.role.may(request.method, request.rel_url.raw_path):
            raise errors.Forbidden(f"the role {caller.role} of {caller.name} may do {caller.role.allows}, not this")
        request[ROLE] = caller.role
        if caller.name is not None:
            request[USER] = caller.name

    def _login_failed(self, request: web.Request) -> None:
        self._failed_logins += 1
        now_s = monotonic()
        if now_s >= self._tell_again:
            log.warning("logins failed", times=self._failed_logins, last_from=request.remote)
            self._failed_logins = 0
            self._tell_again = now_s + _TELL_EVERY_S


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> web.Response:
    match error:
        case web.HTTPNotFound():
            return problem_response(errors.NotFound(f"there is no {request.path[:MESSAGE_MAX]}"))
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            response = problem_response(errors.MethodNotAllowed(f"this path takes {allowed}, not {request.method}"))
            response.headers["Allow"] = allowed
            return response
        case web.HTTPRequestEntityTooLarge():
            return problem_response(errors.TooLarge(error.text or "the request is too large"))
        case web.HTTPExpectationFailed():
            return problem_response(errors.ExpectationFailed("the only expectation met here is 100-continue"))
    return problem_response(errors.Malformed(error.text or error.reason))
