"""POST /add: one job, an array of them, NDJSON of any length, a router's batch; every answer after the flush."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, TypeVar

import structlog
from aiohttp import web
from msgspec import Raw

from taskpusher import errors, fields, headers
from taskpusher import uid as uids
from taskpusher.adding import (
    ADDS,
    NDJSON,
    Kind,
    add_lines,
    check_count,
    form_of,
    given,
    good_trace,
    header_keys,
    status_of_many,
    trace_of,
)
from taskpusher.contract import Text, operation
from taskpusher.phase import Phase
from taskpusher.web import json_response

from .. import digests
from ..config import Config
from ..request import AddJson, AddText, Parsed, SpecBuilder, parse_form, parse_json
from ..status import Status
from ..store.base import NewJob, Placed, Put, Store
from . import answers
from .batch import Envelope, EnvelopeJson, parse_envelope, parse_envelopes
from .idempotency import with_key
from .problems import no_queue_left, store_problem

_DISK_RETRY_S = 30  # space comes back by deletion or by hand, neither at once
SLICE_S = 0.005  # of validating an array, before the loop gets its turn

Results = list[dict[str, Any]]  # what is answered of each job, in order
Part = TypeVar("Part")

log = structlog.get_logger()


class AddApi:
    """Takes jobs."""

    def __init__(self, store: Store, config: Config, status: Status, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._config = config
        self._status = status
        self._now_ms = now_ms
        self._builder = SpecBuilder(config, store.name, store.queue_defaults)
        self.rejected: Counter[str] = Counter()  # how many jobs were not stored, by the type of the problem

    @operation(
        "POST",
        "/add",
        fields=AddText,
        bodies={
            "application/json": AddJson | list[AddJson],  # type: ignore[valid-type]
            fields.FORM: AddText,
            NDJSON: Text(NDJSON, "A job a line, as in application/json; any number of lines."),
            ADDS: list[EnvelopeJson],
        },
        answers={
            200: (
                answers.Added | list[answers.OneOfMany],
                Text(NDJSON, "As NDJSON: an answer a line; the last has done, stored and failed."),
            ),
            201: answers.Added | list[answers.OneOfMany],
            207: list[answers.OneOfMany],
            422: list[answers.OneOfMany],
        },
        problems=[errors.Conflict, errors.IdempotencyMismatch, errors.Draining, errors.DiskLow],
        headers={str(headers.IDEMPOTENCY_KEY): "The field idempotency_key; of one job only."},
    )
    async def add(self, request: web.Request) -> web.StreamResponse:
        """Store what the body, or the query, asks for."""
        try:
            self._check_accepting()
            trace = trace_of(request)
            keys = header_keys(request)
            kind, body = await given(request, keys, self._config.max_request_bytes)
            if kind is Kind.ONE:
                return await self._add_one(parse_json(body), trace, keys)
            if kind is Kind.FORM:
                return await self._add_one(parse_form(form_of(*body)), trace, keys)
            if kind is Kind.MANY:
                return await self._add_many(body, trace)
            if kind is Kind.HANDED:
                return await self._add_batch(parse_envelopes(body))
            return await self._add_lines(request, trace)
        except errors.Problem as problem:
            self.rejected[problem.type] += 1
            raise

    def _check_accepting(self) -> None:
        if self._status.draining:
            raise errors.Draining("the node is drained; POST /resume takes jobs again", retry_after_s=5)
        if self._status.phase is Phase.STALLED:
            raise _stalled()
        if self._status.disk_low is not None:
            raise errors.DiskLow(self._status.disk_low, retry_after_s=_DISK_RETRY_S)

    def _new_job(self, parsed: Parsed, trace: dict[str, str], now_ms: int) -> NewJob:
        spec, due_ms = self._builder.build(parsed, now_ms, trace)
        uid = parsed[0].uid
        digest = digests.of_request(parsed[0]) if spec.idempotency_key is not None else None
        return NewJob(uid or uids.mint(self._store.name), spec, now_ms, due_ms, uid is not None, digest)

    async def _add_one(self, parsed: Parsed, trace: dict[str, str], keys: Sequence[str]) -> web.Response:
        if keys:
            parsed = with_key(parsed, keys)
        job = self._new_job(parsed, trace, self._now_ms())
        try:
            (placed,) = await self._store.put_new([job])
        except Exception as error:
            raise _add_problem(error, job.uid) from error
        refused = self._refusal(job, placed)
        if refused is not None:
            raise refused
        status, told = _told(placed)
        return json_response(told, status=status, location=f"/job/{placed.uid}")

    def _refusal(self, job: NewJob, placed: Placed) -> errors.Problem | None:
        if placed.put is Put.CREATED:
            return None
        match placed.put:
            case Put.CONFLICT:
                return errors.Conflict(f"{job.uid} is another job")
            case Put.MISMATCH:
                return errors.IdempotencyMismatch(f"it became {placed.uid}; another job needs another key")
            case Put.BUSY:
                return _stalled()
            case Put.NO_QUEUE:
                return no_queue_left("queue", self._config.max_queues)
        return None

    async def _add_many(self, parts: list[Raw], trace: dict[str, str]) -> web.Response:
        check_count(parts, self._config.max_batch)
        results = await self._store_parts([bytes(part) for part in parts], trace)
        return json_response(results, status=status_of_many(results))

    async def _store_parts(self, parts: list[bytes], trace: dict[str, str]) -> list[dict[str, Any]]:
        """Store each part on its own merits; what keeps all of them out is told of each."""
        results, jobs = await self._build_each(parts, lambda part: (parse_json(part), trace))
        try:
            await self._put_each(results, jobs)
        except Exception as error:
            known = _add_problem(error, None)
            if not isinstance(known, errors.Problem):
                raise
            for index, job in jobs:
                results[index] = {"error": {**known.document(), "uid": job.uid}}
        self._count_rejected(results)
        return results

    async def _add_batch(self, envelopes: list[Envelope]) -> web.Response:
        """Answer each add of many as if it had come alone; what keeps all of them out is the answer to the batch."""
        results, jobs = await self._build_each(envelopes, _opened)
        try:
            await self._put_each(results, jobs)
        except Exception as error:
            raise _add_problem(error, None) from error
        self._count_rejected(results)
        return json_response(results)

    def _count_rejected(self, results: Results) -> None:
        self.rejected.update(result["error"]["type"] for result in results if "error" in result)

    async def _build_each(
        self, parts: Sequence[Part], read_part: Callable[[Part], tuple[Parsed, dict[str, str]]]
    ) -> tuple[Results, list[tuple[int, NewJob]]]:
        """Return what is answered of each part, as far as that is known, and the jobs with their places among them."""
        results: Results = []
        jobs: list[tuple[int, NewJob]] = []
        turn, now_ms = monotonic(), self._now_ms()
        for part in parts:
            if monotonic() - turn > SLICE_S:
                await asyncio.sleep(0)
                turn, now_ms = monotonic(), self._now_ms()
            try:
                job = self._new_job(*read_part(part), now_ms)
            except errors.Problem as problem:
                results.append({"error": problem.document()})
            else:
                jobs.append((len(results), job))
                results.append({"uid": job.uid})
        return results, jobs

    async def _put_each(self, results: Results, jobs: list[tuple[int, NewJob]]) -> None:
        """Store jobs in one write, and fill in what is answered of each."""
        all_placed = await self._store.put_new([job for _, job in jobs]) if jobs else []
        for (index, job), placed in zip(jobs, all_placed, strict=True):
            refused = self._refusal(job, placed)
            if refused is not None:
                results[index] = {"error": refused.document()}
            else:
                status, told = _told(placed)
                results[index] = {**told, "status": status}

    async def _add_lines(self, request: web.Request, trace: dict[str, str]) -> web.StreamResponse:
        async def store(parts: list[bytes]) -> list[dict[str, Any]]:
            self._check_accepting()
            return await self._store_parts(parts, trace)

        return await add_lines(request, store, max_line=self._config.max_request_bytes, rejected=self.rejected)


def _opened(envelope: Envelope) -> tuple[Parsed, dict[str, str]]:
    return parse_envelope(envelope), good_trace(envelope.trace) if envelope.trace else {}


def _stalled() -> errors.Stalled:
    return errors.Stalled("nothing was stored; send it again", retry_after_s=1)


def _told(placed: Placed) -> tuple[int, dict[str, Any]]:
    """Return (status, what is answered) of a job that is in the store."""
    told: dict[str, Any] = {"uid": placed.uid}
    if placed.put is Put.CREATED:
        return 201, told
    if placed.put is Put.DEDUPLICATED or placed.put is Put.REPLACED:
        told[placed.put.value] = True
    return 200, told


def _add_problem(error: Exception, uid: str | None) -> Exception:
    """Return the problem of a put that failed; an unknown outcome names the uid to repeat the add with."""
    problem = store_problem(error)
    if isinstance(problem, errors.UnknownOutcome) and uid is not None:
        problem.members["uid"] = uid
    return problem if problem is not None else error
