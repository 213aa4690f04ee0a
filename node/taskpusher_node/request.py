"""From what POST /add was given to a Spec: every rule of every field, all that break one reported at once. Pure."""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from msgspec import Meta, Raw, Struct, ValidationError

from taskpusher import codec
from taskpusher import uid as uids
from taskpusher.errors import InvalidField, Malformed
from taskpusher.fields import Errors, given_type, read_each
from taskpusher.job import (
    CALLBACK_QUEUE,
    DEFAULT_QUEUE,
    ENDS,
    QUEUE_RULE,
    STATUSES_SCHEMA,
    Backoff,
    Callback,
    Limit,
    OnConflict,
    QueueName,
    Seconds,
    Spec,
    Text512,
    parse_statuses,
)
from taskpusher.masking import MASK

from .callback import CALLBACK_RULE, CallbackRequest, form_text, parse_callback
from .config import Config
from .placing import LIMIT_RULE, TEXT_RULE, UNORDERED, broken_limit, broken_order, is_text, limit_errors
from .urls import URL_RULE, BadUrl, parse_url

REPEAT_WITHIN_MS = 86_400_000  # a uid is taken again this long after it was minted
CLOCK_SKEW_MS = 60_000
RUN_AT_MAX_MS = 315_360_000_000  # ten years
_BACKOFF_MAX = 100  # delays in a list
_NO_SECRET = f"{MASK} stands for a secret that was not shown: give the secret itself"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_REFUSED_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "keep-alive",
    }
)
_REFUSED_PREFIXES = ("proxy-", "taskpusher-")

_RULES = {
    "url": URL_RULE,
    "method": "a token of letters such as GET or POST",
    "headers": "an object of texts",
    "body": "a text or any JSON value",
    "body_base64": "a text in base64",
    "queue": QUEUE_RULE,
    "priority": "an integer from -100 to 100",
    "delay": "seconds from 0 to ten years",
    "run_at": "an RFC 3339 time with its zone, such as 2026-11-24T23:13:32Z",
    "timeout": "seconds above 0",
    "max_attempts": "an integer from 1 to 1000",
    "unreached_attempts": "an integer from 0 to 1000",
    "backoff": 'an object of "initial", "factor", "max" and "jitter" (0 to 1), or a list of 1 to 100 delays in seconds',
    "success": 'statuses such as "200", "200,204" or "2xx"',
    "ttl": "seconds above 0, up to ten years",
    "meta": "a JSON object",
    "redirects": "an integer from 0 to 10",
    "redact": "a list of at most 16 names of headers and query parameters, each of 1 to 64 characters",
    "key": TEXT_RULE,
    "ordered": "true or false",
    "idempotency_key": TEXT_RULE,
    "unique": TEXT_RULE,
    "on_conflict": "keep, replace or after",
    "callback": CALLBACK_RULE,
    "limit": LIMIT_RULE,
    "uid": "a uid of this store",
}

RedactedName = Annotated[str, Meta(min_length=1, max_length=64)]
_BACKOFF = Backoff()
_ABSENT = Raw()  # of what is not given: msgspec knows no optional Raw
_NOWHERE = (None, None, None)
_NO_DEFAULTS: Mapping[str, bytes] = {}

PositiveSeconds = Annotated[float, Meta(gt=0, le=315_360_000)]


class AddRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One job as it is asked for; None is not given."""

    url: str
    method: Annotated[str, Meta(pattern=r"\A[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}\Z")] | None = None
    headers: dict[str, str] | None = None
    body: Raw = _ABSENT
    body_base64: str | None = None
    queue: QueueName | None = None
    priority: Annotated[int, Meta(ge=-100, le=100)] | None = None
    delay: Seconds | None = None
    run_at: str | None = None
    timeout: PositiveSeconds | None = None
    max_attempts: Annotated[int, Meta(ge=1, le=1000)] | None = None
    unreached_attempts: Annotated[int, Meta(ge=0, le=1000)] | None = None
    backoff: Backoff | Annotated[list[Seconds], Meta(min_length=1, max_length=_BACKOFF_MAX)] | None = None
    success: str | None = None
    ttl: PositiveSeconds | None = None
    meta: Raw = _ABSENT
    redirects: Annotated[int, Meta(ge=0, le=10)] | None = None
    redact: Annotated[tuple[RedactedName, ...], Meta(max_length=16)] | None = None
    key: Text512 | None = None
    ordered: bool | None = None
    idempotency_key: Text512 | None = None
    unique: Text512 | None = None
    on_conflict: OnConflict | None = None
    callback: Raw = _ABSENT
    limit: Limit | None = None
    uid: str | None = None


Given = tuple[dict[str, Any], Errors]  # the fields that could be read, and those that could not
Parsed = tuple[AddRequest, Errors]

_FIELDS = {field.name: field for field in msgspec.structs.fields(AddRequest)}
_TYPES = {name: field.type for name, field in _FIELDS.items()}
_FORM_TYPES = {name: given_type(field.type) for name, field in _FIELDS.items()}
_JSON_IN_FORMS = frozenset({"headers", "backoff", "redact", "limit"})
_decode = msgspec.json.Decoder(AddRequest).decode
_decode_raw_fields = msgspec.json.Decoder(dict[str, Raw]).decode


_Statuses: Any = Annotated[str, Meta(extra_json_schema=STATUSES_SCHEMA)] | None
_Time: Any = Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None
_JsonText: Any = Annotated[str, Meta(extra_json_schema={"contentMediaType": "application/json"})] | None


def described(name: str, kinds: dict[str, Any], *, url: object, but: Collection[str] = ()) -> type[Struct]:
    """Return the fields of an add with their rules, for who reads the contract; `kinds` are those said otherwise."""
    fields: list[tuple[str, Any, Any]] = []
    for field in (field for field in _FIELDS.values() if field.name not in but):
        kind = kinds.get(field.name, field.type)
        default = url if field.name == "url" else None
        fields.append((field.name, Annotated[kind, Meta(description=_RULES[field.name])], default))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)


_BOTH = {"success": _Statuses, "run_at": _Time}
IN_JSON = _BOTH | {"body": Any, "meta": dict[str, Any] | None, "callback": str | CallbackRequest | None}
_TEXTS = dict.fromkeys({"url", "body", "callback"}, str | None)
IN_FORMS = _BOTH | _TEXTS | dict.fromkeys({"meta", *_JSON_IN_FORMS}, _JsonText)
AddJson = described("AddRequest", IN_JSON, url=msgspec.NODEFAULT)
AddText = described("AddFields", IN_FORMS, url=None)  # it may be in the other of query and form


def parse_json(text: bytes | Raw) -> Parsed:
    """Return the request that a JSON object makes; raises Malformed."""
    try:
        return _decode(text), []
    except ValidationError:
        return _of_fields(*json_fields(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is no JSON: {error}") from error


def parse_form(pairs: list[tuple[str, str]]) -> Parsed:
    """Return the request that the fields of a form or a query string make."""
    return _of_fields(*form_fields(pairs))


def form_fields(pairs: list[tuple[str, str]]) -> Given:
    """Return the fields of a form or a query string."""
    fields: dict[str, Any] = {}
    errors: Errors = []
    for name, text in pairs:
        if name in fields:
            errors.append((name, "given more than once"))
        elif name not in _FIELDS:
            errors.append((name[:100], "unknown field"))
        else:
            fields[name] = _form_value(name, text, errors)
    return fields, errors


def _form_value(name: str, text: str, errors: Errors) -> Any:
    try:
        if name == "body":
            return Raw(msgspec.json.encode(text))
        if name == "meta":
            return Raw(text.encode())
        if name == "callback":
            return Raw(form_text(text))
        if name in _JSON_IN_FORMS:
            return msgspec.json.decode(text.encode(), type=_FIELDS[name].type)
        return msgspec.convert(text, _FORM_TYPES[name], strict=False)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        errors += _each_rule(name, _RULES[name], text.encode(errors="replace"))
        return None


def _of_fields(fields: dict[str, Any], errors: Errors) -> Parsed:
    if fields.get("url") is None:
        fields["url"] = ""
        if not any(path == "url" for path, _ in errors):
            errors.append(("url", "missing"))
    return AddRequest(**fields), errors


def json_fields(text: bytes | Raw) -> Given:
    """Return the fields of a JSON object one by one, for msgspec stops at the first that breaks its rule."""
    try:
        given = _decode_raw_fields(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed("a job is a JSON object, and not nested deeply") from error
    values, broken = read_each(given, _TYPES, _RULES)
    return values, [more for path, rule in broken for more in _each_rule(path, rule, given.get(path, Raw()))]


def _each_rule(path: str, rule: str, given: bytes | Raw) -> Errors:
    """Return the rule that a field breaks, of a limit those that its own fields break."""
    parts = limit_errors(given) if path == "limit" else []
    return parts or [(path, rule)]


@lru_cache(maxsize=1024)
def _fields_of(text: bytes) -> dict[str, Any]:
    return json_fields(text)[0]


class SpecBuilder:
    """Applies the defaults and limits of a node to requests."""

    def __init__(self, config: Config, store_name: str, queue_defaults: Mapping[str, bytes] = _NO_DEFAULTS) -> None:
        self._config = config
        self._store_name = store_name
        self._queue_defaults = queue_defaults  # JSON objects by queue, as they are now

    def build(self, parsed: Parsed, now_ms: int, trace: dict[str, str]) -> tuple[Spec, int]:
        """Return the spec and when it is due, in Unix milliseconds; raises InvalidField with every broken rule."""
        request, errors = parsed
        if self._queue_defaults:
            request = self._with_defaults(request)
        config = self._config
        url, host, userinfo = self._url(request.url, errors)
        headers: dict[str, str] = {}
        if request.headers or userinfo is not None:
            headers = self._headers(request.headers or {}, userinfo, errors)
        if trace:
            own = {name.lower() for name in headers}
            trace = {name: value for name, value in trace.items() if name not in own}
        body, body_kind = self._body(request, errors)
        run_at_ms = self._run_at(request, now_ms, errors)
        timeout_s = request.timeout if request.timeout is not None else min(config.timeout, config.max_timeout)
        if timeout_s > config.max_timeout:
            errors.append(("timeout", f"at most {config.max_timeout:g} s on this node"))
        success = _success(request.success, errors)
        meta = self._meta(request.meta, errors)
        self._place(request, errors)
        told = self._callback(request.callback, errors)
        if request.queue == CALLBACK_QUEUE:
            errors.append(("queue", "of callbacks alone"))
        if request.limit is not None:
            errors += [(f"limit.{path}", rule) for path, rule in broken_limit(request.limit)]
        if request.uid is not None:
            self._check_uid(request.uid, now_ms, errors)
        if errors:
            raise InvalidField(errors)
        spec = Spec(  # by position: a name is looked for among all the others, which would cost a microsecond a job
            url,
            host,
            (request.method or "GET").upper(),
            headers,
            body,
            body_kind,
            request.queue or DEFAULT_QUEUE,
            request.priority or 0,
            request.delay,
            run_at_ms,
            timeout_s,
            request.max_attempts or 1,
            10 if request.unreached_attempts is None else request.unreached_attempts,
            _BACKOFF if request.backoff is None else request.backoff,
            success,
            request.ttl,
            meta,
            trace,
            request.redirects or 0,
            request.redact or (),
            request.key,
            request.ordered or False,
            request.idempotency_key,
            request.unique,
            request.on_conflict or "keep",
            request.limit,
            told,
        )
        due_ms = run_at_ms if run_at_ms is not None else now_ms + round((request.delay or 0) * 1000)
        return spec, due_ms

    def _with_defaults(self, request: AddRequest) -> AddRequest:
        """Return the request with what its queue says of the fields that it does not give."""
        text = self._queue_defaults.get(request.queue or DEFAULT_QUEUE)
        if text is None:
            return request
        theirs = _fields_of(text)
        missing = {name: value for name, value in theirs.items() if getattr(request, name) is None}
        if request.ordered:
            missing.pop("priority", None)  # its line says when it is called
        return msgspec.structs.replace(request, **missing)

    def _url(self, text: str, errors: Errors) -> tuple[str, str, str | None]:
        """Return (url as it is sent, host:port, userinfo)."""
        if errors and any(path == "url" for path, _ in errors):
            return "", "", None
        if MASK in text:
            errors.append(("url", _NO_SECRET))
            return "", "", None
        try:
            return parse_url(text, self._config.max_url_bytes)
        except BadUrl as broken:
            errors.append(("url", str(broken)))
            return "", "", None

    def _headers(self, given: dict[str, str], userinfo: str | None, errors: Errors) -> dict[str, str]:
        if len(given) > self._config.max_headers:
            errors.append(("headers", f"at most {self._config.max_headers}"))
        if sum(len(name) + len(value.encode(errors="replace")) for name, value in given.items()) > (
            self._config.max_headers_bytes
        ):
            errors.append(("headers", f"at most {self._config.max_headers_bytes} bytes together"))
        seen: set[str] = set()
        for name, value in given.items():
            rule = _broken_header_rule(name, value, seen)
            if rule is not None:
                errors.append((f"headers.{name[:100]}", rule))
            seen.add(name.lower())
        if userinfo is None:
            return given
        if "authorization" in seen:
            errors.append(("url", "credentials in the url and an Authorization header"))
        return {**given, "Authorization": _basic(userinfo)}

    def _callback(self, raw: Raw, errors: Errors) -> Callback | None:
        text = _given(raw)
        if not text:
            return None
        read = parse_callback(text)
        if read is None:
            errors.append(("callback", CALLBACK_RULE))
            return None
        asked, broken = read
        url, host, userinfo = self._url(asked.url, broken)
        headers = self._headers(asked.headers or {}, userinfo, broken)
        errors += [(f"callback.{path}", rule) for path, rule in broken]
        config = self._config
        return Callback(
            url, host, headers, asked.on or ENDS, asked.max_attempts or 10, min(config.timeout, config.max_timeout)
        )

    def _body(self, request: AddRequest, errors: Errors) -> tuple[bytes | None, str | None]:
        text = _given(request.body)
        if text and request.body_base64 is not None:
            errors.append(("body", "body or body_base64, not both"))
            return None, None
        body, kind = None, None
        if request.body_base64 is not None:
            try:
                body, kind = base64.b64decode(request.body_base64, validate=True), "base64"
            except (binascii.Error, ValueError):
                errors.append(("body_base64", _RULES["body_base64"]))
        elif text:
            body, kind = _body_text(text, errors)
        if body is not None and len(body) > self._config.max_body_bytes:
            errors.append(
                (("body_base64" if kind == "base64" else "body"), f"at most {self._config.max_body_bytes} bytes")
            )
        return body, kind

    def _meta(self, raw: Raw, errors: Errors) -> bytes | None:
        text = _given(raw)
        if not text:
            return None
        if len(text) > self._config.max_meta_bytes:
            errors.append(("meta", f"at most {self._config.max_meta_bytes} bytes"))
        elif not isinstance(_json_value(text), dict):
            errors.append(("meta", _RULES["meta"]))
        return text

    def _run_at(self, request: AddRequest, now_ms: int, errors: Errors) -> int | None:
        if request.run_at is None:
            return None
        if request.delay is not None:
            errors.append(("run_at", "delay or run_at, not both"))
        try:
            run_at_ms = codec.parse_time(request.run_at)
        except (ValueError, OverflowError):
            errors.append(("run_at", _RULES["run_at"]))
            return None
        if run_at_ms > now_ms + RUN_AT_MAX_MS:
            errors.append(("run_at", "at most ten years ahead"))
        return max(run_at_ms, 0)

    def _place(self, request: AddRequest, errors: Errors) -> None:
        """Look at what places the job among others."""
        texts = request.key, request.idempotency_key, request.unique
        if texts != _NOWHERE:
            for name, text in zip(("key", "idempotency_key", "unique"), texts, strict=True):
                if text is not None and not is_text(text):
                    errors.append((name, TEXT_RULE))
        if request.ordered:
            given = {name: getattr(request, name) for name in UNORDERED}
            errors += broken_order(key=request.key, given=given)
        if request.on_conflict is not None and request.unique is None:
            errors.append(("on_conflict", "only with unique"))

    def _check_uid(self, uid: str, now_ms: int, errors: Errors) -> None:
        name = uids.name_of(uid)
        if name is None:
            errors.append(("uid", "no uid; leave it out and one is made"))
        elif name != self._store_name:
            errors.append(("uid", f"of the store {name}, and this one is {self._store_name}"))
        elif not now_ms - REPEAT_WITHIN_MS <= uids.minted_ms(uid) <= now_ms + CLOCK_SKEW_MS:
            errors.append(("uid", "minted more than 24 h ago, or in the future"))


def _broken_header_rule(name: str, value: str, seen: set[str]) -> str | None:
    lower = name.lower()
    if _TOKEN.fullmatch(name) is None:
        return "the name is no token"
    if lower in _REFUSED_HEADERS or lower.startswith(_REFUSED_PREFIXES):
        return "TaskPusher sets this header itself"
    if lower in seen:
        return "given more than once"
    if MASK in value:
        return _NO_SECRET
    return "no control characters" if _HEADER_VALUE.fullmatch(value) is None else None


def _basic(userinfo: str) -> str:
    """Return the Authorization header for the userinfo of a URL (RFC 7617)."""
    user, _, password = userinfo.partition(":")
    credentials = f"{unquote(user)}:{unquote(password)}"
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def _given(raw: Raw) -> bytes:
    """Return the JSON text of a field, empty where it was not given or null."""
    text = b"" if raw is _ABSENT else bytes(raw)
    return b"" if text == b"null" else text


def _body_text(text: bytes, errors: Errors) -> tuple[bytes | None, str | None]:
    """Return a JSON text as what it says, any other JSON value as it stands."""
    value = _json_value(text)
    if value is None:
        errors.append(("body", _RULES["body"]))
        return None, None
    if isinstance(value, str):
        return value.encode(), "text"
    return text, "json"


def _json_value(text: bytes) -> Any:
    """Return the value of a JSON text, None where it has none that is good."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _success(text: str | None, errors: Errors) -> str:
    if text is None:
        return "200"
    try:
        parse_statuses(text)
    except ValueError:
        errors.append(("success", _RULES["success"]))
    return text
