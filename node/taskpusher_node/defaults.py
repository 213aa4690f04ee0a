"""What a queue may say of the fields that adds to it do not give, held to the rules of an add. Pure."""

from taskpusher.errors import InvalidField, Malformed
from taskpusher.fields import Errors

from .request import IN_JSON, AddRequest, SpecBuilder, described, json_fields

FIELDS = (
    "method",
    "headers",
    "priority",
    "timeout",
    "max_attempts",
    "unreached_attempts",
    "backoff",
    "success",
    "ttl",
    "redirects",
    "redact",
)
RULE = f"a JSON object of {', '.join(FIELDS[:-1])} and {FIELDS[-1]}"
DefaultsJson = described("QueueDefaults", IN_JSON, url=None, but=set(AddRequest.__struct_fields__).difference(FIELDS))


def broken_rules(builder: SpecBuilder, text: bytes) -> Errors:
    """Return the rules that the defaults of a queue break; `builder` is one without defaults."""
    try:
        fields, errors = json_fields(text)
    except Malformed:
        return [("defaults", RULE)]
    errors += [(name, "no queue has a default of it") for name in fields if name not in FIELDS]
    known = {name: value for name, value in fields.items() if name in FIELDS}
    try:
        builder.build((AddRequest("http://localhost/", **known), errors), 0, {})
    except InvalidField as invalid:
        return [(f"defaults.{error['path']}", error["rule"]) for error in invalid.members["errors"]]
    return []
