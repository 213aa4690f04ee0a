"""PATCH of a job whose call has not begun: which fields may change, and the spec that it has then. Pure."""

import msgspec
from msgspec import Raw, structs

from taskpusher.job import Spec

from .request import IN_FORMS, IN_JSON, AddRequest, Given, SpecBuilder, described, form_fields, json_fields

PLACING = frozenset({"uid", "idempotency_key", "key", "ordered", "unique", "on_conflict", "limit"})
_NEVER = "never changed: add another job"
_NEVER_OF_ORDERED = "never changed of an ordered job: add another job"
_MOVING = frozenset({"queue", "priority", "delay", "run_at"})
_NEVER_OF_CALLBACK = {"callback": "no callback tells of its own end", "queue": "a callback stays in its own"}
_ANY_URL = "http://localhost/"  # where the job's own is kept
# what a field of an add becomes in a spec, where that is not one field of the same name
_BECOMES = {
    "url": ("url", "host"),
    "body": ("body", "body_kind"),
    "body_base64": ("body", "body_kind"),
    "delay": ("delay_s", "run_at_ms"),
    "run_at": ("delay_s", "run_at_ms"),
    "timeout": ("timeout_s",),
    "ttl": ("ttl_s",),
}

EditJson = described("EditRequest", IN_JSON | {"url": str | msgspec.UnsetType}, url=msgspec.UNSET, but=PLACING)
EditText = described("EditFields", IN_FORMS, url=None, but=PLACING)


def parse_json(text: bytes | Raw) -> Given:
    """Return what a JSON object says is to change; raises Malformed."""
    return _without_placing(json_fields(text))


def parse_form(pairs: list[tuple[str, str]]) -> Given:
    """Return what a form or a query string says is to change."""
    return _without_placing(form_fields(pairs))


def _without_placing(given: Given) -> Given:
    fields, errors = given
    placing = PLACING.intersection(fields)
    named = [(path, _NEVER if path in PLACING else rule) for path, rule in errors]
    return fields, named + [(name, _NEVER) for name in sorted(placing - {path for path, _ in errors})]


def edited(builder: SpecBuilder, given: Given, spec: Spec, now_ms: int) -> tuple[Spec, int | None]:
    """Return the spec that a job has then, and when it is due where that changes; raises InvalidField.

    What is not given stays; null is the default. The rules are those of an add.
    """
    fields, broken = given
    errors = list(broken)
    if spec.ordered:
        errors += [(name, _NEVER_OF_ORDERED) for name in sorted(_MOVING.intersection(fields))]
    asked = {name: value for name, value in fields.items() if name not in PLACING}
    queue = {"queue": spec.queue}
    if spec.callback_of is not None:
        queue = {}  # nobody names that of callbacks
        errors += [(name, rule) for name, rule in _NEVER_OF_CALLBACK.items() if name in asked]
        asked = {name: value for name, value in asked.items() if name not in _NEVER_OF_CALLBACK}
    # no headers but those of a new url: its queue's are for a job that gives none
    request = AddRequest(**{"url": _ANY_URL, "headers": {}} | queue | asked)
    fresh, due_ms = builder.build((request, errors), now_ms, {})
    changes = {name: getattr(fresh, name) for field in asked for name in _BECOMES.get(field, (field,))}
    if "url" in asked and "headers" not in asked and fresh.headers:  # its credentials take the place of earlier ones
        kept = {name: value for name, value in spec.headers.items() if name.lower() != "authorization"}
        changes["headers"] = kept | fresh.headers
    return structs.replace(spec, **changes), due_ms if {"delay", "run_at"}.intersection(asked) else None
