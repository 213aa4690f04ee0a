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

# What a target may answer with.
OUTCOME = "TaskPusher-Outcome"

# W3C Trace Context: taken from POST /add, given on to the target.
TRACE = (istr("traceparent"), istr("tracestate"))
