"""Every setting of a node with its default: the one place that the command line, the docs and the server read."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

CONCURRENCY = 4
LOG_LEVELS = ("production", "debug")


def _setting(default: Any, text: str, *, advanced: bool = False) -> Any:
    return field(default=default, metadata={"help": text, "advanced": advanced})


def _limit(default: int, text: str) -> Any:
    return _setting(default, text, advanced=True)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one node; each is a flag and an environment variable of the same name."""

    basicauth: str | None = _setting(None, "USER:PASSWORD that every call must come with.")
    address: str = _setting("localhost:9900", "HOST:PORT to listen on.")
    store: Path = _setting(Path("taskpusher-data"), "Folder of the embedded store; made if it is not there.")
    name: str | None = _setting(None, "The store's name, part of every uid. Default: the store's, else random.")
    concurrency: int = _setting(CONCURRENCY, "How many calls run at once.")
    log_level: str = _setting("production", "production: JSON lines, one a finished call. debug: for people.")
    drain_timeout: float | None = _setting(
        None, "Seconds a stop may go on starting waiting jobs. Default: until none waits."
    )
    stop_grace: float = _setting(30.0, "Seconds that running calls then get before they are aborted.")
    timeout: float = _setting(300.0, "Seconds a call may take, where its job does not say.")

    retention: float = _setting(604_800.0, "Seconds that completed jobs are kept; 0: without limit.")
    disk_reserve: int | None = _setting(
        None,
        "Bytes of disk to keep free: below it no jobs are taken, and finished ones are deleted early; 0: off. "
        "Default: the larger of 1 GiB and 5 % of the file system, at most a fifth of it.",
    )

    retention_errors: float = _setting(
        2_592_000.0, "Seconds that jobs in error and cancelled ones are kept; 0: without limit.", advanced=True
    )
    retention_count: int = _limit(1_000_000, "Most finished jobs kept, the newest; 0: without limit.")
    ballast: int = _limit(67_108_864, "Bytes set aside in the store's folder, given up when the disk is full; 0: none.")
    insecure: bool = _setting(default=False, text="Listen beyond this machine without credentials.", advanced=True)
    unreached_status: str = _setting(
        "",
        'Answers that mean the application was not reached: "502,503" suits a proxy that is up during deploys.',
        advanced=True,
    )
    signing_secrets: str = _setting(
        "", "Sign calls by Standard Webhooks with these secrets: base64, several while rotating.", advanced=True
    )
    deny_private: bool = _setting(
        default=False, text="Call no private, loopback, shared, multicast or reserved address.", advanced=True
    )
    allow: str = _setting(
        "", "Hosts (example.com, .example.com) and networks that may be called all the same.", advanced=True
    )
    deny: str = _setting("", "Hosts and networks that are never called.", advanced=True)
    max_timeout: float = _setting(86_400.0, "The longest timeout, in seconds, that a job may ask for.", advanced=True)
    max_queues: int = _limit(1_000, "How many queues there may be.")
    max_holds: int = _limit(1_000, "How many hosts may be held by hand.")
    max_url_bytes: int = _limit(8_192, "Longest url.")
    max_headers: int = _limit(64, "Most headers of a job.")
    max_headers_bytes: int = _limit(65_536, "Most bytes of a job's headers together.")
    max_body_bytes: int = _limit(1_048_576, "Largest body of a job.")
    max_meta_bytes: int = _limit(16_384, "Largest meta of a job.")
    max_batch: int = _limit(1_000, "Most jobs in one JSON array.")
    max_request_bytes: int = _limit(4_194_304, "Largest request, and longest line of NDJSON.")
    max_response_bytes: int = _limit(65_536, "How much of an answer is kept; the rest is not read.")
    max_wait: float = _setting(300.0, "The longest that /wait holds an answer, in seconds.", advanced=True)
    keepalive: float = _setting(75.0, "Seconds an idle client connection is kept.", advanced=True)
    public_url: str | None = _setting(
        None,
        "The URL that browsers ask by where a proxy stands before the node; its pages may then change things.",
        advanced=True,
    )
    header_timeout: float = _setting(10.0, "Seconds that the headers of a request may take.", advanced=True)
    client_min_rate: int = _limit(
        1_024, "Bytes a second, over any ten, that a client must send of a body and take of an answer."
    )
    max_connections: int = _limit(2_000, "Most client connections; beyond, the slowest and idlest make room.")
    max_in_flight: int = _limit(1_000, "Most adds and other changes that wait for the store at once; beyond, 503.")
    backup_dir: Path | None = _setting(
        None, "Folder that POST /backup makes copies of the store in. Default: none are made.", advanced=True
    )
    scan_limit: int = _limit(5_000, "Most entries that one page of a filtered listing examines.")


def settings() -> list[tuple[str, Any, str, bool]]:
    """Return (name, default, help, advanced) of every setting, in order."""
    return [(f.name, f.default, f.metadata["help"], f.metadata["advanced"]) for f in fields(Config)]
