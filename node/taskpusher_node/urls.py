"""Which URLs a job may have, and the host:port that each of them calls. Pure."""

import ipaddress
import re
from functools import lru_cache

from yarl import URL

URL_RULE = "an http or https URL without control characters"
HOST_RULE = "host:port such as example.com:443 or [::1]:8080"

_LABEL_MAX = 63  # of a host name, RFC 1035

_URL = re.compile(
    # scheme, userinfo without / ? @, host, port, path and query
    r"(https?)://(?:([\x21\x22\x24-\x2e\x30-\x3e\x41-\x7e]*)@)?"
    r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?((?:[/?][\x21\x22\x24-\x7e]*)?)",
    re.IGNORECASE,
)
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\]):([0-9]{1,5})")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadUrl(ValueError):
    """A url cannot be called; the text is the rule that it breaks."""


def parse_url(text: str, longest: int) -> tuple[str, str, str | None]:
    """Return (url as it is sent, host:port, userinfo); raises BadUrl with the rule that it breaks."""
    text = text.partition("#")[0]
    if len(text) <= longest and (not text.isascii() or " " in text):
        text = _encoded(text)
    if len(text) > longest:
        raise BadUrl(f"at most {longest} bytes")
    match = _URL.fullmatch(text)
    port = int(match[4]) if match is not None and match[4] is not None else None
    if match is None or not _can_be_called(match[3], port):
        raise BadUrl(URL_RULE)
    scheme, userinfo, host, _, path = match.groups()
    host_port = f"{host.lower()}:{port or (443 if scheme.lower() == 'https' else 80)}"
    if userinfo is not None:
        text = f"{scheme}://{host}{f':{port}' if port is not None else ''}{path}"
    return text, host_port, userinfo


def _encoded(text: str) -> str:
    """Return a URL with all that is not ASCII percent-encoded, its host in punycode; the text where it cannot be."""
    authority = re.split("[/?]", text.partition("://")[2], maxsplit=1)[0]
    if not authority.rpartition(":")[2].isascii() and ":" in authority:
        return text  # a port of other digits is none
    if CONTROL.search(text):
        return text  # no URL: encoding would hide it
    try:
        return str(URL(text))
    except (ValueError, UnicodeError, IndexError):  # the last one of "http://[]@", by yarl 1.25
        return text


def is_host(text: str) -> bool:
    """Tell whether a text is the lower-case host:port of a job that could be added."""
    match = _HOST.fullmatch(text)
    return match is not None and _can_be_called(match[1], int(match[2]))


@lru_cache(maxsize=1024)  # the same few hosts again and again
def _can_be_called(host: str, port: int | None) -> bool:
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return False
    elif not all(0 < len(label) <= _LABEL_MAX for label in host.removesuffix(".").split(".")):
        return False
    return port is None or 1 <= port <= 65_535  # noqa: PLR2004
