"""GET /openapi.json: the contract of all parts of the API."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from taskpusher import __version__, codec, headers
from taskpusher.access import Role
from taskpusher.contract import operation, operations
from taskpusher.job import QueueName
from taskpusher.openapi import document
from taskpusher.page import Page

from ..placing import TEXT_RULE
from ..urls import HOST_RULE
from . import answers
from .add import AddApi
from .backup import BackupApi
from .cluster import ClusterApi
from .editing import EditApi
from .explain import ExplainApi
from .jobs import JobsApi
from .limits import LimitsApi
from .listings import STATES, ListingsApi
from .metrics import MetricsApi
from .node import HealthApi, NodeApi
from .queues import QueuesApi
from .reports import ReportsApi
from .targets import TargetsApi

_ROLES = "; ".join(f"`{role}` may do {role.allows}" for role in Role)
_DESCRIPTION = f"""\
A queue for background jobs: POST a URL, it is stored durably and called later.

Everything but /health and /ready needs credentials where the node has any. Roles: {_ROLES}.
Every problem is an RFC 9457 document with a fixed `type`. The API only grows: ignore fields that you do not know.
"""

_PATH_FIELDS = {
    "uid": Annotated[str, Meta(description="the uid of a job")],
    "state": Annotated[str, Meta(extra_json_schema={"enum": sorted(STATES)})],
    "name": QueueName,
    "key": Annotated[str, Meta(description=TEXT_RULE)],
    "host": Annotated[str, Meta(description=HOST_RULE)],
    "node": Annotated[str, Meta(description="the name of a node")],
    "file": Annotated[str, Meta(description="where it is in the page's folder")],
}


class ContractApi:
    """Tells what all the others promise."""

    @operation("GET", "/openapi.json", answers={200: answers.Json})
    async def openapi(self, _: web.Request) -> web.Response:
        """Answer with this document."""
        return web.Response(body=DOCUMENT, headers={"Content-Type": "application/json", headers.VERSION: __version__})


PARTS = (
    HealthApi,
    AddApi,
    JobsApi,
    EditApi,
    ReportsApi,
    ListingsApi,
    QueuesApi,
    LimitsApi,
    TargetsApi,
    ExplainApi,
    NodeApi,
    ClusterApi,
    BackupApi,
    MetricsApi,
    ContractApi,
    Page,
)
DOCUMENT = codec.to_json(
    document(_DESCRIPTION, (found for part in PARTS for _, found in operations(part)), _PATH_FIELDS)
)
