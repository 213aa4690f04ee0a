"""Calls a target over HTTP with aiohttp: one request on the wire for one call, its answer read up to a cap."""

import asyncio
import errno
import ssl
from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache, partial
from time import monotonic, time

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from taskpusher import __version__, codec, headers
from taskpusher.job import Spec

from ..lifecycle import Head, Response
from ..retry import Kind, Outcome, is_stale
from . import signing

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 1.5  # shorter than that of Apache, Node and gunicorn, so that we close a connection before they do
STALE_WITHIN_S = 0.1  # a hang-up so soon after the request left was the end of a kept connection

ERROR_MAX = 500  # characters of what went wrong: a target may send any amount of junk

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
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
    """A connection that knows how many calls it carried, and whether the answer to the last one has begun."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.calls = 0
        self.answering = False

    def set_response_params(self, **params: object) -> None:
        """Hear from aiohttp that the next request is about to be sent."""
        self.calls += 1
        self.answering = False
        _wire.get().append(self)
        super().set_response_params(**params)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Hear bytes of the answer."""
        self.answering = True
        super().data_received(data)


# the connection of the call that this task makes, in a list that is empty until a request is about to be sent
_wire: ContextVar[list[_Wire]] = ContextVar("wire")


class HttpRunner:
    """Calls with connections that are kept for the next call, and with fresh ones where a kept one has died."""

    def __init__(self, node: str, *, max_response_bytes: int, signing_keys: Sequence[bytes] = ()) -> None:
        self._cap = max_response_bytes
        self._keys = signing_keys
        self._told = {
            "User-Agent": f"TaskPusher/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            headers.NODE: node,
        }
        self._kept = _session(kept=True)
        self._fresh = _session(kept=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._kept.close()
        await self._fresh.close()

    async def call(self, uid: str, spec: Spec, head: Head) -> Outcome:
        """Make the call that `head` was claimed for and return how it ended; it is cancelled to be aborted."""
        session = self._fresh if is_stale(head.last) else self._kept
        wires: list[_Wire] = []
        _wire.set(wires)
        start = monotonic()
        try:
            response = await self._exchange(session, uid, spec, head)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _failed(error, spec, wires, monotonic() - start)
        return Outcome(Kind.ANSWERED, monotonic() - start, response=response)

    async def _exchange(self, session: aiohttp.ClientSession, uid: str, spec: Spec, head: Head) -> Response:
        async with session.request(
            spec.method,
            URL(spec.url, encoded=True),
            headers=self._headers(uid, spec, head),
            data=spec.body,
            timeout=_timeout(spec.timeout_s),
            allow_redirects=False,
            # else a POST without a body would say that it has one of application/octet-stream
            skip_auto_headers=_NO_CONTENT_TYPE if spec.body is None and spec.method not in _BODYLESS else None,
        ) as answer:
            body = await answer.content.read(self._cap + 1)
            while len(body) <= self._cap and not answer.content.at_eof():
                body += await answer.content.read(self._cap + 1 - len(body))
            if not answer.content.at_eof():
                answer.close()
            return Response(
                answer.status,
                [(k.decode("latin-1"), v.decode("latin-1")) for k, v in answer.raw_headers],
                body[: self._cap],
                truncated=len(body) > self._cap,
            )

    def _headers(self, uid: str, spec: Spec, head: Head) -> dict[str, str]:
        told = {
            **self._told,
            headers.IDEMPOTENCY_KEY: uid,
            headers.JOB: uid,
            headers.ATTEMPT: str(head.tries + 1),
            headers.CALL: str(head.attempt),
            headers.MAX_ATTEMPTS: str(spec.max_attempts),
            headers.QUEUE: spec.queue,
            headers.DUE: codec.to_time(head.due_ms) or "",
        }
        if spec.body_kind is not None:
            told["Content-Type"] = _CONTENT_TYPES[spec.body_kind]
        if self._keys:
            told |= signing.signed_headers(self._keys, uid, int(time()), spec.body or b"")
        if spec.headers:
            given = {name.lower() for name in spec.headers}
            if self._keys:
                given -= _NOT_THE_JOBS
            told = {name: value for name, value in told.items() if name.lower() not in given}
            told |= {name: value for name, value in spec.headers.items() if name.lower() in given}
        return told | spec.trace if spec.trace else told


def _session(*, kept: bool) -> aiohttp.ClientSession:
    # ThreadedResolver by name: where aiodns is installed the resolver would change without a word
    resolver = aiohttp.ThreadedResolver()
    if kept:
        connector = aiohttp.TCPConnector(limit=0, resolver=resolver, keepalive_timeout=KEEPALIVE_S)
    else:
        connector = aiohttp.TCPConnector(limit=0, resolver=resolver, force_close=True)
    connector._factory = partial(_Wire, loop=asyncio.get_running_loop())  # type: ignore[assignment]  # noqa: SLF001
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # 64 KiB may inflate to anything
        timeout=aiohttp.ClientTimeout(total=None),
    )
    # aiohttp sends an idempotent request again by itself when the server hangs up: a call nobody would have recorded
    session._retry_connection = False  # noqa: SLF001
    return session


@lru_cache(maxsize=256)
def _timeout(timeout_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))


def _failed(error: Exception, spec: Spec, wires: list[_Wire], duration_s: float) -> Outcome:
    """Tell what an exception of aiohttp means. Before a request is about to be sent, nothing can have arrived."""
    if isinstance(error, OSError) and error.errno in _OURS:
        return Outcome(Kind.LOCAL, duration_s, f"the node lacks what a call needs: {error.strerror}")
    text = (str(error) or type(error).__name__)[:ERROR_MAX]
    if wires:
        wire = wires[0]
        if isinstance(error, TimeoutError):
            return Outcome(Kind.TIMEOUT, duration_s, f"no whole answer within {spec.timeout_s:g} s")
        stale = wire.calls > 1 and not wire.answering and duration_s < STALE_WITHIN_S and spec.method in _IDEMPOTENT
        return Outcome(Kind.STALE if stale else Kind.DISCONNECT, duration_s, f"the answer broke off: {text}")
    if isinstance(error, TimeoutError):
        text = f"no connection within {min(CONNECT_TIMEOUT_S, spec.timeout_s):g} s"
    kind = Kind.CONNECT
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        kind = Kind.DNS
    elif isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        kind = Kind.TLS
    return Outcome(kind, duration_s, text)
