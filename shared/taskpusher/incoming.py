"""Settings that every daemon has: where it listens, who may come in, and what a client may cost."""

from dataclasses import dataclass
from typing import Any

from .access import SECRET_RULE, Token, is_secret
from .kinds import Choice, Duration, Kind, Size, Text, Tokens
from .settings import setting

LOG_LEVELS = ("production", "debug")

# the headings of --help-all
ITSELF, COMING_IN, LIMITS = "The process", "Coming in", "Limits"
ABOVE_0 = Duration(zero=False)
SIZE = Size()


def a_setting(default: Any, text: str, *, advanced: bool = False, kind: Kind | None = None, group: str = ITSELF) -> Any:
    """Return a setting; `advanced` ones are shown by --help-all only."""
    return setting(default, text, group=group, kind=kind, common=not advanced)


def a_limit(default: int, text: str, *, kind: Kind | None = None, group: str = LIMITS) -> Any:
    """Return a setting that bounds something."""
    return a_setting(default, text, advanced=True, kind=kind, group=group)


def is_url(text: str) -> bool:
    """Tell whether a text is a URL of http or https."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - it takes as long to import as all of --help

    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable() and " " not in text
    except ValueError:  # of what is in brackets, and no address
        return False


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """The settings of whatever answers clients."""

    basicauth: str | None = a_setting(
        None,
        "USER:PASSWORD that every call must come with; it may do everything.",
        kind=Text("USER:PASSWORD", "USER:PASSWORD", lambda text: all(text.partition(":")), secret=True),
        group=COMING_IN,
    )
    address: str = a_setting("localhost:9900", "Where to listen.", kind=Text("HOST:PORT"), group=COMING_IN)
    log_level: str = a_setting(
        "production", "production: JSON lines, one a finished call. debug: for people.", kind=Choice(LOG_LEVELS)
    )
    tokens: tuple[Token, ...] = a_setting(
        (),
        "Bearer tokens; in TOML [[tokens]] tables of name, role, secret_file.",
        advanced=True,
        kind=Tokens(),
        group=COMING_IN,
    )
    cluster_token: str | None = a_setting(
        None,
        "The secret that routers call nodes with. A node that has one takes jobs and changes from routers only.",
        advanced=True,
        kind=Text("SECRET", SECRET_RULE, is_secret, secret=True),
        group=COMING_IN,
    )
    insecure: bool = a_setting(
        default=False, text="Listen beyond this machine without credentials.", advanced=True, group=COMING_IN
    )
    keepalive: float = a_setting(75.0, "How long an idle client connection is kept.", advanced=True, group=COMING_IN)
    public_url: str | None = a_setting(
        None,
        "The URL that browsers ask by where a proxy stands before it; its pages may then change things.",
        advanced=True,
        kind=Text("URL", "a URL of http or https", is_url),
        group=COMING_IN,
    )
    header_timeout: float = a_setting(
        10.0, "How long the headers of a request may take.", advanced=True, kind=ABOVE_0, group=COMING_IN
    )
    client_min_rate: int = a_limit(
        1_024,
        "Bytes a second, over any ten, that a client must send of a body and take of an answer.",
        kind=SIZE,
        group=COMING_IN,
    )
    max_connections: int = a_limit(
        2_000, "Most client connections; beyond, the slowest and idlest make room.", group=COMING_IN
    )
    max_in_flight: int = a_limit(
        1_000, "Most adds and other changes that wait to be stored at once; beyond, 503.", group=COMING_IN
    )
    max_batch: int = a_limit(1_000, "Most jobs in one JSON array.")
    max_request_bytes: int = a_limit(4_194_304, "Largest request, and longest line of NDJSON.", kind=SIZE)

    @property
    def has_credentials(self) -> bool:
        """Whether calls need credentials."""
        return self.basicauth is not None or bool(self.tokens)
