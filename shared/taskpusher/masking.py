"""Hides secrets in what is shown: in headers, URLs and texts of errors. Pure."""

import re
from collections.abc import Collection, Iterable
from urllib.parse import unquote

MASK = "[masked]"

_HEADERS = frozenset({"authorization", "cookie", "set-cookie"})
_NO_SECRET = frozenset({"idempotency-key"})  # tells one request from another, to everybody who may see it
_SECRET = re.compile("token|key|secret|password|signature", re.IGNORECASE)
_AUTHORITY = re.compile(r"^([a-z][a-z0-9+.-]*:)?//[^/?#\s]*@", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=//)[^/?#\s]*@")
_URL_IN_TEXT = re.compile(r"https?://\S+", re.IGNORECASE)


def mask_headers(pairs: Iterable[tuple[str, str]], redact: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return headers with the values of secret ones hidden, and what is secret in URLs in the others."""
    names = _folded(redact)
    return [(name, MASK if _is_secret_header(name, names) else mask_url(value, names)) for name, value in pairs]


def mask_url(url: str, redact: Collection[str] = ()) -> str:
    """Return a URL, absolute or relative, with its userinfo and the values of secret parameters hidden."""
    if "@" in url:
        url = _AUTHORITY.sub(rf"\1//{MASK}@", url)
    if "=" in url:
        head, mark, rest = _cut(url)
        names = _folded(redact)
        url = head + mark + "".join(_masked_part(part, names) for part in re.split("([&#])", rest))
    # that of a URL in a URL comes last: it would take the name of a secret with it, and leave what is behind an @
    return _USERINFO.sub(f"{MASK}@", url) if "@" in url else url


def mask_text(text: str, redact: Collection[str] = ()) -> str:
    """Return a text with what is secret in the URLs in it hidden."""
    return _URL_IN_TEXT.sub(lambda match: mask_url(match[0], redact), text)


def _cut(url: str) -> tuple[str, str, str]:
    """Return what is before the parameters, the first mark that they may follow, and the parameters."""
    match = re.search("[?#;]", url)
    return (url, "", "") if match is None else (url[: match.start()], match[0], url[match.end() :])


def _masked_part(part: str, names: Collection[str]) -> str:
    """Return what stands between two & or #, with all behind the name of the first secret hidden.

    Some servers part parameters by ; too, and a URL may be given as a value with parameters of its own. A value may
    hold these marks as well, so nothing that follows a secret is shown.
    """
    start = 0
    for piece in re.split("[;?]", part):
        name, equals, value = piece.partition("=")
        if equals and (_is_secret_parameter(name, names) or _holds_secret(value, names)):
            return f"{part[:start]}{name}={MASK}"
        start += len(piece) + 1
    return part


def _holds_secret(value: str, names: Collection[str]) -> bool:
    """Tell whether a value is a URL, percent-encoded, with userinfo or a secret parameter of its own."""
    value = unquote(value)
    pieces = re.split("[?&;#]", value)[1:]
    if _USERINFO.search(value) is not None:
        return True
    return any("=" in piece and _is_secret_parameter(piece.partition("=")[0], names) for piece in pieces)


def _is_secret_parameter(name: str, names: Collection[str]) -> bool:
    name = unquote(name.replace("+", " "))
    return _SECRET.search(name) is not None or name.casefold() in names


def _is_secret_header(name: str, names: Collection[str]) -> bool:
    lower = name.casefold()
    if lower in _HEADERS or lower in names or lower.startswith("proxy-"):
        return True
    return lower not in _NO_SECRET and _SECRET.search(lower) is not None


def _folded(names: Collection[str]) -> Collection[str]:
    return {name.casefold() for name in names} if names else ()
