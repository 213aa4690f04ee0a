"""Looks whether everything in a store can be read, decodes, and fits together: a walk in steps, by key.

The heads are the truth: each job has exactly the index entries that its head asks for, no entry points nowhere, and the
counters are what the heads add up to. What can be mended from the heads is part of a finding.

A step sees one moment, for all writes are made on the same loop; between two of them jobs change. What changes behind
the walk's position is told to it (`moved`), so that the counters can be compared at its end.
"""

import struct
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, cast

import msgspec
from msgspec import field

from taskpusher.job import Spec

from ... import digests
from ...grouping import group_of
from ...lifecycle import FINISHED, Head, JobError, State, is_handed_off
from ..base import Damage, Events, Finding, StoreDamaged
from . import keys, records
from .book import Book
from .db import Batch, Database
from .groups import OTHER_GROUP
from .records import INDEX, Birth, Members
from .recount import KeyRecount
from .tangles import Tangle, Tangles

END = b"\xff"  # behind every table
_TABLE_NAMES = {
    b"l": "the listing",
    b"r": "the line",
    b"x": "the ttls",
    b"j": "the heads",
    b"a": "the attempts",
    b"f": "the ordered lines",
    b"k": "those that follow in an ordered line",
    b"u": "the unique texts",
    b"h": "the hand-offs",
}
_INDEXES = frozenset({b"l", b"r", b"x", b"h", b"f", b"k", b"u"})
_TIES = frozenset({b"f", b"u"})
_KEY_BYTES = {
    b"b": 17,
    b"h": 17,
    b"j": 17,
    b"a": 21,
    b"l": 26,
    b"x": 25,
    b"s": 5,
    b"t": 17,
    b"w": 21,
}  # of the tables whose keys are of one length


class Mend(Finding, frozen=True):
    """A finding with what mends it, and what could be read of a job that is lost."""

    put: dict[bytes, bytes] = field(default_factory=dict)
    delete: tuple[bytes, ...] = ()
    readable: dict[str, Any] | None = None


class _Asked(dict[bytes, bytes]):
    """Stands for a batch, to see which index entries are put into it."""

    def put(self, key: bytes, value: bytes) -> None:
        """Take an entry."""
        if key[:1] in _INDEXES:
            self[key] = value

    def delete(self, key: bytes) -> None:
        """Take it back."""
        self.pop(key, None)


class Walk:
    """One verification. `running` are the ids of jobs whose call is under way, or was when the process went down."""

    def __init__(
        self,
        db: Database,
        name: str,
        running: Collection[bytes],
        *,
        sync: Callable[[], bool] = lambda: True,
        live: Book | None = None,
    ) -> None:
        self._db = db
        self._running = running
        self._sync = sync  # writes what is open, so that reads see it; False where that is not possible now
        self._live = live  # tells `moved`
        self._rules = Book(db, name, 0, Events())  # whose `enter` says what a head asks for
        self._recount: dict[str, list[int]] = defaultdict(records.zero_counts)
        self._stored: dict[str, list[int]] = {}
        self._groups: dict[str, Members] = {}
        self._stored_groups: dict[str, Members] = {}
        self._tangles = Tangles(db)
        self._missing: set[bytes] = set()  # entries of jobs that were looked at before
        self._keys = KeyRecount(keep=live is None)
        self._position = b""
        self._tables: dict[int, Callable[[bytes, bytes], list[Mend]]] = {
            ord("a"): self._attempt,
            ord("b"): self._birth,
            ord("c"): self._counts,
            ord("e"): self._key_ended,
            ord("f"): self._tie,
            ord("g"): self._group,
            ord("i"): self._repeat,
            ord("h"): self._handed,
            ord("j"): self._head,
            ord("k"): self._tie,
            ord("l"): self._listed,
            ord("m"): self._meta,
            ord("n"): self._gate,
            ord("q"): self._queue,
            ord("r"): self._ready,
            ord("t"): self._tombstone,
            ord("u"): self._tie,
            ord("w"): self._closing,
        }
        self.examined = 0
        self.done = False

    def step(self, n: int) -> list[Mend]:
        """Examine the next `n` entries; returns what is wrong with them."""
        if self.done or not self._sync():
            return []
        entries, damage = self._db.readable(self._position, END, n)
        found: list[Mend] = []
        for key, value in entries:
            found += self._examine(key, value)
            self._position = key + b"\0"
        self.examined += len(entries)
        if damage is not None:
            found.append(Mend(Damage.UNREADABLE, damage))
            self._position = behind_damage(self._db, self._position, END)
        if self._position == END or (damage is None and len(entries) < n):
            self._position = END
            self.done = True
            if self._live is not None:
                self._live.moved = None
            found += self._compare_counts()
            if self._live is None:  # else errors came and went meanwhile
                found += self._compare_groups() + self._compare_keys()
        return found

    def moved(self, job_id: bytes, queue: str, state: State, by: int) -> None:
        """A job was listed under a state (1), or taken out of it (-1), while the walk goes on."""
        if b"b" + job_id < self._position:
            self._recount[queue][INDEX[state]] += by

    def _examine(self, key: bytes, value: bytes) -> list[Mend]:
        try:
            _check_length(key)
            look = self._tables.get(key[0])
            return look(key, value) if look is not None else []
        except StoreDamaged as damage:
            return [Mend(Damage.UNREADABLE, str(damage))]
        except (ValueError, IndexError, struct.error, msgspec.MsgspecError) as error:
            readable = {"key": key.hex(), "value": value.hex()}
            uid = self._rules.uid_of(key[1:17]) if key[:1] in b"bjah" else None
            text = f"entry {key[:1].decode(errors='replace')} {key[1:].hex()}: {error}"
            return [Mend(Damage.UNDECODABLE, text, uid, delete=(key,), readable=readable)]

    # -- tables

    def _birth(self, key: bytes, value: bytes) -> list[Mend]:
        job_id = key[1:]
        birth = records.decode_birth(value)
        head = self._head_of(job_id, birth)
        if head is None:
            return []  # found in its own table
        queue = birth.spec.queue
        if head.state not in FINISHED:
            self._keys.count(birth.spec.limit, waits=head.state is State.WAITING and job_id not in self._running)
        self._recount[queue][INDEX[State.RUNNING if job_id in self._running else head.state]] += 1
        found = []
        for entry, wanted in self._asked(job_id, birth.spec, head).items():
            # the end of a ttl that came while the job ran was taken out, and is put in again where it matters
            if entry[:1] == b"x" and job_id in self._running:
                continue
            there = self._db.peek(entry)
            rival = self._tangles.rival(entry, job_id, birth, head) if there != wanted and entry[:1] in _TIES else None
            if rival is not None:
                found.append(self._tangle(rival))
            elif there != wanted and not _says_the_same(entry, there, wanted):
                uid = self._rules.uid_of(job_id)
                text = f"{uid} is {head.state}, and its entry in {_TABLE_NAMES[entry[:1]]} is missing or wrong"
                found.append(Mend(Damage.INDEX_MISSING, text, uid, put={entry: wanted}))
                if entry[:1] in _TIES:
                    self._missing.add(entry)
        return found

    def _head(self, key: bytes, value: bytes) -> list[Mend]:
        head = records.decode_head(value)
        if self._db.peek(b"b" + key[1:]) is not None:
            return []
        return [self._job_lost(key, key[1:], {"head": msgspec.to_builtins(_named(head))})]

    def _attempt(self, key: bytes, value: bytes) -> list[Mend]:
        attempt = records.decode_attempt(value)
        if self._db.peek(b"b" + key[1:17]) is not None:
            return []
        return [self._job_lost(key, key[1:17], {"attempt": msgspec.to_builtins(attempt)})]

    def _listed(self, key: bytes, value: bytes) -> list[Mend]:
        state = list(State)[key[1]]
        t_ms, job_id = keys.listed(key)
        birth = self._birth_of(job_id)
        listed = records.parse_listing(value)
        if birth is None:
            readable = {
                "state": state,
                "at_ms": t_ms,
                "queue": listed.queue,
                "host": listed.host,
                "status": listed.status,
            }
            return [self._job_lost(key, job_id, readable)]
        head = self._head_of(job_id, birth)
        if head is None:
            return []
        if state in FINISHED and self._db.peek(b"j" + job_id) is None:
            return [self._head_lost(job_id, birth, state, t_ms)]
        if key not in self._asked(job_id, birth.spec, head):
            return [self._stray(key, job_id, head)]
        if listed.group:
            self._groups.setdefault(listed.group, Members(group_of(birth.spec, head) or OTHER_GROUP)).count += 1
        return []

    def _ready(self, key: bytes, _value: bytes) -> list[Mend]:
        lane, _seq, job_id = keys.parse_ready(key)
        queue, host, _priority, _limit = keys.parse_lane(lane)
        birth = self._birth_of(job_id)
        if birth is None:
            return [self._job_lost(key, job_id, {"state": State.WAITING, "queue": queue, "host": host.decode()})]
        head = self._head_of(job_id, birth)
        if head is None or key in self._asked(job_id, birth.spec, head):
            return []
        return [self._stray(key, job_id, head)]

    def _handed(self, key: bytes, value: bytes) -> list[Mend]:
        job_id = key[1:]
        accepted = records.decode_accepted(value)
        birth = self._birth_of(job_id)
        if birth is None:
            return [self._job_lost(key, job_id, {"state": State.RUNNING, "accepted": msgspec.to_builtins(accepted)})]
        head = self._head_of(job_id, birth)
        if head is None or (is_handed_off(head) and head.attempt == accepted.attempt):
            return []
        if self._db.peek(b"j" + job_id) is None:
            return [self._hand_off_lost(job_id, birth, accepted)]
        return [self._stray(key, job_id, head)]

    def _counts(self, key: bytes, value: bytes) -> list[Mend]:
        if len(value) != len(records.encode_counts(records.zero_counts())):
            raise ValueError(f"counters of {len(value)} bytes")
        self._stored[key[1:].decode()] = records.decode_counts(value)
        return []

    def _group(self, key: bytes, value: bytes) -> list[Mend]:
        self._stored_groups[key[1:].decode()] = records.decode_members(value)
        return []

    def _gate(self, key: bytes, value: bytes) -> list[Mend]:
        self._keys.read(key, value)
        return []

    def _meta(self, key: bytes, value: bytes) -> list[Mend]:
        if key == keys.SHARE:
            records.decode_share(value)
        return []

    def _queue(self, key: bytes, value: bytes) -> list[Mend]:
        key[1:].decode()
        records.decode_queue(value)
        return []

    def _repeat(self, key: bytes, value: bytes) -> list[Mend]:
        """Look whether an idempotency key would be forgotten in time, and stands for a job where it says so."""
        job_id, digest, ended_ms = keys.parse_repeat(value)
        if ended_ms:
            return self._missing_end(key, ended_ms, job_id)
        birth = self._birth_of(job_id)
        uid = self._rules.uid_of(job_id)
        if birth is None:
            text = f"{uid} is not there, and its idempotency key says that it has not ended"
            return [Mend(Damage.INDEX_STRAY, text, uid, delete=(key,))]  # a repeat of what was lost is to be stored
        head = self._head_of(job_id, birth)
        if head is None or head.state not in FINISHED:
            return []
        ended_ms = head.ended_ms or 0
        put = {key: keys.repeat_value(job_id, digest, ended_ms), keys.ended_key(ended_ms, key): b""}
        text = f"{uid} is {head.state}, and its idempotency key says that it has not ended"
        return [Mend(Damage.INDEX_MISSING, text, uid, put=put)]

    def _missing_end(self, key: bytes, ended_ms: int, job_id: bytes) -> list[Mend]:
        entry = keys.ended_key(ended_ms, key)
        if self._db.peek(entry) is not None:
            return []
        uid = self._rules.uid_of(job_id)
        text = f"when the idempotency key of {uid} is to be forgotten is not there"
        return [Mend(Damage.INDEX_MISSING, text, uid, put={entry: b""})]

    def _key_ended(self, key: bytes, _value: bytes) -> list[Mend]:
        ended_ms, repeat = keys.parse_ended(key)
        value = self._db.peek(repeat)
        if value is not None and keys.parse_repeat(value)[2] == ended_ms:
            return []
        text = "an idempotency key is to be forgotten that is not there, or is kept"
        return [Mend(Damage.INDEX_STRAY, text, delete=(key,))]

    def _tie(self, key: bytes, value: bytes) -> list[Mend]:
        """Look whether an entry of lines and texts is that of a job, and whether that one, where it is held, is so."""
        if self._tangles.stray(key, value):
            text = f"an entry in {_TABLE_NAMES[key[:1]]} is that of no job that says so"
            return [Mend(Damage.INDEX_STRAY, text, delete=(key,))]
        tangle = self._tangles.unheld(key, value, self._missing)
        return [self._tangle(tangle)] if tangle is not None else []

    def _closing(self, _key: bytes, value: bytes) -> list[Mend]:
        records.decode_closing(value)
        return []

    def _tangle(self, tangle: Tangle) -> Mend:
        """Write down the spec and the head that fit, and the entries that they ask for, but none of another's."""
        job_id = tangle.job_id
        uid = self._rules.uid_of(job_id)
        old = self._asked(job_id, tangle.birth.spec, tangle.before)
        new = self._asked(job_id, tangle.spec, tangle.head)
        delete = tuple(key for key in old if key not in new and key not in tangle.others)
        put = {b"b" + job_id: tangle.new_birth, b"j" + job_id: records.encode(tangle.head), **new}
        return Mend(Damage.INDEX_MISSING, f"{uid} is {tangle.before.state}, and {tangle.text}", uid, put, delete)

    def _tombstone(self, _key: bytes, value: bytes) -> list[Mend]:
        if len(value) != digests.DIGEST_BYTES:
            raise ValueError(f"a digest of {len(value)} bytes")
        return []

    # -- what is there of a job, and what is missing

    def _asked(self, job_id: bytes, spec: Spec, head: Head) -> _Asked:
        """Return the index entries that a head asks for."""
        asked = _Asked()
        self._rules.enter(cast("Batch", asked), job_id, spec, head)
        self._rules.gates.forget_all()  # it counts nothing
        return asked

    def _birth_of(self, job_id: bytes) -> Birth | None:
        """Return what was added, None where that is not there, or nonsense."""
        raw = self._db.peek(b"b" + job_id)
        try:
            return None if raw is None else records.decode_birth(raw)
        except msgspec.MsgspecError:
            return None

    def _head_of(self, job_id: bytes, birth: Birth) -> Head | None:
        """Return a job's head, None where it is there and does not decode."""
        raw = self._db.peek(b"j" + job_id)
        try:
            return birth.head if raw is None else records.decode_head(raw)
        except msgspec.MsgspecError:
            return None

    def _job_lost(self, key: bytes, job_id: bytes, readable: dict[str, Any]) -> Mend:
        uid = self._rules.uid_of(job_id)
        text = f"{uid}: what was added is not there, though its entry in {_TABLE_NAMES[key[:1]]} is"
        return Mend(Damage.JOB_LOST, text, uid, delete=(key,), readable=readable)

    def _head_lost(self, job_id: bytes, birth: Birth, state: State, ended_ms: int) -> Mend:
        """A job without a head would begin anew, though it has ended: give it the little that the listing says."""
        uid = self._rules.uid_of(job_id)
        error = JobError("damaged", "what became of it was lost") if state is State.ERROR else None
        head = msgspec.structs.replace(birth.head, state=state, ended_ms=ended_ms, attempt=1, tries=1, error=error)
        text = f"{uid} is listed as {state}, but what became of it is lost"
        return Mend(Damage.HEAD_LOST, text, uid, put={b"j" + job_id: records.encode(head)})

    def _hand_off_lost(self, job_id: bytes, birth: Birth, accepted: records.Accepted) -> Mend:
        """Without its head the job would be called though its target works on it."""
        uid = self._rules.uid_of(job_id)
        lease_ms, attempt = accepted.lease_ms, accepted.attempt
        head = msgspec.structs.replace(birth.head, state=State.RUNNING, attempt=attempt, lease_ms=lease_ms)
        text = f"{uid} is handed off, but its head is lost"
        return Mend(Damage.HEAD_LOST, text, uid, put={b"j" + job_id: records.encode(head)})

    def _stray(self, key: bytes, job_id: bytes, head: Head) -> Mend:
        uid = self._rules.uid_of(job_id)
        text = f"{uid} is {head.state}, and an entry in {_TABLE_NAMES[key[:1]]} says something else"
        return Mend(Damage.INDEX_STRAY, text, uid, delete=(key,))

    def _compare_counts(self) -> list[Mend]:
        found = []
        for queue in sorted(self._stored.keys() | self._recount.keys()):
            stored, counted = self._stored_now(queue), self._recount[queue]
            if _settled(stored) != _settled(counted):
                text = f"queue {queue}: the counters say {stored}, its jobs are {counted}"
                put = {b"c" + queue.encode(): records.encode_counts(counted)}
                found.append(Mend(Damage.COUNTER_WRONG, text, put=put))
        return found

    def _compare_groups(self) -> list[Mend]:
        found = []
        for group_id in sorted(self._stored_groups.keys() | self._groups.keys()):
            stored, counted = self._stored_groups.get(group_id), self._groups.get(group_id)
            there, wanted = (members.count if members is not None else 0 for members in (stored, counted))
            if there == wanted:
                continue
            key = b"g" + group_id.encode()
            mended = stored or counted
            put = {}
            if mended is not None and wanted:
                mended.count = wanted
                put = {key: records.encode(mended)}
            text = f"group {group_id}: its counter says {there}, there are {wanted} such errors"
            found.append(Mend(Damage.COUNTER_WRONG, text, put=put, delete=() if put else (key,)))
        return found

    def _compare_keys(self) -> list[Mend]:
        return [
            Mend(Damage.COUNTER_WRONG, text, put={key: put} if put else {}, delete=() if put else (key,))
            for text, key, put in self._keys.compare()
        ]

    def _stored_now(self, queue: str) -> list[int]:
        """Return a queue's counters as they are at the end of the walk, for they changed on the way."""
        try:
            raw = self._db.peek(b"c" + queue.encode())
        except StoreDamaged:
            raw = None
        return records.zero_counts() if raw is None else records.decode_counts(raw)


def _says_the_same(key: bytes, there: bytes | None, wanted: bytes) -> bool:
    """Tell whether an entry says of a job what its head asks for, though not to the letter."""
    if key[:1] == b"h":
        return there is not None and _attempt_of(there) == _attempt_of(wanted)
    return key[:1] == b"l" and records.same_listing(there, wanted)


def _attempt_of(accepted: bytes) -> int | None:
    with suppress(msgspec.MsgspecError):
        return records.decode_accepted(accepted).attempt
    return None


def _check_length(key: bytes) -> None:
    if len(key) != _KEY_BYTES.get(key[:1], len(key)):
        raise ValueError(f"a key of {len(key)} bytes")


def behind_damage(db: Database, start: bytes, end: bytes) -> bytes:
    """Return a key from which on `db` can be read again, `end` where there is none: as near behind `start` as can be.

    Doubling steps find some such key, halving ones the nearest between the last two.
    """
    width = len(start) + 1
    base, top = int.from_bytes(start.ljust(width, b"\0")), int.from_bytes(end.ljust(width, b"\0"))

    def reads(place: int) -> bool:
        return place >= top or db.readable(place.to_bytes(width), end, 1)[1] is None

    step = 1
    while not reads(base + step):
        step *= 2
    bad, good = base + step // 2, min(base + step, top)
    while good - bad > 1:
        middle = (good + bad) // 2
        bad, good = (bad, middle) if reads(middle) else (middle, good)
    return end if good == top else good.to_bytes(width)


def _settled(counts: list[int]) -> list[int]:
    """Return counters with the running among the waiting: as the store has them, for a claim writes no head."""
    settled = list(counts)
    settled[INDEX[State.WAITING]] += settled[INDEX[State.RUNNING]]
    settled[INDEX[State.RUNNING]] = 0
    return settled


def _named(head: Head) -> dict[str, Any]:
    return {name: getattr(head, name) for name in head.__struct_fields__ if getattr(head, name) is not None}
