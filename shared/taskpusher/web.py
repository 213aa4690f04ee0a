"""What every HTTP answer of TaskPusher has in common: JSON, problem details (RFC 9457), the version, Basic auth."""

import base64
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from . import __version__, codec, errors, headers

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

USER = web.RequestKey("user", str)  # who asks, where credentials are needed

log = structlog.get_logger()


def json_response(content: Any, *, status: int = 200, location: str | None = None) -> web.Response:
    """Return a JSON answer."""
    response = web.Response(body=codec.to_json(content), status=status, content_type="application/json")
    if location is not None:
        response.headers["Location"] = location
    return response


def problem_response(problem: errors.Problem) -> web.Response:
    """Return the answer that tells a problem."""
    response = web.Response(
        body=codec.to_json(problem.document()), status=problem.status, content_type="application/problem+json"
    )
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
        if scheme.lower() != "basic" or not hmac.compare_digest(given.strip().encode(), self._expected):
            raise errors.Unauthorized("send the user and password of --basicauth as HTTP Basic credentials")
        return self._user


def guard(auth: BasicAuth, *, exempt: frozenset[str], translate: Callable[[Exception], errors.Problem | None]) -> Any:
    """Return the middleware that lets requests in and turns every exception into a problem.

    `translate` returns the problem for an exception that the daemon knows, else None.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path not in exempt:
                user = auth.check(request)
                if user is not None:
                    request[USER] = user
            response = await handler(request)
        except errors.Problem as problem:
            response = problem_response(problem)
        except web.HTTPException as error:
            response = _of_aiohttp(request, error)
        except Exception as error:
            known = translate(error)
            if known is None:
                log.exception("handler", method=request.method, path=request.path)
                known = errors.Internal("the log of the node has more")
            response = problem_response(known)
        if not response.prepared:
            response.headers[headers.VERSION] = __version__
        return response

    return middleware


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> web.Response:
    problem: errors.Problem
    match error:
        case web.HTTPNotFound():
            problem = errors.NotFound(f"there is no {request.path}")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            problem = errors.MethodNotAllowed(f"{request.path} takes {allowed}, not {request.method}")
            response = problem_response(problem)
            response.headers["Allow"] = allowed
            return response
        case web.HTTPRequestEntityTooLarge():
            problem = errors.TooLarge(error.text or "the request is too large")
        case _:
            problem = errors.Malformed(error.text or error.reason)
    return problem_response(problem)
