"""What schemathesis, in its own process, is told of the node under test: which jobs there are, where theirs may go."""

import os
import random

import schemathesis
from schemathesis import GenerationMode

TARGETS = os.environ["TARGETS"].split()  # nothing that is generated may be called but these
UIDS = os.environ["UIDS"].split()
BEYOND_SCHEMAS = ("uid", "run_at", "body_base64", "last_uid", "until")  # good ones are not found by chance
CHANCE = random.Random(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Aim all jobs at loopback; let good data be good more often than chance alone does."""
    kwargs["allow_redirects"] = False  # what / answers is the redirect, not the page
    good = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    if "uid" in (case.path_parameters or {}) and CHANCE.random() < 0.5:
        case.path_parameters["uid"] = CHANCE.choice(UIDS)
    if "host" in (case.path_parameters or {}) and CHANCE.random() < 0.5:
        case.path_parameters["host"] = "held.example:80"
    if good and isinstance(case.body, dict | list):
        case.query = {}  # no field may be in both
    for fields in [case.query, *(case.body if isinstance(case.body, list) else [case.body])]:
        if not isinstance(fields, dict):
            continue
        if isinstance(fields.get("json"), dict):  # an envelope of a router
            fields = fields["json"]  # noqa: PLW2901 - the job is in it
        if isinstance(fields.get("url"), str):
            fields["url"] = CHANCE.choice(TARGETS)
        if good and CHANCE.random() < 0.8:
            for name in BEYOND_SCHEMAS:
                fields.pop(name, None)
