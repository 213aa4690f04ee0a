"""The commands about a store as a whole: check and repair it, have a backup made, make a store of a backup."""

import base64
import http.client
import json
import os
import shlex
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taskpusher.clock import unix_ms
from taskpusher.exits import Exit, end
from taskpusher.plain import escaped

from .config import Config

if TYPE_CHECKING:
    from .store.rocksdb.repair import Report

_BACKUP_S = 24 * 3_600.0  # a large copy to a slow disk
_EXITS = {401: Exit.REFUSED, 403: Exit.REFUSED, 503: Exit.AGAIN, 507: Exit.AGAIN}

_store = click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default=Config.store,
    show_default=True,
    envvar="TASKPUSHER_STORE",
    help="Folder of the store.",
)
_output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to answer.")


@click.command(context_settings={"max_content_width": 100})
@_store
@click.option("--repair", "mend", is_flag=True, help="Put a whole store in place of a damaged one; the old is kept.")
@_output
def check(store: Path, output: str, *, mend: bool) -> None:
    """Look over the whole store of a node that does not run: checksums, records, indexes, counters.

    Exits with 0 when all is well or was mended, 1 when something is wrong, 78 when the store is in use or another's.
    """
    from .store.rocksdb import repair as repairing  # noqa: PLC0415 - rocksdict loads slowly, and --help needs it not

    with _told_errors():
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        report = repairing.repair(store, stamp) if mend else repairing.check(store)
    if output == "json":
        from msgspec import to_builtins  # noqa: PLC0415

        click.echo(json.dumps(to_builtins(report)))
    else:
        _tell_report(report, store)
    sys.exit(Exit.FAILED if report.found and report.kept is None else Exit.OK)


def _tell_report(report: "Report", store: Path) -> None:
    for finding in report.findings:
        click.echo(f"{finding.kind}: {escaped(finding.text)}")
    shown, all_found = len(report.findings), sum(report.found.values())
    if shown < all_found:
        click.echo(f"... and {all_found - shown} more")
    if not report.found:
        click.echo(f"{store}: {report.entries} entries, all is well")
    elif report.kept is None:
        click.echo(f"{store}: {report.entries} entries could be read; found wrong: {all_found}", err=True)
        click.echo(f"Mend it with: taskpusher check --repair --store {shlex.quote(str(store))}", err=True)
    else:
        lost = len(report.lost_jobs)
        click.echo(f"{store} was mended; {lost} jobs are lost. The old files are in {report.kept}", err=True)
        click.echo("Start the node, look at it, and then delete those.", err=True)


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--server", default=f"http://{Config.address}", show_default=True, envvar="TASKPUSHER_URL", help="URL of the node."
)
@click.option("--name", help="Name of the backup's folder. Default: the store's name and the time.")
@_output
def backup(server: str, name: str | None, output: str) -> None:
    """Have a running node make a backup of its store, in the folder of its setting backup_dir.

    TASKPUSHER_AUTH is USER:PASSWORD, or a token.
    """
    query = f"?{urllib.parse.urlencode({'name': name})}" if name is not None else ""
    made = _post(f"{server.rstrip('/')}/backup{query}")
    if output == "json":
        click.echo(json.dumps(made))
    else:
        click.echo(made["path"])
        click.echo(f"{made['jobs']} jobs, {made['bytes']:,} bytes. Copy it to another disk or machine.", err=True)


def _post(url: str) -> Any:
    auth = os.environ.get("TASKPUSHER_AUTH")
    try:
        request = urllib.request.Request(url, method="POST")  # noqa: S310 - checked below
        if auth:
            basic = f"Basic {base64.b64encode(auth.encode()).decode()}"
            # unredirected: it is not given to whom a redirect leads
            request.add_unredirected_header("Authorization", basic if ":" in auth else f"Bearer {auth}")
        if request.type not in ("http", "https"):
            end(Exit.CONFIG, f"{url} is no http or https URL")
        with urllib.request.urlopen(request, timeout=_BACKUP_S) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        end(_EXITS.get(error.code, Exit.FAILED), _detail(error))
    except (OSError, ValueError, http.client.HTTPException) as error:  # the last one of what talks no HTTP
        reason = getattr(error, "reason", error)  # urllib wraps what went wrong
        end(Exit.UNREACHABLE, f"{url}: {getattr(reason, 'strerror', None) or str(reason) or repr(reason)}")


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        problem = json.load(error)
        return f"{error.code}: {problem['detail']}"
    except (OSError, ValueError, LookupError, TypeError):
        return f"{error.code}: {error.reason}"


@click.command(context_settings={"max_content_width": 100})
@click.argument("source", metavar="BACKUP", type=click.Path(file_okay=False, path_type=Path))
@_store
def restore(source: Path, store: Path) -> None:
    """Make a store of a backup, in a new folder. All its queues are paused."""
    from .store.rocksdb.backup import restore as make  # noqa: PLC0415 - rocksdict loads slowly, --help needs it not

    with _told_errors():
        name, jobs = make(source, store, unix_ms())
    click.echo(f"{store}: the store {name} as it was, with {jobs} jobs and all queues paused.", err=True)
    click.echo("Jobs that ran since the backup was made would run again: start the node with this --store,", err=True)
    click.echo("cancel what should not, and resume each queue by POST /queues/NAME/resume.", err=True)
    click.echo("Do not start the old store beside it: both have the name that uids carry.", err=True)


@contextmanager
def _told_errors() -> Iterator[None]:
    from .store.base import BackupRefused, StoreDamaged, StoreFailed, StoreLocked, StoreRefused  # noqa: PLC0415

    try:
        yield
    except StoreLocked as error:
        end(Exit.CONFIG, f"{error}: stop it first")
    except StoreRefused as error:
        end(Exit.CONFIG, str(error))
    except StoreDamaged as error:
        end(Exit.FAILED, f"{error}: this cannot be mended; restore a backup")
    except (BackupRefused, StoreFailed) as error:
        end(Exit.FAILED, str(error))
