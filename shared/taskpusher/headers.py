"""The names of the headers that TaskPusher sends and reads, each written here once."""

from multidict import istr

VERSION = "TaskPusher-Version"

IDEMPOTENCY_KEY = istr("Idempotency-Key")  # of an add, and told to a target with each call

# What a target is told with each call.
JOB = "TaskPusher-Job"
ATTEMPT = "TaskPusher-Attempt"
CALL = "TaskPusher-Call"
MAX_ATTEMPTS = "TaskPusher-Max-Attempts"
QUEUE = "TaskPusher-Queue"
DUE = "TaskPusher-Due"
NODE = "TaskPusher-Node"
TOKEN = "TaskPusher-Token"  # noqa: S105 - a name; it sends back the value to say what becomes of what it has accepted

# What a target may answer with.
OUTCOME = "TaskPusher-Outcome"

# With a call of a router, beside the cluster token: whom it speaks for.
CALLER = istr("TaskPusher-Caller")
ROLE = istr("TaskPusher-Role")

# W3C Trace Context: taken from POST /add, given on to the target.
TRACE = (istr("traceparent"), istr("tracestate"))
