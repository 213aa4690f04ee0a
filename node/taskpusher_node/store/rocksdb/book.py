"""What the engine keeps in memory beside the database, and the small moves that all its operations are made of."""

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import chain, islice

from taskpusher import uid as uids
from taskpusher.clock import steady_ms, unix_ms
from taskpusher.histogram import Histogram
from taskpusher.job import CALLBACK_QUEUE, DEFAULT_QUEUE, Spec

from ...lifecycle import FINISHED, Head, State, Verdict, can_expire, snippet
from ...request import REPEAT_WITHIN_MS
from ...retry import LEASE_EXPIRED, SUCCESS, Kind, result_of
from ..base import Events, JobView, Pause, Place, Token
from ..limits import ShutGate
from ..queues import WHOLE
from ..tallies import OTHER_QUEUES, Tally, Totals, tally_name
from . import keys, records, ties
from .calls import Call, Edit
from .db import Batch, Database
from .gates import Gate, Gates, KeyGate
from .groups import Groups
from .handed import Handed, HandedOff
from .lane import Entry, Where, where
from .lanes import Lanes
from .records import INDEX, Birth, QueueRecord

Ready = tuple[bytes, Spec, Head]  # what `Book.announce` is told once it is durable

HOLDERS_TOLD = 3  # of those that hold a limit
_SEQ_BITS = 40  # a trillion jobs between two starts


class Book:
    """The index entries, counters and places in line of all jobs. Every change goes into the batch that is passed."""

    def __init__(self, db: Database, name: str, opens: int, events: Events, gates: Gates | None = None) -> None:
        self.db = db
        self.name = name
        self.events = events
        self.totals = Totals()
        self.tallies: dict[str, Tally] = {DEFAULT_QUEUE: Tally(), OTHER_QUEUES: Tally()}
        self._tally_of: dict[str, Tally] = {}  # by queue
        self._gone_durations = [0] * len(Histogram().counts)  # of queues that were deleted
        self.counts: dict[str, list[int]] = {DEFAULT_QUEUE: records.zero_counts()}
        self.queues: dict[str, QueueRecord] = {DEFAULT_QUEUE: QueueRecord()}
        self.queue_defaults: dict[str, bytes] = {}
        self.queues_said = 0  # how often something was said of any
        self.share = WHOLE
        self.holds: dict[str, Pause] = {}
        self.groups = Groups()
        self.calls: dict[bytes, Call] = {}
        self.editing: dict[bytes, Edit] = {}  # until they are durable their jobs are not claimed
        self.closing: dict[Token, Call] = {}  # their jobs are cancelled, and they keep their slots until they end
        self.releasing: set[bytes] = set()  # let go by others, and not durably so: not to be claimed
        self.handed = HandedOff()
        self.gates = gates or Gates(unix_ms, steady_ms)
        self.gates.due = self._due
        self.lanes = Lanes(self._load, suspects=keys.SUSPECTS, gates=self.gates, waits=self._waits)
        self.first_waiting = keys.listing_prefix(State.WAITING)  # low-water marks: nothing stands before them
        self.first_due = keys.listing_prefix(State.SCHEDULED)
        self.first_expiry = b"x"
        self.first_ended_ms = 0  # of jobs with an idempotency key
        self.first_tombstone_ms = 0
        self.ended_since = dict.fromkeys(FINISHED, 0)  # of the finished these are times
        self._swept_ms = 0  # the highest of them
        self.durable_seq = opens << _SEQ_BITS
        self.last_seq = self.durable_seq
        self.parked_at: int | None = None
        self.store_id = b""
        self.tell: Callable[[JobView], bytes] | None = None  # what a callback says of a job that has ended
        self.token_key = b""
        self.stopped_clean = True
        self.moved: Callable[[bytes, str, State, int], None] | None = None  # told of every move while a walk verifies
        self._dirty: set[str] = set()
        self._free_slots: list[int] = []
        self._slots = 0

    # -- uids

    def uid_of(self, job_id: bytes) -> str:
        """Return the uid of an id."""
        return f"{job_id.hex()}-{self.name}"

    def id_of(self, uid: str) -> bytes | None:
        """Return the id of a uid, or None where it cannot be a uid of this store."""
        return keys.id_of(uid) if uids.name_of(uid) == self.name else None

    # -- reading

    def birth(self, job_id: bytes) -> Birth | None:
        """Return what was added."""
        raw = self.db.get(b"b" + job_id)
        return None if raw is None else records.decode_birth(raw)

    def head(self, job_id: bytes, birth: Birth) -> Head:
        """Return what is stored of a job's state: that of before the claim while it runs."""
        raw = self.db.get(b"j" + job_id)
        return birth.head if raw is None else records.decode_head(raw)

    def view(self, job_id: bytes) -> JobView | None:
        """Return a job as it is now."""
        call = self.calls.get(job_id)
        if call is not None:
            return JobView(call.uid, call.spec, call.head, call.added_ms, progress=call.progress)
        handed = self.handed.get(job_id)
        if handed is not None:
            return JobView(handed.uid, handed.spec, handed.head, handed.added_ms, progress=handed.progress)
        birth = self.birth(job_id)
        if birth is None:
            return None
        return JobView(self.uid_of(job_id), birth.spec, self.head(job_id, birth), birth.added_ms)

    # -- places

    def next_seq(self) -> int:
        """Return the next place in line."""
        self.last_seq += 1
        return self.last_seq

    def take_slot(self) -> int:
        """Return the lowest free slot."""
        if self._free_slots:
            return heappop(self._free_slots)
        self._slots += 1
        return self._slots - 1

    def free_slot(self, slot: int) -> None:
        """Give a slot back."""
        heappush(self._free_slots, slot)

    def lane(self, spec: Spec, head: Head) -> Where:
        """Return the lane a waiting job stands in."""
        host = keys.SUSPECTS if head.crashes else spec.host.encode()
        return where(spec.queue, host, spec.priority, spec.limit.key if spec.limit is not None else None)

    def place(self, spec: Spec, head: Head, count: int) -> Place:
        """Return what stands before a waiting job, at most `count` jobs of it."""
        own = self.lane(spec, head)
        ahead = 0
        for lane, first_seq in self.lanes.line(own.queue).ahead(own, head.seq):
            higher = lane[-1] < own.key[-1]
            end = keys.after(lane) if higher else lane + keys.u64(head.seq)
            # what runs keeps its entry
            found = self.db.scan(lane + keys.u64(first_seq), end, count - ahead + len(self.calls))
            ahead = min(count, ahead + sum(key[-keys.ID_BYTES :] not in self.calls for key, _ in found))
            if ahead == count:
                break
        return Place(
            ahead=ahead,
            parked=self.parked_at is not None and head.seq > self.parked_at,
            suspect_runs=self.lanes.calls(keys.SUSPECTS) > 0,
            limit=self._shut(self.gates.keys.get(own.limit) if own.limit is not None else None),
            queue=self._shut(self.lanes.line(spec.queue).gate),
        )

    def may_have(self, queue: str, most: int) -> bool:
        """Tell whether a queue is there, or may be made where there are at most so many.

        That of callbacks always may, and takes no other's room: no end of a job waits for it.
        """
        if queue in self.queues or queue == CALLBACK_QUEUE:
            return True
        return len(self.queues) - (CALLBACK_QUEUE in self.queues) < most

    def set_queue(self, queue: str, record: QueueRecord) -> None:
        """Know the settings of a queue."""
        self.queues_said += 1
        self.queues[queue] = record
        if record.defaults is not None:
            self.queue_defaults[queue] = record.defaults
        else:
            self.queue_defaults.pop(queue, None)

    def enforce_queue(self, queue: str) -> None:
        """Let what is said of a queue hold: whether it stands still, and this store's part of its numbers."""
        record = self.queues[queue]
        self.lanes.pause(queue, on=record.pause is not None)
        numbers = self.share.numbers(record.scope, record.concurrency, record.rate, record.per)
        self.lanes.limit_queue(queue, *numbers)

    def forget_queue(self, batch: Batch, queue: str) -> None:
        """Delete a queue that has no jobs."""
        batch.delete(b"q" + queue.encode())
        batch.delete(b"c" + queue.encode())
        batch.delete(keys.queue_gate_key(queue))
        self.queues_said += 1
        del self.queues[queue]
        self.queue_defaults.pop(queue, None)
        self.counts.pop(queue, None)
        self._dirty.discard(queue)
        self.lanes.forget(queue)
        self.retally(queue)

    def _shut(self, gate: Gate | None) -> ShutGate | None:
        """Return what a gate that is shut waits for, None where it is open."""
        if gate is None or not gate.shut:
            return None
        key = gate.key if isinstance(gate, KeyGate) else None
        running: Iterable[Call | Handed] = chain(self.calls.values(), self.handed.values())
        holders = (
            call.uid
            for call in running
            if (
                call.spec.queue == gate.queue
                if key is None
                else call.spec.limit is not None and call.spec.limit.key == key
            )
        )
        return ShutGate(
            key=key,
            concurrency=gate.numbers.concurrency,
            running=gate.running,
            held_by=tuple(islice(holders, HOLDERS_TOLD)),
            rate=gate.numbers.rate,
            per=gate.numbers.per,
            next_token_ms=self.gates.next_token_ms(gate),
        )

    def free_gates(self, call: Call | Handed) -> None:
        """A call is closed, and its job not handed off: another one of its queue and limit key may begin."""
        limit = call.spec.limit
        self.lanes.free_gates(call.spec.queue, self.gates.of(limit.key) if limit is not None else None)

    def enter_gates(self, spec: Spec) -> None:
        """What was handed off before the store was opened still takes its places."""
        self.lanes.enter_gates(spec.queue, self.gates.key(spec.limit) if spec.limit is not None else None)

    def open_gates(self) -> int | None:
        """Let what time has opened be claimed; returns when to look again."""
        opened, next_ms = self.gates.look()
        if opened:
            self.events.woke()
        return next_ms

    def _due(self, at_ms: int) -> None:
        self.events.due(at_ms)

    # -- index entries and counters

    def bear(self, batch: Batch, job_id: bytes, birth: Birth) -> None:
        """Write a new job; it may be claimed once `announce` was told that it is durable."""
        batch.put(b"b" + job_id, records.encode(birth))
        self.enter(batch, job_id, birth.spec, birth.head)
        self.totals.added += 1
        self.tally(birth.spec.queue).added += 1

    def enter(self, batch: Batch, job_id: bytes, spec: Spec, head: Head) -> None:
        """List a job under its state; where it waits, make it ready. One that is handed off is listed from memory."""
        state = head.state
        if head.lease_ms is not None:
            batch.put(keys.handed_key(job_id), records.encode(records.Accepted(head.attempt, head.lease_ms)))
        else:
            self._list(batch, job_id, spec, head)
        if head.expires_ms is not None:
            self.put_expiry(batch, job_id, head)
        ended = state in FINISHED
        if not ended and ties.is_tied(spec):
            for tie, value in ties.entries(job_id, spec, head):
                batch.put(tie, value)
        self.count(spec.queue, state, 1)
        if spec.limit is not None:
            self.gates.count(spec.limit, state, 1)
        if self.moved is not None:
            self.moved(job_id, spec.queue, state, 1)
        if ended:
            self._count_end(spec.queue, state)

    def _list(self, batch: Batch, job_id: bytes, spec: Spec, head: Head) -> None:
        state = head.state
        t_ms = keys.listing_time_ms(head)
        key = keys.listing_key(state, t_ms, job_id)
        group = self.groups.enter(job_id, spec, head) if state is State.ERROR else ""
        batch.put(key, records.listing_value(spec, head, group))
        if state is State.WAITING:
            if not head.held:
                batch.put(keys.ready_key(self.lane(spec, head).key, head.seq, job_id), keys.u64(t_ms))
            self.first_waiting = min(self.first_waiting, key)
        elif state is State.SCHEDULED:
            self.first_due = min(self.first_due, key)
        elif t_ms < self._swept_ms:  # the clock has stepped back
            self.ended_since[state] = min(self.ended_since[state], t_ms)

    def put_expiry(self, batch: Batch, job_id: bytes, head: Head) -> None:
        """Write down when a ttl is over, where it still matters."""
        if head.expires_ms is not None and can_expire(head):
            key = keys.expiry_key(head.expires_ms, job_id)
            batch.put(key, b"")
            self.first_expiry = min(self.first_expiry, key)

    def leave(self, batch: Batch, job_id: bytes, spec: Spec, head: Head) -> None:
        """Take out what `enter` put for this head. A job whose call runs still has the entries of its waiting."""
        if ties.is_tied(spec) and head.state not in FINISHED:
            for tie, _ in ties.entries(job_id, spec, head):
                batch.delete(tie)
        if spec.limit is not None:
            self.gates.count(spec.limit, head.state, -1)
        running = head.state is State.RUNNING
        if head.lease_ms is not None:
            batch.delete(keys.handed_key(job_id))
        elif running or head.state is State.WAITING:
            batch.delete(keys.listing_key(State.WAITING, head.waiting_ms or 0, job_id))
            if not head.held:
                batch.delete(keys.ready_key(self.lane(spec, head).key, head.seq, job_id))
        else:
            key = keys.listing_key(head.state, keys.listing_time_ms(head), job_id)
            # of an error the entry knows its group, which another release might name otherwise
            listed = self.db.get(key) if head.state is State.ERROR else None
            group = records.parse_listing(listed).group if listed is not None else ""
            self.unlist(batch, job_id, head.state, key, spec.queue, group)
            return
        self._count_out(job_id, spec.queue, head.state)

    def unlist(self, batch: Batch, job_id: bytes, state: State, key: bytes, queue: str, group: str) -> None:
        """Take a job that neither waits nor runs out of the listing of its state, and out of its group of errors."""
        batch.delete(key)
        if state is State.ERROR:
            self.groups.leave(job_id, group)
        self._count_out(job_id, queue, state)

    def _count_out(self, job_id: bytes, queue: str, state: State) -> None:
        self.count(queue, state, -1)
        if self.moved is not None:
            self.moved(job_id, queue, state, -1)

    def store(self, batch: Batch, job_id: bytes, spec: Spec, head: Head) -> None:
        """Write a head and list it."""
        batch.put(b"j" + job_id, records.encode(head))
        self.enter(batch, job_id, spec, head)

    def keep_attempt(self, batch: Batch, job_id: bytes, head: Head) -> None:
        """Put a head's last attempt among the earlier ones, before another takes its place."""
        if head.last is not None:
            batch.put(keys.attempt_key(job_id, head.last.n), records.encode(snippet(head.last)))
            if head.last.n >= records.ATTEMPTS_KEPT:
                batch.delete(keys.attempt_key(job_id, head.last.n - records.ATTEMPTS_KEPT + 1))

    def earlier_attempts(self, job_id: bytes) -> list[tuple[bytes, bytes]]:
        """Return the entries of a job's earlier attempts, oldest first."""
        return self.db.scan(keys.attempt_key(job_id, 0), keys.attempt_key(job_id, 2**32 - 1), records.ATTEMPTS_KEPT)

    def forget(self, batch: Batch, job_id: bytes, now_ms: int) -> None:
        """Delete a job that `leave` has taken out of its listing; while its uid may be repeated a tombstone stays."""
        minted_ms = keys.minted_ms(job_id)
        birth = self.birth(job_id) if now_ms - minted_ms <= REPEAT_WITHIN_MS else None
        if birth is not None:
            batch.put(keys.tombstone_key(job_id), records.asked_for(birth))
            self.first_tombstone_ms = min(self.first_tombstone_ms, minted_ms)
        for key, _ in self.earlier_attempts(job_id):
            batch.delete(key)
        batch.delete(b"j" + job_id)
        batch.delete(b"b" + job_id)

    def swept(self, state: State, until_ms: int) -> None:
        """Remember that no job of a finished state is there that ended before a time."""
        self.ended_since[state] = max(self.ended_since[state], until_ms)
        self._swept_ms = max(self._swept_ms, until_ms)

    def count(self, queue: str, state: State, by: int) -> None:
        """Change a counter; the open batch writes it as an absolute value."""
        counts = self.counts.get(queue)
        if counts is None:
            counts = self.counts[queue] = records.zero_counts()
            self.queues.setdefault(queue, QueueRecord())
        counts[INDEX[state]] += by
        self._dirty.add(queue)

    def count_move(self, spec: Spec, before: State, after: State) -> None:
        """A call has begun, or is over and its job waits again."""
        self.count(spec.queue, before, -1)
        self.count(spec.queue, after, 1)
        if spec.limit is not None:
            self.gates.count(spec.limit, before, -1)
            self.gates.count(spec.limit, after, 1)

    def write_counts(self, batch: Batch) -> None:
        """Put the counters that changed since the last write."""
        for queue in self._dirty:
            batch.put(b"c" + queue.encode(), records.encode_counts(self.counts[queue]))
        self._dirty.clear()
        self.groups.write(batch)
        self.gates.write(batch)

    # -- what happened

    def tally(self, queue: str) -> Tally:
        """Return where what happens to a queue's jobs is counted."""
        tally = self._tally_of.get(queue)
        if tally is None:
            record = self.queues.get(queue)
            name = tally_name(queue, declared=record is not None and record.declared)
            tally = self._tally_of[queue] = self.tallies.setdefault(name, Tally())
        return tally

    def retally(self, queue: str) -> None:
        """A queue was declared or deleted: from now on its jobs are counted under another name."""
        self._tally_of.pop(queue, None)
        if queue not in self.queues and queue not in (DEFAULT_QUEUE, CALLBACK_QUEUE, OTHER_QUEUES):
            tally = self.tallies.pop(queue, None)
            if tally is not None:
                self._gone_durations = _sums([self._gone_durations, tally.durations.counts])
        else:
            self.tally(queue)  # told from now on, before anything happens to it

    def durations(self) -> list[int]:
        """Return how long all calls since the start took, by DURATIONS_S."""
        return _sums([self._gone_durations, *(tally.durations.counts for tally in self.tallies.values())])

    def count_call(self, queue: str, verdict: Verdict) -> None:
        """A call has ended."""
        tally = self.tally(queue)
        result = result_of(verdict)
        tally.results[result] += 1
        tally.durations.observe(verdict.attempt.duration_s)
        if result in (SUCCESS, Kind.SNOOZED):
            return
        if verdict.to is State.SCHEDULED:
            tally.retries += 1
        elif verdict.to is State.WAITING and verdict.attempt.outcome == Kind.ABORTED:
            self.totals.interrupted += 1

    def count_report(self, queue: str, verdict: Verdict) -> None:
        """The target of a job that it had accepted has said how that ended."""
        if verdict.to is State.SCHEDULED:
            self.tally(queue).retries += 1

    def count_lease(self, queue: str, verdict: Verdict) -> None:
        """It has said nothing, and its lease is over."""
        self.tally(queue).results[LEASE_EXPIRED] += 1
        self.count_report(queue, verdict)
        self.totals.leases += verdict.to is State.SCHEDULED

    def _count_end(self, queue: str, state: State) -> None:
        tally = self.tally(queue)
        if state is State.COMPLETED:
            tally.completed += 1
            self.totals.completed += 1
        elif state is State.ERROR:
            tally.errors += 1
            self.totals.errors += 1
        else:
            tally.cancelled += 1

    # -- becoming ready

    def announce(self, job: Ready) -> None:
        """What was entered is durable: let a waiting job be claimed, and tell when a scheduled one is due."""
        job_id, spec, head = job
        self.durable_seq = max(self.durable_seq, head.seq)
        let_go = job_id in self.releasing and not head.held
        if let_go:
            self.releasing.discard(job_id)
        if head.expires_ms is not None:
            self.events.due(head.expires_ms)
        if head.state is State.SCHEDULED:
            self.events.due(head.due_ms or 0)
        elif not head.held and (self.parked_at is None or head.seq <= self.parked_at):
            ready = self.lanes.release if let_go else self.lanes.add
            ready(self.lane(spec, head), Entry(head.seq, job_id, head.waiting_ms or 0))
            self.events.woke()

    def drop(self, spec: Spec, head: Head) -> None:
        """A job has left the head that it had: where it was ready, it is so no more."""
        if head.state is State.WAITING and not head.held:
            self.lanes.drop(self.lane(spec, head), head.seq)

    def _waits(self, entry: Entry) -> bool:
        birth = self.birth(entry.id)
        if birth is None or entry.id in self.calls:
            return False
        head = self.head(entry.id, birth)
        return head.state is State.WAITING and head.seq == entry.seq

    def _load(self, lane: bytes, after_seq: int, n: int) -> tuple[list[Entry], bool]:
        """Read the next ready jobs of a lane; only what is durable may be claimed, and after a park nothing new."""
        last = self.durable_seq if self.parked_at is None else min(self.durable_seq, self.parked_at)
        found = self.db.scan(lane + keys.u64(after_seq + 1), keys.after(lane), n)
        entries: list[Entry] = []
        for key, value in found:
            _, seq, job_id = keys.parse_ready(key)
            if seq > last:
                return entries, True
            if job_id not in self.releasing:
                entries.append(Entry(seq, job_id, int.from_bytes(value)))
        return entries, len(found) == n


def _sums(rows: Sequence[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]
