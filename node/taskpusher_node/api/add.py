"""POST /add: one job, an array of them, or NDJSON of any length; every answer after the flush."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic
from typing import Any

import structlog
from aiohttp import hdrs, web
from msgspec import Raw

from taskpusher import __version__, codec, errors, fields, headers
from taskpusher import uid as uids
from taskpusher.contract import Text, operation
from taskpusher.fields import check_no_query, form_pairs, pairs
from taskpusher.phase import Phase
from taskpusher.web import json_response

from .. import digests
from ..config import Config
from ..request import AddJson, AddText, Parsed, SpecBuilder, parse_form, parse_json, parse_list
from ..status import Status
from ..store.base import NewJob, Placed, Put, Store
from . import answers
from .idempotency import header_keys, refuse, with_key
from .problems import no_queue_left, store_problem

_DISK_RETRY_S = 30  # space comes back by deletion or by hand, neither at once
_TRACE_MAX = 512  # characters of a trace header
SLICE_S = 0.005  # of validating an array, before the loop gets its turn
_ANSWERS_HELD = 2_000  # parts of NDJSON answers that wait for a client to read
NDJSON = "application/x-ndjson"
_NDJSON_PART = 200  # lines stored together

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
        },
        answers={
            200: (answers.Added, Text(NDJSON, "As NDJSON: an answer a line; the last has done, stored and failed.")),
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
            trace = _trace(request)
            query = request.rel_url.raw_query_string
            keys = header_keys(request)
            content_type = request.content_type
            if content_type == NDJSON:
                check_no_query(request)
                refuse(keys)
                return await self._add_lines(request, trace)
            body = self._whole(request) if request.content.is_eof() else await self._read(request)
            if not body and (query or hdrs.CONTENT_TYPE not in request.headers):
                return await self._add_one(parse_form(pairs(query)), trace, keys)
            if content_type == "application/json":
                check_no_query(request)
                if body.lstrip()[:1] == b"[":
                    refuse(keys)
                    return await self._add_many(parse_list(body), trace)
                return await self._add_one(parse_json(body), trace, keys)
            if content_type == fields.FORM:
                return await self._add_one(parse_form(pairs(query) + form_pairs(body)), trace, keys)
            raise errors.UnsupportedMediaType(
                "send a form (application/x-www-form-urlencoded), application/json, or application/x-ndjson"
            )
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

    def _whole(self, request: web.Request) -> bytes:
        """Return a body that has come to its end: most have before their handler begins, and so cost no waiting."""
        body: bytes = request.content.read_nowait()
        if len(body) > self._config.max_request_bytes:
            raise self._too_large()
        return body

    async def _read(self, request: web.Request) -> bytes:
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise self._too_large() from error

    def _too_large(self) -> errors.TooLarge:
        return errors.TooLarge(
            f"a request may have {self._config.max_request_bytes} bytes; NDJSON takes any number of jobs"
        )

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
        if len(parts) > self._config.max_batch:
            raise errors.TooLarge(
                f"an array may have {self._config.max_batch} jobs, not {len(parts)}; NDJSON takes any number"
            )
        results = await self._store_parts([bytes(part) for part in parts], trace)
        refused = [result["error"]["status"] for result in results if "error" in result]
        if not refused:
            status = 201
        elif len(refused) < len(results):
            status = 207
        else:
            status = max(422, *refused)  # 503 where the store took none of them: send it again
        return json_response(results, status=status)

    async def _store_parts(self, parts: list[bytes], trace: dict[str, str]) -> list[dict[str, Any]]:
        results = await self._try_parts(parts, trace)
        self.rejected.update(result["error"]["type"] for result in results if "error" in result)
        return results

    async def _try_parts(self, parts: list[bytes], trace: dict[str, str]) -> list[dict[str, Any]]:
        """Store each part on its own merits, all of them in one write; returns a result for each, in order."""
        results: list[dict[str, Any]] = []
        jobs: list[tuple[int, NewJob]] = []
        turn, now_ms = monotonic(), self._now_ms()
        for part in parts:
            if monotonic() - turn > SLICE_S:
                await asyncio.sleep(0)
                turn, now_ms = monotonic(), self._now_ms()
            try:
                job = self._new_job(parse_json(part), trace, now_ms)
            except errors.Problem as problem:
                results.append({"error": problem.document()})
            else:
                jobs.append((len(results), job))
                results.append({"uid": job.uid})
        try:
            all_placed = await self._store.put_new([job for _, job in jobs]) if jobs else []
        except Exception as error:
            known = _add_problem(error, None)
            if not isinstance(known, errors.Problem):
                raise
            for index, job in jobs:
                results[index] = {"error": {**known.document(), "uid": job.uid}}
            return results
        for (index, job), placed in zip(jobs, all_placed, strict=True):
            refused = self._refusal(job, placed)
            if refused is not None:
                results[index] = {"error": refused.document()}
            else:
                status, told = _told(placed)
                results[index] = {**told, "status": status}
        return results

    async def _add_lines(self, request: web.Request, trace: dict[str, str]) -> web.StreamResponse:
        """Answer a line for each job as its part becomes durable, and a last line that says all were seen."""
        response = web.StreamResponse(headers={"Content-Type": NDJSON, headers.VERSION: __version__})
        await response.prepare(request)
        told: asyncio.Queue[bytes] = asyncio.Queue(_ANSWERS_HELD)
        writing = asyncio.create_task(_write_all(response, told))
        counts = {"stored": 0, "failed": 0}
        try:
            async for numbered in _lines(request, self._config.max_request_bytes):
                self._check_accepting()
                results = await self._store_parts([line for _, line in numbered], trace)
                part = b""
                for (number, _), result in zip(numbered, results, strict=True):
                    result.pop("status", None)
                    counts["failed" if "error" in result else "stored"] += 1
                    part += codec.to_json({"line": number, **result}) + b"\n"
                await told.put(part)
            await told.put(codec.to_json({"done": True, **counts}) + b"\n")
        except (errors.Problem, web.RequestPayloadError) as error:
            # no last line, so that nobody takes what follows for stored
            problem = error if isinstance(error, errors.Problem) else errors.Malformed("the body cannot be read")
            self.rejected[problem.type] += 1
            await told.put(codec.to_json({"error": problem.document()}) + b"\n")
            response.force_close()
        finally:
            await told.put(b"")
            await writing
        return response


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


async def _write_all(response: web.StreamResponse, told: asyncio.Queue[bytes]) -> None:
    """Write answers until an empty one. On its own, since many clients send all their lines before they read any."""
    try:
        while part := await told.get():
            await response.write(part)
        await response.write_eof()
    except ConnectionError:
        while await told.get():
            pass  # nobody reads any more; what is stored is stored


def _trace(request: web.Request) -> dict[str, str]:
    """Return the W3C Trace Context headers to give on: a broken one is left out, as their standard asks."""
    sent = request.headers
    found = {str(name): sent[name] for name in headers.TRACE if name in sent}
    return {name: value for name, value in found.items() if _is_trace(value)} if found else found


def _is_trace(value: str) -> bool:
    return 0 < len(value) <= _TRACE_MAX and value.isascii() and value.isprintable()


async def _lines(request: web.Request, max_bytes: int) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Yield numbered lines in parts, as they arrive. A blank line counts, and is nobody's job."""
    number = 0
    rest = b""
    async for chunk in request.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        numbered = [(number + i, line) for i, line in enumerate(whole, 1) if line.strip()]
        number += len(whole)
        for start in range(0, len(numbered), _NDJSON_PART):
            yield numbered[start : start + _NDJSON_PART]
        if len(rest) > max_bytes:
            raise errors.TooLarge(f"line {number + 1} has more than {max_bytes} bytes")
    if rest.strip():
        yield [(number + 1, rest)]


def _add_problem(error: Exception, uid: str | None) -> Exception:
    """Return the problem of a put that failed; an unknown outcome names the uid to repeat the add with."""
    problem = store_problem(error)
    if isinstance(problem, errors.UnknownOutcome) and uid is not None:
        problem.members["uid"] = uid
    return problem if problem is not None else error
