"""What a redirect asks for, by RFC 9110 and the Fetch standard: the next request, or why it is not made. Pure."""

from typing import NamedTuple
from urllib.parse import urljoin

from yarl import URL

from ..lifecycle import Response, header_of
from ..urls import parse_url

STATUSES = frozenset({301, 302, 303, 307, 308})

# What says how to read a request, and no more: any other header may hold a secret, or says who TaskPusher is.
_FOR_STRANGERS = frozenset(
    {
        "user-agent",
        "accept",
        "accept-encoding",
        "accept-language",
        "content-type",
        "content-encoding",
        "content-language",
    }
)


class NotFollowed(Exception):
    """A redirect leads where no call of TaskPusher goes; the text may hold its URL."""


class Request(NamedTuple):
    """One request as it is sent."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


def target(response: Response) -> str | None:
    """Return where an answer leads; None for one that is no redirect."""
    location = header_of(response, "location") if response.status in STATUSES else None
    return location.encode("latin-1").decode(errors="replace") if location is not None else None


def follow(request: Request, status: int, location: str, max_url_bytes: int) -> tuple[Request, bool]:
    """Return the next request, and whether it stays at its origin; raises NotFollowed."""
    method, url, headers, body = request
    try:
        next_url, _, userinfo = parse_url(urljoin(url, location), max_url_bytes)
    except ValueError as error:
        raise NotFollowed(f"the redirect leads to no http or https URL: {location}") from error
    if userinfo is not None:
        raise NotFollowed("the redirect leads to a URL with credentials in it")
    if (status == 303 and method not in ("GET", "HEAD")) or (status in (301, 302) and method == "POST"):  # noqa: PLR2004
        method, body = "GET", None
        headers = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
    stays = _is_same_origin(url, next_url)
    if not stays:
        headers = {name: value for name, value in headers.items() if name.lower() in _FOR_STRANGERS}
    return Request(method, next_url, headers, body), stays


def _is_same_origin(url: str, next_url: str) -> bool:
    """Tell whether secrets for one URL may go to the other: the same origin, or the same host now with TLS."""
    (scheme, host, port), (next_scheme, next_host, next_port) = _origin(url), _origin(next_url)
    if host != next_host:
        return False
    if (scheme, port) == (next_scheme, next_port):
        return True
    return (scheme, port, next_scheme, next_port) == ("http", 80, "https", 443)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = URL(url, encoded=True)
    return parts.scheme, (parts.raw_host or "").lower(), parts.port
