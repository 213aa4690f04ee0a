"""The members of a cluster, read out of the text that names them: NAME=URL[,weight=W], in ranges too."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from taskpusher.kinds import BadValue
from taskpusher.uid import NAME_RULE, is_name

RULE = "members like n1=http://10.0.0.1:9900, n2=http://10.0.0.2:9900,weight=2 or tp-{0..4}=http://tp-{0..4}.tp:9900"
MEMBERS_MAX = 256
WEIGHTS_MAX = 1_000  # together: a ring has 2,000 points a weight

_TEXT_MAX = 1 << 20
_PORTS = {"http": 80, "https": 443}
_PORT_MAX = 65_535

_COMMENT = re.compile(r"(?:^|\s)#.*", re.MULTILINE)
_ENTRY = re.compile(r"(?P<name>[^=,]+)=(?P<url>[^=,]+)(?:,weight=(?P<weight>\d{1,4}(?:\.\d{1,3})?))?", re.ASCII)
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}", re.ASCII)
_URL = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?/?", re.IGNORECASE | re.ASCII)


class Member(NamedTuple):
    """One node of the cluster, as routers are told of it."""

    name: str
    url: str  # scheme, host and port, nothing behind them
    weight: float = 1.0

    def __str__(self) -> str:
        return f"{self.name}={self.url}" + (f",weight={self.weight:.15g}" if self.weight != 1 else "")


def read(path: Path) -> tuple[Member, ...]:
    """Return the members that a file names; raises BadValue with what is wrong, and in which file."""
    try:
        with path.open("rb") as file:
            return parse(file.read(_TEXT_MAX + 1).decode())
    except OSError as error:
        raise BadValue(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise BadValue(f"{path} must be UTF-8") from None
    except BadValue as error:
        raise BadValue(f"{path} must be {error}") from None


def parse(text: str) -> tuple[Member, ...]:
    """Return the members that a text names, in its order; raises BadValue with the rule that it breaks, and where."""
    if len(text) > _TEXT_MAX:
        raise BadValue(f"members in at most {_TEXT_MAX:,} characters")
    members: list[Member] = []
    for entry in _COMMENT.sub("", text).split():
        for name, url, weight in _spread(entry):
            if len(members) == MEMBERS_MAX:
                raise BadValue(f"at most {MEMBERS_MAX} members")
            members.append(_member(entry, name, url, weight))
    _check_together(members)
    return tuple(members)


def _spread(entry: str) -> Iterator[tuple[str, str, str | None]]:
    """Yield (name, URL, weight) of an entry: one for each number of its range, where it has one."""
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise BadValue(f"{RULE}, not {entry}")
    ranges = set(_RANGE.findall(entry))
    if not ranges:
        yield match["name"], match["url"], match["weight"]
        return
    if len(ranges) > 1 or not _RANGE.search(match["name"]) or not _RANGE.search(match["url"]):
        raise BadValue(f"{RULE}: {entry} needs one range, the same in name and URL")
    first, last = ranges.pop()
    if int(last) < int(first):
        raise BadValue(f"{RULE}: the range of {entry} ends before it begins")
    for number in range(int(first), int(last) + 1):
        digits = str(number).zfill(len(first))
        yield _RANGE.sub(digits, match["name"]), _RANGE.sub(digits, match["url"]), match["weight"]


def _member(entry: str, name: str, url: str, weight: str | None) -> Member:
    if not is_name(name):
        raise BadValue(f"{RULE}: the name of {entry} must be the store's, {NAME_RULE}")
    return Member(name, _origin(entry, url), 1.0 if weight is None else float(weight))


def _origin(entry: str, url: str) -> str:
    """Return scheme, host and port, so spelled that two URLs of one address are one text."""
    match = _URL.fullmatch(url)
    if match is None:
        raise BadValue(f"{RULE}: the URL of {entry} must be http or https, a host, and a port or none")
    scheme, host = match[1].lower(), match[2].lower()
    port = int(match[3]) if match[3] is not None else _PORTS[scheme]
    if not 1 <= port <= _PORT_MAX:
        raise BadValue(f"{RULE}: the port of {entry} must be from 1 to {_PORT_MAX}")
    if host.startswith("["):
        try:
            host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            raise BadValue(f"{RULE}: the address of {entry} must be one of IPv6") from None
    return f"{scheme}://{host}:{port}"


def _check_together(members: list[Member]) -> None:
    for what, texts in (("name", [each.name for each in members]), ("URL", [each.url for each in members])):
        twice = _repeated(texts)
        if twice is not None:
            raise BadValue(f"members of different names and URLs: two have the {what} {twice}")
    if not 0 < sum(each.weight for each in members) <= WEIGHTS_MAX:
        raise BadValue(f"members with weights that are together above 0 and at most {WEIGHTS_MAX:,}")


def _repeated(texts: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            return text
        seen.add(text)
    return None
