"""Counts the jobs of limit keys again, to compare with the counters that are kept."""

from collections.abc import Iterator

from msgspec import structs

from taskpusher.job import Limit

from . import keys, records
from .records import KeyGateRecord


class KeyRecount:
    """The counters of limit keys as they are on disk, and as the jobs say."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep  # what is counted while jobs come and go says nothing
        self._stored: dict[str, KeyGateRecord] = {}
        self._counted: dict[str, KeyGateRecord] = {}

    def count(self, limit: Limit | None, *, waits: bool) -> None:
        """Take a job that has not ended; the newest comes last."""
        if limit is None or not self._keep:
            return
        before = self._counted.get(limit.key)
        waiting, later = (before.waiting, before.later) if before is not None else (0, 0)
        self._counted[limit.key] = KeyGateRecord(
            limit.concurrency, limit.rate, limit.per, False, 0.0, 0, waiting + waits, later + (not waits)
        )

    def read(self, key: bytes, value: bytes) -> None:
        """Take an entry of the table of gates; raises where it is none."""
        name = keys.gate_name(key)
        if key.startswith(keys.QUEUE_GATES):
            records.decode_bucket(value)
            return
        record = records.decode_key_gate(value)
        if self._keep:
            self._stored[name] = record

    def compare(self) -> Iterator[tuple[str, bytes, bytes | None]]:
        """Yield what is wrong, the key of the entry and what it must be: None where there must be none."""
        for name in sorted(self._stored.keys() | self._counted.keys()):
            stored, counted = self._stored.get(name), self._counted.get(name)
            there, wanted = _unfinished(stored), _unfinished(counted)
            if there == wanted:
                continue
            mended = stored or counted
            put = None
            if mended is not None and (counted is not None or mended.pinned):
                waiting, later = (counted.waiting, counted.later) if counted is not None else (0, 0)
                put = records.encode(structs.replace(mended, waiting=waiting, later=later))
            text = f"limit key {name}: its counters say {there} jobs, there are {wanted}"
            yield text, keys.key_gate_key(name), put


def _unfinished(record: KeyGateRecord | None) -> int:
    return record.waiting + record.later if record is not None else 0
