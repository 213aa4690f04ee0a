"""What an application says of a job that it has accepted: it is done, it has failed, or it still works on it."""

from typing import Annotated, TypeVar

from aiohttp import web
from msgspec import Meta, Struct

from taskpusher import codec, errors, headers
from taskpusher.contract import open_changes, operation
from taskpusher.fields import FORM, JsonText, of_query, of_query_form_or_json
from taskpusher.job import Text512
from taskpusher.web import json_response

from ..config import Config
from ..outcomes import SECONDS_MAX
from ..reports import Completed, Failed, Heartbeat, Report
from ..store.base import Settled, Store, Token
from ..why import call_is_over
from . import answers
from .problems import no_job

S = TypeVar("S", bound=Struct)

_NOTE_MAX = 512  # bytes
_NOTE_RULE = f"1 to {_NOTE_MAX} bytes without control characters"
_PROBLEMS = (errors.NotFound, errors.WrongState, errors.InvalidField)
_JSON = "application/json"


class CompleteFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came out."""

    result: JsonText | None = None  # shown as the body of the job's response


class CompleteJson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came out."""

    result: Annotated[answers.Json, Meta(description="any JSON")] = None


class FailFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What went wrong."""

    error: Annotated[str, Meta(min_length=1, description="a text, of which 500 characters are kept")] | None = None
    retry: Annotated[bool, Meta(description="true, or false where no other try would help")] = True


class HeartbeatFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That it goes on, and how far it has come."""

    lease: (
        Annotated[float, Meta(gt=0, le=SECONDS_MAX, description=f"seconds above 0, up to {SECONDS_MAX:,}")] | None
    ) = None
    percent: Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")] | None = None
    note: Annotated[Text512, Meta(description=_NOTE_RULE)] | None = None


class ReportsApi:
    """Takes the word of whoever has the token of a call: nothing else is needed, and nothing else will do."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    @operation(
        "POST",
        "/job/{uid}/complete",
        bodies={_JSON: CompleteJson, FORM: CompleteFields},
        answers={200: answers.Reported},
        problems=_PROBLEMS,
        by_token=True,
    )
    async def complete(self, request: web.Request) -> web.Response:
        """End an accepted job as completed; to say so again is no error."""
        token = self._token(request)
        result = (await _given(request, CompleteFields)).result or b""
        if len(result) > self._config.max_response_bytes:
            raise errors.TooLarge(f"a result may have {self._config.max_response_bytes} bytes, not {len(result)}")
        return await self._report(token, Completed(bytes(result)))

    @operation(
        "POST",
        "/job/{uid}/fail",
        bodies={_JSON: FailFields, FORM: FailFields},
        answers={200: answers.Reported},
        problems=_PROBLEMS,
        by_token=True,
    )
    async def fail(self, request: web.Request) -> web.Response:
        """Say that this try of an accepted job has failed."""
        token = self._token(request)
        asked = await _given(request, FailFields)
        if asked.error is None:
            raise errors.InvalidField([("error", "missing")])
        return await self._report(token, Failed(asked.error, asked.retry))

    @operation(
        "POST",
        "/job/{uid}/heartbeat",
        bodies={_JSON: HeartbeatFields, FORM: HeartbeatFields},
        answers={200: answers.Reported},
        problems=_PROBLEMS,
        by_token=True,
    )
    async def heartbeat(self, request: web.Request) -> web.Response:
        """Renew the lease of an accepted job, and say how far it has come."""
        token = self._token(request)
        asked = await _given(request, HeartbeatFields)
        if asked.note is not None and len(asked.note.encode()) > _NOTE_MAX:
            raise errors.InvalidField([("note", _NOTE_RULE)])
        return await self._report(token, Heartbeat(asked.lease, asked.percent, asked.note))

    def _token(self, request: web.Request) -> Token:
        """Return the call that the request may speak for; before its body is read, for anybody may send one."""
        token = self._store.authorised(request.match_info["uid"], request.headers.get(headers.TOKEN, ""))
        if token is None:
            raise errors.Forbidden(f"send the {headers.TOKEN} that came with a call of this job")
        return token

    async def _report(self, token: Token, report: Report) -> web.Response:
        settled = await self._store.report(token, report)
        view = self._store.get(token.uid)
        if view is None:
            raise no_job(token.uid)
        head = view.head
        if settled is Settled.FENCED:
            ended = codec.to_time(head.ended_ms)
            raise errors.WrongState(call_is_over(view, token.attempt), state=head.state, ended_at=ended)
        shape: answers.Reported = {
            "uid": view.uid,
            "state": head.state,
            "lease_until": codec.to_time(head.lease_ms),
        }
        return json_response(shape)


async def _given(request: web.Request, kind: type[S]) -> S:
    """Return what was sent; nothing at all is fine whatever it says that it is."""
    return await of_query_form_or_json(request, kind) if await request.read() else of_query(request, kind)


OPEN_CHANGES = open_changes(ReportsApi)
