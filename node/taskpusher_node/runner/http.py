"""Calls a target over HTTP with aiohttp: one request on the wire for one call, its answer read up to a cap.

Where a job asks for redirects to be followed, its call is one more request for each of them.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import lru_cache, partial
from time import monotonic, time

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from taskpusher import __version__, codec, headers
from taskpusher.job import Spec
from taskpusher.masking import mask_text, mask_url

from ..lifecycle import Head, Response
from ..retry import Kind, Outcome, is_stale
from . import redirects, signing
from .addresses import Policy

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 1.5  # shorter than that of Apache, Node and gunicorn, so that we close a connection before they do
STALE_WITHIN_S = 0.1  # a hang-up so soon after the request left was the end of a kept connection

FRAMING_MAX_BYTES = 1_048_576  # of headers, and of what is sent around a body, beside...
FRAMING_SHARE = 8  # ...so many times the body that is kept: chunks of one byte take six
ERROR_MAX = 500  # characters of what went wrong: a target may send any amount of junk

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_AFTER_A_REDIRECT = frozenset({Kind.DENIED, Kind.TIMEOUT, Kind.DISCONNECT})
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_BODYLESS = frozenset({"GET", "HEAD"})
_NOT_THE_JOBS = frozenset({signing.ID, signing.TIMESTAMP, signing.SIGNATURE})  # where calls are signed
_NO_CONTENT_TYPE = ("Content-Type",)
_CONTENT_TYPES = {
    "text": "text/plain; charset=utf-8",
    "json": "application/json",
    "base64": "application/octet-stream",
}


class _Wire(ResponseHandler):
    """A connection that knows how many calls it carried, and how much of the answer to the last one has come."""

    def __init__(self, most: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.most = most
        self.calls = 0
        self.received = 0

    def set_response_params(self, **params: object) -> None:
        """Hear from aiohttp that the next request is about to be sent."""
        self.calls += 1
        self.received = 0
        _calling.get().wire = self
        super().set_response_params(**params)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Hear bytes of the answer."""
        self.received += len(data)
        if self.received > self.most and self.transport is not None:
            self.transport.abort()
            return
        super().data_received(data)


class _Calling:
    """What is found out on the way about the call that a task makes."""

    wire: _Wire | None = None  # set when a request is about to be sent
    refusal: str | None = None  # why an address was not connected to
    connects = False  # some address was
    answer: Response | None = None  # the last redirect that was followed

    def __init__(self, url: str) -> None:
        self.url = url


_KINDS = (
    # numbers that some take for an address, such as 2130706433: aiohttp calls an address by no other name than its own
    (aiohttp.InvalidURL, Kind.DENIED),
    (aiohttp.ClientConnectorDNSError, Kind.DNS),
    ((aiohttp.ClientSSLError, ssl.SSLError), Kind.TLS),
)


class _Denied(OSError):
    """An address that is not connected to."""


_calling: ContextVar[_Calling] = ContextVar("calling")


class HttpRunner:
    """Calls with connections that are kept for the next call, and with fresh ones where a kept one has died."""

    def __init__(
        self,
        node: str,
        *,
        max_response_bytes: int,
        max_url_bytes: int,
        policy: Policy,
        token: Callable[[str, int], str],
        signing_keys: Sequence[bytes] = (),
    ) -> None:
        self.signing_keys = signing_keys  # may be set anew at any time
        self._token = token
        self._cap = max_response_bytes
        self._max_url_bytes = max_url_bytes
        self._told = {
            "User-Agent": f"TaskPusher/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            headers.NODE: node,
        }
        wire = partial(_Wire, FRAMING_MAX_BYTES + FRAMING_SHARE * max_response_bytes)
        self._kept = _session(policy, wire, kept=True)
        self._fresh = _session(policy, wire, kept=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._kept.close()
        await self._fresh.close()

    async def call(self, uid: str, spec: Spec, head: Head) -> Outcome:
        """Make the call that `head` was claimed for and return how it ended; it is cancelled to be aborted."""
        session = self._fresh if is_stale(head.last) else self._kept
        calling = _Calling(spec.url)
        _calling.set(calling)
        start = monotonic()
        try:
            headers = self._headers(uid, spec, head)
            timeout = _timeout(spec.timeout_s)
            response = await self._exchange(session, spec.method, spec.url, headers, spec.body, timeout)
            if spec.redirects:
                request = redirects.Request(spec.method, spec.url, headers, spec.body)
                response = await self._follow(session, uid, spec, request, response, start + spec.timeout_s)
        except redirects.NotFollowed as error:
            return Outcome(
                Kind.REDIRECT, monotonic() - start, mask_url(str(error), spec.redact)[:ERROR_MAX], calling.answer
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _failed(error, spec, calling, monotonic() - start)
        return Outcome(Kind.ANSWERED, monotonic() - start, response=response)

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp keeps it, for less than a scope would cost
    ) -> Response:
        async with session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=body,
            timeout=timeout,
            allow_redirects=False,
            # else a POST without a body would say that it has one of application/octet-stream
            skip_auto_headers=_NO_CONTENT_TYPE if body is None and method not in _BODYLESS else None,
        ) as answer:
            content = await answer.content.read(self._cap + 1)
            if not answer.content.at_eof():
                content += await _rest(answer.content, self._cap + 1 - len(content))
            if not answer.content.at_eof():
                answer.close()
            return Response(
                answer.status,
                [(k.decode("latin-1"), v.decode("latin-1")) for k, v in answer.raw_headers],
                content[: self._cap],
                truncated=len(content) > self._cap,
            )

    async def _follow(
        self,
        session: aiohttp.ClientSession,
        uid: str,
        spec: Spec,
        request: redirects.Request,
        response: Response,
        until: float,
    ) -> Response:
        """Return the answer at the end of the redirects that `response` begins; the time is one for all of them."""
        calling = _calling.get()
        signed = bool(self.signing_keys)
        for left in range(spec.redirects, -1, -1):
            location = redirects.target(response)
            if location is None:
                break
            calling.answer = response
            if left == 0:
                raise redirects.NotFollowed(f"more than {spec.redirects} redirects")
            request, stays = redirects.follow(request, response.status, location, self._max_url_bytes)
            signed = signed and stays
            if signed:
                request.headers.update(signing.signed_headers(self.signing_keys, uid, int(time()), request.body or b""))
            left_s = max(until - monotonic(), 0.001)  # 0 would be no limit
            calling.url, calling.wire, calling.refusal, calling.connects = request.url, None, None, False
            response = await self._exchange(session, *request, _timeout_of(left_s))
        return response

    def _headers(self, uid: str, spec: Spec, head: Head) -> dict[str, str]:
        told = {
            **self._told,
            headers.IDEMPOTENCY_KEY: uid,
            headers.JOB: uid,
            headers.ATTEMPT: str(head.tries + 1),
            headers.CALL: str(head.attempt),
            headers.TOKEN: self._token(uid, head.attempt),
            headers.MAX_ATTEMPTS: str(spec.max_attempts),
            headers.QUEUE: spec.queue,
            headers.DUE: codec.to_time(head.due_ms) or "",
        }
        if spec.body_kind is not None:
            told["Content-Type"] = _CONTENT_TYPES[spec.body_kind]
        if self.signing_keys:
            told |= signing.signed_headers(self.signing_keys, uid, int(time()), spec.body or b"")
        if spec.headers:
            given = {name.lower() for name in spec.headers}
            if self.signing_keys:
                given -= _NOT_THE_JOBS
            told = {name: value for name, value in told.items() if name.lower() not in given}
            told |= {name: value for name, value in spec.headers.items() if name.lower() in given}
        return told | spec.trace if spec.trace else told


def _session(policy: Policy, wire: Callable[..., _Wire], *, kept: bool) -> aiohttp.ClientSession:
    connect = partial(_checked_socket, policy)
    # ThreadedResolver by name: where aiodns is installed the resolver would change without a word
    resolver = aiohttp.ThreadedResolver()
    if kept:
        connector = aiohttp.TCPConnector(
            limit=0, resolver=resolver, socket_factory=connect, keepalive_timeout=KEEPALIVE_S
        )
    else:
        connector = aiohttp.TCPConnector(limit=0, resolver=resolver, socket_factory=connect, force_close=True)
    connector._factory = partial(wire, asyncio.get_running_loop())  # type: ignore[assignment]  # noqa: SLF001
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # 64 KiB may inflate to anything
        timeout=aiohttp.ClientTimeout(total=None),
    )
    # aiohttp sends an idempotent request again by itself when the server hangs up: a call nobody would have recorded
    session._retry_connection = False  # noqa: SLF001
    return session


def _checked_socket(policy: Policy, address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket for the very address that it is about to be connected to, if that may be called."""
    family, kind, protocol, _, sockaddr = address
    calling = _calling.get()
    refusal = policy.refusal(URL(calling.url, encoded=True).raw_host or "", str(sockaddr[0]))
    if refusal is not None:
        calling.refusal = refusal
        raise _Denied(refusal)
    calling.connects = True
    return socket.socket(family, kind, protocol)


async def _rest(content: aiohttp.StreamReader, most: int) -> bytes:
    """Return what is left of an answer, at most so many bytes."""
    parts = []
    while most > 0 and not content.at_eof():
        parts.append(await content.read(most))
        most -= len(parts[-1])
    return b"".join(parts)


def _timeout_of(timeout_s: float) -> aiohttp.ClientTimeout:
    # one limit where both would be the same: which of two that end together is heard first, the clock's grain decides
    return aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S if timeout_s > CONNECT_TIMEOUT_S else None)


_timeout = lru_cache(maxsize=256)(_timeout_of)


def _failed(error: Exception, spec: Spec, calling: _Calling, duration_s: float) -> Outcome:
    """Tell what an exception of aiohttp means."""
    kind, text = _explained(error, spec, calling, duration_s)
    answer = calling.answer
    if answer is not None and kind not in _AFTER_A_REDIRECT:
        # the first request has arrived, so that this is a try whatever happened to the next
        kind, text = Kind.REDIRECT, f"the redirect to {mask_url(calling.url, spec.redact)} failed: {text}"
    return Outcome(kind, duration_s, text[:ERROR_MAX], answer)


def _explained(error: Exception, spec: Spec, calling: _Calling, duration_s: float) -> tuple[Kind, str]:
    """Return the kind and a text."""
    if isinstance(error, OSError) and error.errno in _OURS:
        return Kind.LOCAL, f"the node lacks what a call needs: {error.strerror}"
    text = mask_text(_text_of(error) or type(error).__name__, spec.redact)
    if calling.wire is not None:
        return _broken_off(error, text, spec, calling.wire, duration_s)
    # the request was not about to be sent, so nothing of it can have arrived
    if calling.refusal is not None and not calling.connects:
        return Kind.DENIED, calling.refusal
    out_of_time = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError)
    if out_of_time and calling.answer is not None:
        return _timed_out(spec)
    if isinstance(error, TimeoutError):
        return Kind.CONNECT, f"no connection within {min(CONNECT_TIMEOUT_S, spec.timeout_s):g} s"
    return next((kind for types, kind in _KINDS if isinstance(error, types)), Kind.CONNECT), text


def _text_of(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message  # in full it has the URL, with all that is secret in it
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"cannot resolve {error.host}: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorError) and str(error.os_error.strerror).startswith(
        "Connect call failed"
    ):
        # asyncio says which address, not what was wrong
        return f"cannot connect to {error.host}:{error.port}: {os.strerror(error.os_error.errno or 0)}"
    return str(error)


def _timed_out(spec: Spec) -> tuple[Kind, str]:
    return Kind.TIMEOUT, f"no whole answer within {spec.timeout_s:g} s"


def _broken_off(error: Exception, text: str, spec: Spec, wire: _Wire, duration_s: float) -> tuple[Kind, str]:
    if isinstance(error, TimeoutError):
        return _timed_out(spec)
    if wire.received > wire.most:
        return Kind.DISCONNECT, f"the answer was broken off: {wire.received} bytes around next to nothing"
    stale = wire.calls > 1 and not wire.received and duration_s < STALE_WITHIN_S and spec.method in _IDEMPOTENT
    return Kind.STALE if stale else Kind.DISCONNECT, f"the answer broke off: {text}"
