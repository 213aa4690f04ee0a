"""Every setting of a node with its default: the one place that the command line, the docs and the server read."""

from dataclasses import dataclass
from pathlib import Path

from taskpusher import uid as uids
from taskpusher.incoming import ABOVE_0, ITSELF, LIMITS, SIZE, Incoming, a_limit, a_setting, is_url
from taskpusher.kinds import Choice, Duration, Folder, Listed, Size, Text, Whole

CONCURRENCY = 4
ALERT_FORMATS = ("json", "slack")

_OUT, _ALERTS = "Going out", "Alerts"  # headings of --help-all


def _are_statuses(text: str) -> bool:
    from taskpusher.job import parse_statuses  # noqa: PLC0415 - it takes as long to import as all of --help

    try:
        return not text or bool(parse_statuses(text))
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class Config(Incoming):
    """The settings of one node; each is a flag, a variable and a key of the TOML file of the same name."""

    store: Path = a_setting(Path("taskpusher-data"), "Folder of the embedded store; made if it is not there.")
    name: str | None = a_setting(
        None,
        "The store's name, part of every uid. Default: the store's, else random.",
        kind=Text("NAME", uids.NAME_RULE, uids.is_name),
    )
    concurrency: int = a_setting(CONCURRENCY, "How many calls run at once.", kind=Whole(1, 10_000))
    drain_timeout: float | None = a_setting(
        None,
        "How long a stop may go on starting waiting jobs. Default: until none waits.",
        kind=Duration(none=True),
    )
    stop_grace: float = a_setting(30.0, "How long running calls then get before they are aborted.")
    timeout: float = a_setting(300.0, "How long a call may take, where its job does not say.", kind=ABOVE_0, group=_OUT)

    retention: float = a_setting(604_800.0, "How long completed jobs are kept; 0: without limit.")
    disk_reserve: int | None = a_setting(
        None,
        "Disk to keep free: below it no jobs are taken, and finished ones are deleted early; 0: off. "
        "Default: the larger of 1 GiB and 5 % of the file system, at most a fifth of it.",
        kind=Size(0, none=True),
    )
    retention_errors: float = a_setting(
        2_592_000.0, "How long jobs in error and cancelled ones are kept; 0: without limit.", advanced=True
    )
    retention_count: int = a_limit(
        1_000_000, "Most finished jobs kept, the newest; 0: without limit.", kind=Whole(0), group=ITSELF
    )
    idempotency_retention: float = a_setting(
        86_400.0, "How long an idempotency_key is kept after its job has ended.", advanced=True
    )
    ballast: int = a_limit(
        67_108_864,
        "Set aside in the store's folder, given up when the disk is full; 0: none.",
        kind=Size(0),
        group=ITSELF,
    )
    unreached_status: str = a_setting(
        "",
        'Answers that mean the application was not reached: "502,503" suits a proxy that is up during deploys.',
        advanced=True,
        kind=Listed("STATUSES", 'like "502,503"', _are_statuses),
        group=_OUT,
    )
    signing_secrets: str = a_setting(
        "",
        "Sign calls by Standard Webhooks with these secrets: base64, several while rotating.",
        advanced=True,
        kind=Listed("SECRETS", secret=True),
        group=_OUT,
    )
    max_timeout: float = a_setting(
        86_400.0, "The longest timeout that a job may ask for.", advanced=True, kind=ABOVE_0, group=_OUT
    )
    alert_url: str | None = a_setting(
        None,
        "URL that gets one POST when a trouble begins, and one when it is over.",
        advanced=True,
        kind=Text("URL", "a URL of http or https", is_url, secret=True),
        group=_ALERTS,
    )
    alert_format: str = a_setting(
        "json",
        "What it gets: json, or slack for what takes incoming webhooks of Slack.",
        advanced=True,
        kind=Choice(ALERT_FORMATS),
        group=_ALERTS,
    )
    deny_private: bool = a_setting(
        default=False,
        text="Call no private, loopback, shared, multicast or reserved address.",
        advanced=True,
        group=_OUT,
    )
    allow: str = a_setting(
        "",
        "Hosts (example.com, .example.com) and networks that may be called all the same.",
        advanced=True,
        kind=Listed("HOSTS"),
        group=_OUT,
    )
    deny: str = a_setting(
        "", "Hosts and networks that are never called.", advanced=True, kind=Listed("HOSTS"), group=_OUT
    )
    max_queues: int = a_limit(1_000, "How many queues there may be.")
    max_holds: int = a_limit(1_000, "How many hosts may be held by hand.")
    max_pinned_limits: int = a_limit(10_000, "How many limit keys may be pinned.")
    max_url_bytes: int = a_limit(8_192, "Longest url.", kind=SIZE)
    max_headers: int = a_limit(64, "Most headers of a job.")
    max_headers_bytes: int = a_limit(65_536, "Most bytes of a job's headers together.", kind=SIZE)
    max_body_bytes: int = a_limit(1_048_576, "Largest body of a job.", kind=SIZE)
    max_meta_bytes: int = a_limit(16_384, "Largest meta of a job.", kind=SIZE)
    max_response_bytes: int = a_limit(65_536, "How much of an answer is kept; the rest is not read.", kind=SIZE)
    max_wait: float = a_setting(300.0, "The longest that /wait holds an answer.", advanced=True, group=LIMITS)
    backup_dir: Path | None = a_setting(
        None,
        "Folder that POST /backup makes copies of the store in. Default: none are made.",
        advanced=True,
        kind=Folder(),
    )
    scan_limit: int = a_limit(5_000, "Most entries that one page of a filtered listing examines.")

    @property
    def has_credentials(self) -> bool:
        """Whether calls need credentials: those of a router are some."""
        return super().has_credentials or self.cluster_token is not None
