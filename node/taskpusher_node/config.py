"""Every setting of a node with its default: the one place that the command line, the docs and the server read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskpusher import uid as uids
from taskpusher.access import Token
from taskpusher.kinds import Choice, Duration, Folder, Kind, Listed, Size, Text, Tokens, Whole
from taskpusher.settings import setting

CONCURRENCY = 4
LOG_LEVELS = ("production", "debug")
ALERT_FORMATS = ("json", "slack")

# the headings of --help-all
_NODE, _IN, _OUT, _ALERTS, _LIMITS = "The node", "Coming in", "Going out", "Alerts", "Limits"


def _setting(default: Any, text: str, *, advanced: bool = False, kind: Kind | None = None, group: str = _NODE) -> Any:
    return setting(default, text, group=group, kind=kind, common=not advanced)


def _limit(default: int, text: str, *, kind: Kind | None = None, group: str = _LIMITS) -> Any:
    return _setting(default, text, advanced=True, kind=kind, group=group)


def _are_statuses(text: str) -> bool:
    from taskpusher.job import parse_statuses  # noqa: PLC0415 - it takes as long to import as all of --help

    try:
        return not text or bool(parse_statuses(text))
    except ValueError:
        return False


def _is_url(text: str) -> bool:
    from urllib.parse import urlsplit  # noqa: PLC0415 - the same

    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable() and " " not in text
    except ValueError:  # of what is in brackets, and no address
        return False


_ABOVE_0 = Duration(zero=False)
_SIZE = Size()


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one node; each is a flag, a variable and a key of the TOML file of the same name."""

    basicauth: str | None = _setting(
        None,
        "USER:PASSWORD that every call must come with; it may do everything.",
        kind=Text("USER:PASSWORD", "USER:PASSWORD", lambda text: all(text.partition(":")), secret=True),
        group=_IN,
    )
    address: str = _setting("localhost:9900", "Where to listen.", kind=Text("HOST:PORT"), group=_IN)
    store: Path = _setting(Path("taskpusher-data"), "Folder of the embedded store; made if it is not there.")
    name: str | None = _setting(
        None,
        "The store's name, part of every uid. Default: the store's, else random.",
        kind=Text("NAME", uids.NAME_RULE, uids.is_name),
    )
    concurrency: int = _setting(CONCURRENCY, "How many calls run at once.", kind=Whole(1, 10_000))
    log_level: str = _setting(
        "production", "production: JSON lines, one a finished call. debug: for people.", kind=Choice(LOG_LEVELS)
    )
    drain_timeout: float | None = _setting(
        None,
        "How long a stop may go on starting waiting jobs. Default: until none waits.",
        kind=Duration(none=True),
    )
    stop_grace: float = _setting(30.0, "How long running calls then get before they are aborted.")
    timeout: float = _setting(300.0, "How long a call may take, where its job does not say.", kind=_ABOVE_0, group=_OUT)

    retention: float = _setting(604_800.0, "How long completed jobs are kept; 0: without limit.")
    disk_reserve: int | None = _setting(
        None,
        "Disk to keep free: below it no jobs are taken, and finished ones are deleted early; 0: off. "
        "Default: the larger of 1 GiB and 5 % of the file system, at most a fifth of it.",
        kind=Size(0, none=True),
    )
    retention_errors: float = _setting(
        2_592_000.0, "How long jobs in error and cancelled ones are kept; 0: without limit.", advanced=True
    )
    retention_count: int = _limit(
        1_000_000, "Most finished jobs kept, the newest; 0: without limit.", kind=Whole(0), group=_NODE
    )
    idempotency_retention: float = _setting(
        86_400.0, "How long an idempotency_key is kept after its job has ended.", advanced=True
    )
    ballast: int = _limit(
        67_108_864,
        "Set aside in the store's folder, given up when the disk is full; 0: none.",
        kind=Size(0),
        group=_NODE,
    )
    tokens: tuple[Token, ...] = _setting(
        (),
        "Bearer tokens; in TOML [[tokens]] tables of name, role, secret_file.",
        advanced=True,
        kind=Tokens(),
        group=_IN,
    )
    insecure: bool = _setting(
        default=False, text="Listen beyond this machine without credentials.", advanced=True, group=_IN
    )
    unreached_status: str = _setting(
        "",
        'Answers that mean the application was not reached: "502,503" suits a proxy that is up during deploys.',
        advanced=True,
        kind=Listed("STATUSES", 'like "502,503"', _are_statuses),
        group=_OUT,
    )
    signing_secrets: str = _setting(
        "",
        "Sign calls by Standard Webhooks with these secrets: base64, several while rotating.",
        advanced=True,
        kind=Listed("SECRETS", secret=True),
        group=_OUT,
    )
    max_timeout: float = _setting(
        86_400.0, "The longest timeout that a job may ask for.", advanced=True, kind=_ABOVE_0, group=_OUT
    )
    alert_url: str | None = _setting(
        None,
        "URL that gets one POST when a trouble begins, and one when it is over.",
        advanced=True,
        kind=Text("URL", "a URL of http or https", _is_url, secret=True),
        group=_ALERTS,
    )
    alert_format: str = _setting(
        "json",
        "What it gets: json, or slack for what takes incoming webhooks of Slack.",
        advanced=True,
        kind=Choice(ALERT_FORMATS),
        group=_ALERTS,
    )
    deny_private: bool = _setting(
        default=False,
        text="Call no private, loopback, shared, multicast or reserved address.",
        advanced=True,
        group=_OUT,
    )
    allow: str = _setting(
        "",
        "Hosts (example.com, .example.com) and networks that may be called all the same.",
        advanced=True,
        kind=Listed("HOSTS"),
        group=_OUT,
    )
    deny: str = _setting(
        "", "Hosts and networks that are never called.", advanced=True, kind=Listed("HOSTS"), group=_OUT
    )
    max_queues: int = _limit(1_000, "How many queues there may be.")
    max_holds: int = _limit(1_000, "How many hosts may be held by hand.")
    max_pinned_limits: int = _limit(10_000, "How many limit keys may be pinned.")
    max_url_bytes: int = _limit(8_192, "Longest url.", kind=_SIZE)
    max_headers: int = _limit(64, "Most headers of a job.")
    max_headers_bytes: int = _limit(65_536, "Most bytes of a job's headers together.", kind=_SIZE)
    max_body_bytes: int = _limit(1_048_576, "Largest body of a job.", kind=_SIZE)
    max_meta_bytes: int = _limit(16_384, "Largest meta of a job.", kind=_SIZE)
    max_batch: int = _limit(1_000, "Most jobs in one JSON array.")
    max_request_bytes: int = _limit(4_194_304, "Largest request, and longest line of NDJSON.", kind=_SIZE)
    max_response_bytes: int = _limit(65_536, "How much of an answer is kept; the rest is not read.", kind=_SIZE)
    max_wait: float = _setting(300.0, "The longest that /wait holds an answer.", advanced=True, group=_LIMITS)
    keepalive: float = _setting(75.0, "How long an idle client connection is kept.", advanced=True, group=_IN)
    public_url: str | None = _setting(
        None,
        "The URL that browsers ask by where a proxy stands before the node; its pages may then change things.",
        advanced=True,
        kind=Text("URL", "a URL of http or https", _is_url),
        group=_IN,
    )
    header_timeout: float = _setting(
        10.0, "How long the headers of a request may take.", advanced=True, kind=_ABOVE_0, group=_IN
    )
    client_min_rate: int = _limit(
        1_024,
        "Bytes a second, over any ten, that a client must send of a body and take of an answer.",
        kind=_SIZE,
        group=_IN,
    )
    max_connections: int = _limit(
        2_000, "Most client connections; beyond, the slowest and idlest make room.", group=_IN
    )
    max_in_flight: int = _limit(
        1_000, "Most adds and other changes that wait for the store at once; beyond, 503.", group=_IN
    )
    backup_dir: Path | None = _setting(
        None,
        "Folder that POST /backup makes copies of the store in. Default: none are made.",
        advanced=True,
        kind=Folder(),
    )
    scan_limit: int = _limit(5_000, "Most entries that one page of a filtered listing examines.")

    @property
    def has_credentials(self) -> bool:
        """Whether calls need credentials."""
        return self.basicauth is not None or bool(self.tokens)
