"""What every HTTP answer of TaskPusher has in common: JSON, problem details (RFC 9457), the version."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from . import __version__, codec, errors, headers
from .access import Caller, Role

USER = web.RequestKey("user", str)  # who asks, where credentials are needed
ROLE = web.RequestKey("role", Role)  # what who asks may do; admin where no credentials are needed

_PROBLEM_TYPE = "application/problem+json"


def caller_of(request: web.Request) -> Caller:
    """Return who asks; where only the token of a call lets a request in, somebody who may do least."""
    return Caller(request.get(USER), request.get(ROLE, Role.PUSH))


def json_response(content: Any, *, status: int = 200, location: str | None = None) -> web.Response:
    """Return a JSON answer."""
    told = {"Content-Type": "application/json", headers.VERSION: __version__}
    if location is not None:
        told["Location"] = location
    return web.Response(body=codec.to_json(content), status=status, headers=told)


def bytes_response(body: bytes, content_type: str) -> web.Response:
    """Return an answer of another type."""
    return web.Response(body=body, headers={"Content-Type": content_type, headers.VERSION: __version__})


def no_content() -> web.Response:
    """Return an answer that says it is done, and nothing else."""
    return web.Response(status=204, headers={headers.VERSION: __version__})


def document_response(document: dict[str, Any], retry_after_s: int | None) -> web.Response:
    """Return the answer that tells a problem by its document."""
    response = json_response(document, status=document["status"])
    response.content_type = _PROBLEM_TYPE
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def problem_response(problem: errors.Problem) -> web.Response:
    """Return the answer that tells a problem."""
    response = document_response(problem.document(), problem.retry_after_s)
    match problem:
        case errors.Unauthorized():
            for challenge in problem.challenges:
                response.headers.add("WWW-Authenticate", challenge)
        case errors.TooSlow():
            response.force_close()  # the rest of the body is not waited for
    return response


def last_words(problem: errors.Problem) -> bytes:
    """Return the whole answer that tells a problem where there is no request to answer; the connection ends with it."""
    body = codec.to_json(problem.document())
    told = {
        "Content-Type": _PROBLEM_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        headers.VERSION: __version__,
    }
    if problem.retry_after_s is not None:
        told["Retry-After"] = str(problem.retry_after_s)
    status = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"
    return "\r\n".join([status, *(f"{name}: {value}" for name, value in told.items()), "", ""]).encode() + body
