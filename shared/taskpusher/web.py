"""What every HTTP answer of TaskPusher has in common: JSON, problem details (RFC 9457), the version, Basic auth."""

import base64
import hmac
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from . import __version__, codec, errors, headers

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MESSAGE_MAX = 200  # characters of a client's text that a problem repeats

USER = web.RequestKey("user", str)  # who asks, where credentials are needed

log = structlog.get_logger()


def json_response(content: Any, *, status: int = 200, location: str | None = None) -> web.Response:
    """Return a JSON answer."""
    told = {"Content-Type": "application/json", headers.VERSION: __version__}
    if location is not None:
        told["Location"] = location
    return web.Response(body=codec.to_json(content), status=status, headers=told)


def no_content() -> web.Response:
    """Return an answer that says it is done, and nothing else."""
    return web.Response(status=204, headers={headers.VERSION: __version__})


def problem_response(problem: errors.Problem) -> web.Response:
    """Return the answer that tells a problem."""
    response = json_response(problem.document(), status=problem.status)
    response.content_type = "application/problem+json"
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    if isinstance(problem, errors.Unauthorized):
        response.headers["WWW-Authenticate"] = 'Basic realm="TaskPusher", charset="UTF-8"'
    return response


class BasicAuth:
    """Lets in who brings the one user and password (RFC 7617); with none set, everybody."""

    def __init__(self, credentials: str | None) -> None:
        self._expected = base64.b64encode(credentials.encode()) if credentials is not None else None
        self._user = credentials.partition(":")[0] if credentials is not None else None

    def check(self, request: web.Request) -> str | None:
        """Return the user's name, None where nobody needs one; raises Unauthorized."""
        if self._expected is None:
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(
            given.strip().encode(errors="surrogateescape"), self._expected
        ):
            raise errors.Unauthorized("send the user and password of --basicauth as HTTP Basic credentials")
        return self._user


class Guard:
    """Stands around all handlers: lets requests in, and turns every exception into a problem.

    `translate` returns the problem for an exception that the daemon knows, else None.
    """

    def __init__(
        self, auth: BasicAuth, *, exempt: frozenset[str], translate: Callable[[Exception], errors.Problem | None]
    ) -> None:
        self._auth = auth
        self._exempt = exempt
        self._translate = translate

    async def handle(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        """Answer a request by a handler, if it is let in."""
        try:
            if request.path not in self._exempt:
                user = self._auth.check(request)
                if user is not None:
                    request[USER] = user
            return await handler(request)
        except errors.Problem as problem:
            return problem_response(problem)
        except web.HTTPException as error:
            return _of_aiohttp(request, error)
        except web.RequestPayloadError as error:
            response = problem_response(errors.Malformed(f"the body cannot be read: {error}"[:_MESSAGE_MAX]))
            response.force_close()  # where it would go on is unknown
            return response
        except ConnectionError:
            return problem_response(errors.Malformed("the client hung up"))  # nobody reads it
        except Exception as error:
            known = self._translate(error)
            if known is None:
                log.exception("handler", method=request.method, path=request.path)
                known = errors.Internal("the log of the node has more")
            return problem_response(known)


class GuardedRunner(web.AppRunner):
    """Runs an application behind a guard; what is no HTTP request at all is a problem too."""

    def __init__(self, app: web.Application, guard: Guard, *, keepalive_s: float, shutdown_s: float) -> None:
        super().__init__(app, access_log=None, keepalive_timeout=keepalive_s, shutdown_timeout=shutdown_s)
        self._guard = guard

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        handler = partial(self._guard.handle, server.request_handler)
        return _Server(handler, request_factory=server.request_factory, **self._kwargs)


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """aiohttp's handler of a connection, but for how it tells what it cannot parse."""

    __slots__ = ()

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
            problem = errors.Malformed((message or "it is no HTTP request")[:_MESSAGE_MAX])
        else:
            log.error("connection", exc_info=exc)
            problem = errors.Internal("the log of the node has more")
        response = problem_response(problem)
        response.force_close()
        return response


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> web.Response:
    match error:
        case web.HTTPNotFound():
            return problem_response(errors.NotFound(f"there is no {request.path[:_MESSAGE_MAX]}"))
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
