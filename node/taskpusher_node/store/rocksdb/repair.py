"""Checking a store that no node has open, and making a whole one of what can be read of it.

A repair changes nothing in place: it copies what can be read into a new database, mends that from the heads until
nothing is wrong with it, and then lets the two change places. The old files are kept beside it.
"""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct, field

from ..base import Damage, Events, Finding, Recovery, StoreDamaged, StoreFailed
from . import backup, disk, keys, records
from .book import Book
from .db import REPAIR_PART, Batch, Database, locked, rebuild
from .recovery import check_format, interrupted, read_counts
from .rescue import bring_back
from .verify import END, Mend, Walk, behind_damage

FINDINGS_MAX = 1_000  # told one by one; all are counted
LOST_JOBS = "lost-jobs.jsonl"

_PAGE = 100
_REBUILT = "rebuilt"
_ROUNDS_MAX = 10  # a mend may show what else is wrong


class Report(Struct):
    """What was found in a store, and what became of it."""

    store: str
    entries: int = 0
    found: dict[str, int] = field(default_factory=dict)  # how often each kind
    findings: list[Finding] = field(default_factory=list)  # the first of them
    lost_jobs: set[str] = field(default_factory=set)  # uids
    kept: str | None = None  # where the files from before the repair are

    def add(self, findings: Iterable[Finding]) -> None:
        """Count and keep findings."""
        for finding in findings:
            self.found[finding.kind] = self.found.get(finding.kind, 0) + 1
            if len(self.findings) < FINDINGS_MAX:
                self.findings.append(Finding(finding.kind, finding.text, finding.uid))
            if finding.kind is Damage.JOB_LOST:
                self.lost_jobs.add(finding.uid or "")


def check(path: Path) -> Report:
    """Look at everything and change nothing. Raises StoreLocked, StoreRefused, StoreFailed, StoreDamaged."""
    with locked(path):
        return _check(path)


def repair(path: Path, stamp: str) -> Report:
    """Check, and where something is wrong put a whole store in place; the old files go to `before-repair-STAMP`."""
    with locked(path):
        report = _check(path)
        if report.found:
            try:
                _replace(path, report, path / f"before-repair-{stamp}")
            except OSError as error:
                raise StoreFailed(f"cannot repair {path}: {error.strerror or error}") from error
    return report


def _check(path: Path) -> Report:
    report = Report(str(path))
    try:
        db = Database(path, read_only=True)
    except StoreDamaged as refused:
        report.add([Finding(Damage.UNREADABLE, str(refused))])
        return report
    try:
        _look(db, report)
    finally:
        db.close()
    return report


def _look(db: Database, report: Report) -> None:
    check_format(db)
    if db.recovery is not Recovery.CLEAN:
        report.add([Finding(Damage.LOG, db.recovered)])
    walk = _walk(db)
    while not walk.done:
        report.add(walk.step(_PAGE))
    report.entries = walk.examined


def _walk(db: Database) -> Walk:
    book = _book(db)
    running: set[bytes] = set()
    with suppress(StoreDamaged):  # the walk comes to it
        running.update(job_id for job_id, *_ in interrupted(book))
    return Walk(db, book.name, running)


def _book(db: Database) -> Book:
    name = db.get(keys.NAME)
    if name is None:
        raise StoreDamaged(f"{db.path} does not say its name")
    return Book(db, name.decode(), 0, Events())


def _replace(path: Path, report: Report, kept: Path) -> None:
    part = path / REPAIR_PART
    shutil.rmtree(part, ignore_errors=True)
    backup.check_space(path, 2 * disk.size_of(path))
    kept.mkdir()
    try:
        old = _open_old(path, kept)
        try:
            with (kept / LOST_JOBS).open("w") as lost:
                _make_whole(old, part, report, lost)
        finally:
            old.close()
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(kept, ignore_errors=True)
        raise
    shutil.rmtree(kept / _REBUILT, ignore_errors=True)
    backup.move_aside(path, kept)
    backup.move_in(part, path)
    report.kept = str(kept)


def _open_old(path: Path, kept: Path) -> Database:
    """Open what is damaged, or a copy without the damaged tables where that can be opened and walked, and this not."""
    with suppress(StoreDamaged):
        old = Database(path, read_only=True)
        # a table of one block may span all keys: while it is there no other table can be walked either
        if old.readable(keys.NAME, keys.NAME + b"\0", 1)[1] is None:
            return old
        old.close()
    backup.copy(path, kept / _REBUILT)
    rebuild(kept / _REBUILT)
    return Database(kept / _REBUILT, read_only=True)


def _make_whole(old: Database, part: Path, report: Report, lost: IO[str]) -> None:
    """Fill a new database with what can be read of the old one, and mend it."""
    new = Database(part)
    try:
        _copy(old, new)
        if old.recovery is Recovery.POINT_IN_TIME:
            book = Book(new, "", 0, Events())
            read_counts(book)
            bring_back(book, old.path)
        for _ in range(_ROUNDS_MAX):
            walk, wrong = _walk(new), 0
            while not walk.done:
                found = [_again(old, mend) for mend in walk.step(_PAGE)]
                wrong += len(found)
                _mend(new, found)
                _keep(found, lost)
                report.add(mend for mend in found if mend.kind is Damage.JOB_LOST)
            if not wrong:
                return
        raise StoreDamaged(f"{old.path} cannot be repaired: restore a backup")
    finally:
        new.close()


def _copy(old: Database, new: Database) -> None:
    position = b""
    while position != END:
        entries, damage = old.readable(position, END, _PAGE)
        batch = Batch()
        for key, value in entries:
            batch.put(key, value)
        new.write_patiently(batch)
        if entries:
            position = entries[-1][0] + b"\0"
        if damage is not None:
            position = behind_damage(old, position, END)
        elif len(entries) < _PAGE:
            return


def _again(old: Database, mend: Mend) -> Mend:
    """Look by its very key for what a damaged range seemed to have lost."""
    if mend.uid is None or mend.kind not in (Damage.JOB_LOST, Damage.HEAD_LOST):
        return mend
    table, decode = (b"b", records.decode_birth) if mend.kind is Damage.JOB_LOST else (b"j", records.decode_head)
    key = table + keys.id_of(mend.uid)
    try:
        value = old.peek(key)
        if value is None:
            return mend
        decode(value)
    except (StoreDamaged, msgspec.MsgspecError):
        return mend
    return Mend(Damage.UNREADABLE, mend.text, mend.uid, put={key: value})


def _mend(new: Database, found: list[Mend]) -> None:
    batch = Batch()
    for mend in found:
        for key in mend.delete:
            batch.delete(key)
        for key, value in mend.put.items():
            batch.put(key, value)
    new.write_patiently(batch)


def _keep(found: list[Mend], lost: IO[str]) -> None:
    """Write down what could be read of what goes away."""
    for mend in found:
        if mend.readable is not None:
            line = {"uid": mend.uid, "kind": mend.kind, "text": mend.text, **mend.readable}
            lost.write(msgspec.json.encode(line).decode() + "\n")
