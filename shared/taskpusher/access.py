"""Who may do what: one Basic user, bearer tokens with a role each, and what each role may call."""

import base64
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from urllib.parse import quote, unquote

from . import errors, headers

SAFE_METHODS = frozenset({"GET", "HEAD"})  # nothing changes state on them

NAME_MAX = 64

SECRET_RULE = "of A-Z, a-z, 0-9 and -._~+/, with = at its end"  # noqa: S105 - a rule

_SECRET = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PUSH_READS = re.compile(r"/job/[^/]+(/wait)?|/|/tasks(/.*)?")
_CHALLENGE = 'realm="TaskPusher", charset="UTF-8"'


class Role(StrEnum):
    """What a caller may do."""

    PUSH = "push"
    READ = "read"
    ADMIN = "admin"

    @property
    def allows(self) -> str:
        """What it may do, in words."""
        return _ALLOWS[self]

    def may(self, method: str, path: str) -> bool:
        """Tell whether it may make a call; `path` is as it was sent. A call that no rule names is admin's."""
        if self is _ADMIN:
            return True
        if method in SAFE_METHODS:
            return self is _READ or _PUSH_READS.fullmatch(path) is not None
        return self is not _READ and method == "POST" and path == "/add"


_READ, _ADMIN = Role.READ, Role.ADMIN  # looking a member up costs more than all else on this page
_ALLOWS = {
    Role.PUSH: "POST /add, GET /job/{uid}, GET /job/{uid}/wait and the page",
    Role.READ: "every GET",
    Role.ADMIN: "everything",
}


def is_secret(text: str) -> bool:
    """Tell whether a text can be sent as a bearer token."""
    return _SECRET.fullmatch(text) is not None


@dataclass(frozen=True)
class Token:
    """A bearer token (RFC 6750); its name is what the log and `paused.by` show."""

    name: str
    role: Role
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= NAME_MAX or not self.name.isprintable():
            raise ValueError(f"a token's name has 1 to {NAME_MAX} printable characters")
        if not is_secret(self.secret):
            raise ValueError(f"the secret of token {self.name} must be {SECRET_RULE}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; without a name where nobody needs one."""

    name: str | None
    role: Role


ANYBODY = Caller(None, _ADMIN)  # who asks where no credentials are set
CLUSTER = Caller("cluster", _ADMIN)  # who has the cluster token, and speaks for nobody


def speaking_for(caller: Caller) -> dict[str, str]:
    """Return the headers by which a router says whom it calls a node for."""
    told = {str(headers.ROLE): caller.role.value}
    if caller.name is not None:
        told[str(headers.CALLER)] = quote(caller.name, safe="")
    return told


def spoken_for(sent: Mapping[str, str]) -> Caller:
    """Return whom a call with the cluster token is for; raises Forbidden. Of nobody else are these headers believed."""
    if headers.ROLE not in sent and headers.CALLER not in sent:
        return CLUSTER
    role = sent.get(headers.ROLE, "")
    if role not in tuple(Role):
        raise errors.Forbidden(f"{headers.ROLE} is one of {', '.join(Role)}")
    return Caller(unquote(sent.get(headers.CALLER, "")) or None, Role(role))


class Access:
    """Tells who asks by the Authorization header; with no credentials set, anybody may do everything.

    A header that is spelled as clients do is found in a table of the few right ones. That is no leak: a dict
    compares the text only where a keyed 64-bit hash is equal, so the time says nothing of how much of it is right.
    Any other spelling is compared in constant time, as digests, so that no length shows either.
    """

    def __init__(self, basicauth: str | None, tokens: Iterable[Token] = (), cluster_token: str | None = None) -> None:
        self._key = secrets.token_bytes(32)
        self.replace(basicauth, tokens, cluster_token)

    def replace(self, basicauth: str | None, tokens: Iterable[Token], cluster_token: str | None = None) -> None:
        """Take other credentials from the next request on; ValueError where two tokens cannot be told apart.

        Who sends the cluster token is `CLUSTER`; where there is one, only they may change anything.
        """
        tokens = tuple(tokens)
        given = [token.secret for token in tokens] + ([cluster_token] if cluster_token is not None else [])
        if len(set(given)) < len(given):
            raise ValueError("two tokens have the same secret")
        callers: dict[str, list[tuple[str, Caller]]] = {"Basic": [], "Bearer": []}
        if basicauth is not None:
            user = base64.b64encode(basicauth.encode()).decode()
            callers["Basic"].append((user, Caller(basicauth.partition(":")[0], Role.ADMIN)))
        callers["Bearer"] += [(token.secret, Caller(token.name, token.role)) for token in tokens]
        if cluster_token is not None:
            callers["Bearer"].append((cluster_token, CLUSTER))
        self._exact = {f"{scheme} {given}": caller for scheme, known in callers.items() for given, caller in known}
        self._digests = {
            scheme.lower(): [(self._digest(given), caller) for given, caller in known]
            for scheme, known in callers.items()
        }
        self._challenges = tuple(f"{scheme} {_CHALLENGE}" for scheme, known in callers.items() if known)
        self.needed = bool(self._exact)
        self.changes_by_cluster = cluster_token is not None

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent this header; raises Unauthorized."""
        if not self.needed:
            return ANYBODY
        if authorization is None:
            raise errors.Unauthorized("send credentials", challenges=self._challenges)
        return self._exact.get(authorization) or self._compared(authorization)

    def _compared(self, authorization: str) -> Caller:
        scheme, _, given = authorization.partition(" ")
        digest = self._digest(given.strip())
        found = None
        for known, caller in self._digests.get(scheme.lower(), []):
            if hmac.compare_digest(digest, known):
                found = caller
        if found is None:
            raise errors.Unauthorized("these credentials are not known here", challenges=self._challenges)
        return found

    def _digest(self, given: str) -> bytes:
        return blake2b(given.encode(errors="surrogateescape"), key=self._key).digest()
