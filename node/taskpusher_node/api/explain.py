"""What went wrong and what is waited for: errors in groups, and why one job does not run now."""

from collections.abc import Callable

from aiohttp import web

from taskpusher import errors
from taskpusher.contract import operation
from taskpusher.web import json_response

from ..status import Status
from ..store.base import Held, Store
from ..targets import Targets
from ..why import AHEAD_MAX, Around, Slots, why
from . import answers, shapes
from .problems import no_job


class ExplainApi:
    """Explains errors and waits."""

    def __init__(
        self,
        store: Store,
        status: Status,
        targets: Targets,
        slots: Callable[[], Slots],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._status = status
        self._targets = targets
        self._slots = slots
        self._now_ms = now_ms

    @operation("GET", "/errors", answers={200: answers.Groups})
    async def groups(self, _: web.Request) -> web.Response:
        """Answer with the groups of the jobs in error, the largest first."""
        shape: answers.Groups = {"groups": [shapes.group(view) for view in self._store.groups()]}
        return json_response(shape)

    @operation("GET", "/job/{uid}/why", answers={200: answers.WhyTold}, problems=[errors.NotFound])
    async def why(self, request: web.Request) -> web.Response:
        """Answer why a job does not run now."""
        uid = request.match_info["uid"]
        job = self._store.get(uid)
        if job is None:
            raise no_job(uid)
        queue = self._store.queue(job.spec.queue)
        around = Around(
            phase=self._status.phase,
            reason=self._status.reason,
            pause=queue.pause if queue is not None else None,
            place=self._store.place(uid, AHEAD_MAX + 1),
            target=self._targets.view(job.spec.host, self._now_ms()),
            slots=self._slots(),
            others=self._store.held(uid, AHEAD_MAX + 1) if job.head.held else Held(),
        )
        told = why(job, around)
        shape: answers.WhyTold = {"uid": job.uid, "state": job.head.state, "why": told.sentence, "facts": told.facts}
        return json_response(shape)
