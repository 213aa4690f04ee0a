"""The node itself: alive, ready, how much there is of everything, and draining."""

from collections.abc import Callable
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from taskpusher import __version__, codec, errors
from taskpusher.contract import operation, operations
from taskpusher.fields import of_query
from taskpusher.phase import Phase
from taskpusher.web import ROLE, json_response

from ..rates import Range, Rates
from ..status import Status
from ..store.base import Store
from . import answers, shapes

NAME_SHOWN = 100  # characters of a client's name for a node that a problem repeats


class HealthApi:
    """Answers from the first moment on, also while the store is being opened."""

    def __init__(self, status: Status, store: Store | None = None) -> None:
        self._status = status
        self._store = store

    @operation("GET", "/health", answers={200: answers.Health}, open_to_all=True)
    async def health(self, _: web.Request) -> web.Response:
        """Answer while the process is alive."""
        shape: answers.Health = {"status": "alive", "version": __version__}
        return json_response(shape)

    @operation("GET", "/ready", answers={200: answers.Ready, 503: answers.Ready}, open_to_all=True)
    async def ready(self, _: web.Request) -> web.Response:
        """Answer 200 when all is well, else 503 with the reason."""
        status = self._status
        shape: answers.Ready = {
            "state": status.phase,
            "reason": status.reason,
            "warnings": status.warnings,
            "accepts_adds": status.accepts_adds,
            "name": status.name,
            "store_id": status.store_id,
            "version": __version__,
        }
        if self._store is not None:
            shape["cluster"] = shapes.cluster(self._store.share, self._store.settings_digest())
        return json_response(shape, status=200 if status.phase is Phase.READY else 503)


OPEN_PATHS = frozenset(declared.path for _, declared in operations(HealthApi) if declared.open)  # need no credentials


class StatsFields(Struct, frozen=True, kw_only=True):
    """Which series are told beside the numbers."""

    range: Annotated[Range, Meta(description="1h or 24h")] | None = None


class NodeApi:
    """Numbers, which nodes there are, and draining."""

    def __init__(
        self,
        store: Store,
        status: Status,
        rates: Rates,
        slots: Callable[[], tuple[int, int]],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._status = status
        self._rates = rates
        self._slots = slots
        self._now_ms = now_ms

    @operation("GET", "/stats", fields=StatsFields, answers={200: answers.Stats})
    async def stats(self, request: web.Request) -> web.Response:
        """Answer with the numbers that say how the node is doing; costs the same however many jobs there are."""
        name = of_query(request, StatsFields).range
        busy, limit = self._slots()
        shape: answers.Stats = {
            "now": codec.to_time(self._now_ms()),
            "states": shapes.counts(self._store.counts()),
            "oldest_waiting": codec.to_time(self._store.oldest_waiting_ms()),
            "slots": {"busy": busy, "limit": limit},
            "rates": shapes.rates(self._rates.per_second()),
            "role": request[ROLE],
        }
        if name is not None:
            step_s, buckets = self._rates.series(name)
            shape |= {"range": name, "step": step_s, "series": shapes.series(buckets)}
        return json_response(shape)

    @operation("GET", "/nodes", answers={200: answers.Nodes})
    async def nodes(self, _: web.Request) -> web.Response:
        """Answer with this node alone; a router answers with all that it has."""
        status = self._status
        told: answers.NodeTold = {
            "name": status.name,
            "address": None,
            "state": status.phase,
            "reason": status.reason,
            "weight": 1.0,
            "share": 1.0,
            "counts": shapes.counts(self._store.counts()),
            "version": __version__,
            "store_id": status.store_id,
        }
        shape: answers.Nodes = {"nodes": [told]}
        return json_response(shape)

    @operation("POST", "/nodes/{node}/drain", answers={200: answers.Drained}, problems=[errors.NotFound])
    async def drain_node(self, request: web.Request) -> web.Response:
        """Let a node take no new jobs, over restarts too; all else goes on."""
        self._check_name(request)
        return await self._set_draining(on=True)

    @operation("POST", "/nodes/{node}/resume", answers={200: answers.Drained}, problems=[errors.NotFound])
    async def resume_node(self, request: web.Request) -> web.Response:
        """Let a node take new jobs again."""
        self._check_name(request)
        return await self._set_draining(on=False)

    @operation("POST", "/drain", answers={200: answers.Drained})
    async def drain(self, _: web.Request) -> web.Response:
        """Take no new jobs, over restarts too; all else goes on."""
        return await self._set_draining(on=True)

    @operation("POST", "/resume", answers={200: answers.Drained})
    async def resume(self, _: web.Request) -> web.Response:
        """Take new jobs again."""
        return await self._set_draining(on=False)

    def _check_name(self, request: web.Request) -> None:
        name = request.match_info["node"]
        if name != self._status.name:
            raise errors.NotFound(f"there is no node {name[:NAME_SHOWN]} here")

    async def _set_draining(self, *, on: bool) -> web.Response:
        await self._store.set_draining(on=on)
        self._status.draining = on
        shape: answers.Drained = {"state": self._status.phase, "reason": self._status.reason}
        return json_response(shape)
