"""Pages of a listing: how long one takes, and how much CPU, of many nodes through a router and of one node."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load import prefill
from processes import HTTP_TIMEOUT_S, LOOPBACK, Server, user_s_of_others
from routed import Routed, start_routed
from scenarios import Setting

PAGE = 100  # jobs; what a page has if nobody says


@dataclass(frozen=True)
class Pages:
    """What the pages of one walk took, each."""

    ms: float
    cpu_us: float
    others: float  # share of the two cores that went to processes that are none of ours
    faults: tuple[str, ...]


@contextmanager
def filled(nodes: int, jobs: int, setting: Setting) -> Iterator[Routed]:
    """Start nodes that are paused, with so many jobs each on average, added through a router as clients would."""
    with (
        TemporaryDirectory(dir=setting.folder) as folder,
        start_routed(Path(folder), nodes, concurrency=1, core=setting.server_core) as router,
    ):
        router.pause()
        prefill(router, nodes * jobs, setting.target.url)
        yield router


def walk(server: Server, setting: Setting) -> Pages:
    """Walk the waiting jobs, page after page over one connection, for as long as a measurement takes."""
    connection = HTTPConnection(LOOPBACK, server.port, timeout=HTTP_TIMEOUT_S)
    cores = setting.server_core, setting.load_core
    page = _page(connection, "")  # who walks has a connection; opening it is no part of a page
    pages, faults = 0, []
    others_s, cpu_s, begin = user_s_of_others(cores), server.cpu_s() + server.behind_cpu_s(), time.perf_counter()
    while (took_s := time.perf_counter() - begin) < setting.seconds:
        page = _page(connection, page["last_uid"] or "")
        pages += 1
        if page["last_uid"] is not None and len(page["jobs"]) < PAGE:
            faults.append(f"a page that is not the last has {len(page['jobs'])} jobs")
        if page.get("partial"):
            faults.append(f"a page lacks {page['missing']}")
    cpu_s = server.cpu_s() + server.behind_cpu_s() - cpu_s
    others = max(user_s_of_others(cores) - others_s, 0.0) / took_s / len(cores)
    connection.close()
    return Pages(took_s / pages * 1e3, cpu_s / pages * 1e6, others, tuple(sorted(set(faults))))


def _page(connection: HTTPConnection, last_uid: str) -> Any:
    connection.request("GET", "/jobs/waiting" + (f"?last_uid={last_uid}" if last_uid else ""))
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"a page: {answer.status} {content[:200]!r}")
    return json.loads(content)
