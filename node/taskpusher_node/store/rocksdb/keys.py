"""The layout of keys: a table byte, then fields; names end in 0x00, integers are big-endian, ids are a uid's 16 bytes.

    b id                              birth: added_ms, first head, spec; written at the add
    j id                              head; absent until something happened to the job
    a id attempt:4                    earlier attempts, only of jobs that have them
    s slot:4                          what each slot runs (id, seq:8, attempt:4, started_ms:8); overwritten for ever
    l state:1 t:8 id                  listing -> queue 0x00 host 0x00 status, of errors also 0x00 group 0x00 kind;
                                      t and id inverted where newest come first
    r queue 0x00 host 0x00 [0xff limit 0x00] rank:1 seq:8 id
                                      ready -> waiting_ms:8; all but seq and id is the lane; with the limit key where
                                      the job has one: 0xff is no rank and stands in no text
    x t:8 id                          when a ttl is over
    q name                            settings of a queue
    c name                            counters of a queue, eight bytes a state, absolute
    o host                            who holds a host by hand
    i scope 0x00 text                 idempotency key -> id, digest:16, when its job ended:8, 0 before
    e t:8 key of i                    when a job ended whose idempotency key is to be forgotten later, by its table i
    t id                              a deleted job -> digest of what was asked for, while its uid may be repeated
    f scope 0x00 key                  id of the first of an ordered line, of those that have not ended
    k scope 0x00 key 0x00 line:8 id   those behind it, in order of arrival; they stand in no r
    u scope 0x00 text                 id of the job of a unique text that has not ended
    u scope 0x00 text 0x00            id of the one that follows it
    w id attempt:4                    a call whose job was cancelled, until it is closed: what it still holds of f and u
    h id                              a job that its target has accepted: attempt, end of its lease, progress
    g id                              a group of errors and how many there are
    n l key                           a limit key: numbers, pinned, bucket, counters; gone when idle and full
    n q name                          the bucket of a queue that has numbers
    m name                            format, name, store id, key of tokens, opens, boot, draining, share in a cluster,
                                      clean (only after a clean stop), and what a node remembers as memo.NAME

Texts have no control characters, so that 0x00 parts them. t in a listing is when the job became waiting, is due,
started or ended. A running job keeps its waiting entries in l and r: a claim writes its slot and nothing else, the list
of running jobs is in memory. A job that was handed off has its head instead, which says running, and stands in h.
"""

import struct

from taskpusher.job import Spec, scope_of

from ...lifecycle import STATES, Head, State

ID_BYTES = 16
MINTED_BYTES = 6  # of an id: when it was minted
RANK_BASE = 100  # rank = 100 - priority, so that a higher priority comes first
T_MAX = 2**63  # behind every time
SOONEST_FIRST = frozenset({State.WAITING, State.SCHEDULED})  # the other listings have the newest first
SUSPECTS = b""  # stands for the host of a job that was running when the process crashed

FORMAT = b"mformat"
NAME = b"mname"
OPENS = b"mopens"
BOOT = b"mboot"
DRAINING = b"mdraining"
SHARE = b"mshare"
STORE_ID = b"mstore_id"
TOKEN_KEY = b"mtoken_key"
CLEAN = b"mclean"
MEMO = b"mmemo."
KEY_GATES = b"nl"
QUEUE_GATES = b"nq"
STORE_ID_BYTES = 16

_LIMIT_MARK = b"\xff"
_STATE_BYTE = {state: bytes([index]) for index, state in enumerate(STATES)}
_SOONEST_FIRST_BYTES = frozenset(_STATE_BYTE[state] for state in SOONEST_FIRST)
_INVERTED = bytes(255 - byte for byte in range(256))
_SLOT = struct.Struct(">16sQIQ")
_REPEAT = struct.Struct(">16s16sQ")
_pack_u64 = struct.Struct(">Q").pack
_pack_u32 = struct.Struct(">I").pack


def id_of(uid: str) -> bytes:
    """Return the 16 bytes that stand for a uid of this store."""
    return bytes.fromhex(uid[:32])


def minted_ms(job_id: bytes) -> int:
    """Return when an id was minted."""
    return int.from_bytes(job_id[:MINTED_BYTES])


def after(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a prefix; its last byte is none of 0xff."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def listing_prefix(state: State) -> bytes:
    """Return what all keys of a state's listing begin with."""
    return b"l" + _STATE_BYTE[state]


def listing_key(state: State, t_ms: int, job_id: bytes) -> bytes:
    """Return the key of a job in a state's listing."""
    place = _pack_u64(t_ms) + job_id
    return b"l" + _STATE_BYTE[state] + (place if state in SOONEST_FIRST else place.translate(_INVERTED))


def listed(key: bytes) -> tuple[int, bytes]:
    """Return (t_ms, id) of a listing key."""
    place = key[2:] if key[1:2] in _SOONEST_FIRST_BYTES else key[2:].translate(_INVERTED)
    return int.from_bytes(place[:8]), place[8:]


def listing_range(state: State, since_ms: int, until_ms: int) -> tuple[bytes, bytes]:
    """Return the first key of a listing with since <= t < until, and the first one behind them."""
    if state in SOONEST_FIRST:
        return listing_key(state, since_ms, b""), listing_key(state, until_ms, b"")
    end = listing_key(state, since_ms - 1, b"") if since_ms else after(listing_prefix(state))
    return listing_key(state, until_ms - 1, b""), end


def listing_time_ms(head: Head) -> int:
    """Return the time by which a job stands in the listing of its state."""
    match head.state:
        case State.WAITING:
            t_ms = head.waiting_ms
        case State.SCHEDULED:
            t_ms = head.due_ms
        case State.RUNNING:
            t_ms = head.started_ms
        case _:
            t_ms = head.ended_ms
    return t_ms or 0


def lane_of(queue: str, host: bytes, priority: int, limit: str | None = None) -> bytes:
    """Return what all ready keys of a lane begin with: jobs of one queue, host, limit key and priority, in order."""
    marked = b"" if limit is None else _LIMIT_MARK + limit.encode() + b"\0"
    return b"r" + queue.encode() + b"\0" + host + b"\0" + marked + bytes([RANK_BASE - priority])


def parse_lane(lane: bytes) -> tuple[str, bytes, int, str | None]:
    """Return (queue, host, priority, limit key) of a lane."""
    queue, host, limit = lane[1:-1].split(b"\0", 2)
    return queue.decode(), host, RANK_BASE - lane[-1], limit[1:-1].decode() if limit else None


def key_gate_key(limit: str) -> bytes:
    """Return the key of a limit key."""
    return KEY_GATES + limit.encode()


def queue_gate_key(queue: str) -> bytes:
    """Return the key of the bucket of a queue."""
    return QUEUE_GATES + queue.encode()


def gate_name(key: bytes) -> str:
    """Return the limit key, or queue, of a gate's key."""
    return key[len(KEY_GATES) :].decode()


def ready_key(lane: bytes, seq: int, job_id: bytes) -> bytes:
    """Return the key of a job that may be claimed."""
    return lane + _pack_u64(seq) + job_id


def parse_ready(key: bytes) -> tuple[bytes, int, bytes]:
    """Return (lane, seq, id) of a ready key."""
    return key[:-24], int.from_bytes(key[-24:-16]), key[-16:]


def attempt_key(job_id: bytes, n: int) -> bytes:
    """Return the key of an earlier attempt."""
    return b"a" + job_id + _pack_u32(n)


def slot_key(slot: int) -> bytes:
    """Return the key of a slot."""
    return b"s" + _pack_u32(slot)


def slot_value(job_id: bytes, seq: int, attempt: int, started_ms: int) -> bytes:
    """Return what a slot says of the call that it runs."""
    return _SLOT.pack(job_id, seq, attempt, started_ms)


def parse_slot(value: bytes) -> tuple[bytes, int, int, int]:
    """Return (id, seq, attempt, started_ms)."""
    job_id, seq, attempt, started_ms = _SLOT.unpack(value)
    return job_id, seq, attempt, started_ms


def handed_key(job_id: bytes) -> bytes:
    """Return the key of a job that was handed off."""
    return b"h" + job_id


def expiry_key(t_ms: int, job_id: bytes) -> bytes:
    """Return the key of a ttl's end."""
    return b"x" + _pack_u64(t_ms) + job_id


def parse_expiry(key: bytes) -> tuple[int, bytes]:
    """Return (t_ms, id) of the end of a ttl."""
    return int.from_bytes(key[1:9]), key[9:]


def repeat_key(spec: Spec) -> bytes:
    """Return the key of a job's idempotency key; no text has a 0x00."""
    return f"i{scope_of(spec)}\0{spec.idempotency_key}".encode()


def repeat_value(job_id: bytes, digest: bytes, ended_ms: int) -> bytes:
    """Return what is known of an idempotency key; `ended_ms` is 0 before its job has ended."""
    return _REPEAT.pack(job_id, digest, ended_ms)


def parse_repeat(value: bytes) -> tuple[bytes, bytes, int]:
    """Return (id, digest, ended_ms)."""
    job_id, digest, ended_ms = _REPEAT.unpack(value)
    return job_id, digest, ended_ms


def ended_key(ended_ms: int, repeat: bytes) -> bytes:
    """Return the key of when an idempotency key began to be kept for a time only."""
    return b"e" + _pack_u64(ended_ms) + repeat


def parse_ended(key: bytes) -> tuple[int, bytes]:
    """Return (ended_ms, key of the idempotency key)."""
    return int.from_bytes(key[1:9]), key[9:]


def tombstone_key(job_id: bytes) -> bytes:
    """Return the key of what is kept of a deleted job."""
    return b"t" + job_id


def line_key(spec: Spec) -> bytes:
    """Return the key of the first job of an ordered line."""
    return f"f{scope_of(spec)}\0{spec.key}".encode()


def followers_of(line: bytes) -> bytes:
    """Return what the keys of all jobs behind the first of a line begin with; `line` is the key of that."""
    return b"k" + line[1:] + b"\0"


def follower_key(line: bytes, place: int, job_id: bytes) -> bytes:
    """Return the key of a job behind the first of its line."""
    return followers_of(line) + _pack_u64(place) + job_id


def parse_follower(key: bytes) -> tuple[bytes, int, bytes]:
    """Return (key of the first of the line, place, id)."""
    return b"f" + key[1:-25], int.from_bytes(key[-24:-16]), key[-16:]


def unique_key(spec: Spec) -> bytes:
    """Return the key of the job of a unique text."""
    return f"u{scope_of(spec)}\0{spec.unique}".encode()


def next_unique_key(unique: bytes) -> bytes:
    """Return the key of the job that follows the one of a unique text."""
    return unique + b"\0"


def closing_key(job_id: bytes, attempt: int) -> bytes:
    """Return the key of a cancelled job's call that is not closed."""
    return b"w" + job_id + _pack_u32(attempt)


def parse_closing(key: bytes) -> tuple[bytes, int]:
    """Return (id, attempt) of a call that is not closed."""
    return key[1:17], int.from_bytes(key[17:])


def memo_key(name: str) -> bytes:
    """Return the key of what is remembered under a name."""
    return MEMO + name.encode()


def u64(n: int) -> bytes:
    """Return eight bytes."""
    return _pack_u64(n)
