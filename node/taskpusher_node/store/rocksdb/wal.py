"""RocksDB's log files as they lie on disk: whether their end was cut off, and keeping copies of damaged ones.

RocksDB drops a cut-off end without a word, and the end of a log is where the newest acknowledged writes stand. Here
only the framing is walked; checksums are RocksDB's own business, which refuses to open over a wrong one.

A log is blocks of 32 KiB; a record is crc:4 length:2 type:1 and its bytes, and begins and ends in one block. Longer
ones are split: first, middle ..., last. What is too short for a header at the end of a block is zeros.
"""

import shutil
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from .disk import size_of

BLOCK = 32_768
COPIES = "damaged-logs"  # a folder of the store
READ = "brought-back"  # in a folder of copies of which all that can be had was put into the store
COPIES_MAX = 5
COPIES_BYTES_MAX = 1 << 30

_HEADER = struct.Struct("<IHB")
_GOES_ON = frozenset({2, 3, 6, 7})  # first and middle parts; the second two are those of recycled logs


class Cut(NamedTuple):
    """A log file whose end holds no whole record."""

    file: Path
    at: int  # its first byte that no whole record covers
    size: int

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.file.name}: the last {self.size - self.at} of {self.size} bytes are no whole record"


def logs(folder: Path) -> list[Path]:
    """Return the log files, oldest first."""
    return sorted(folder.glob("*.log"))


def cuts(folder: Path) -> list[Cut]:
    """Return the log files whose end was cut off or zeroed.

    A kill leaves none, for a record is one write(2), but for those of a megabyte and more.
    """
    found = []
    for file in logs(folder):
        content = file.read_bytes()
        end = _whole_to(content)
        if end < len(content):
            found.append(Cut(file, end, len(content)))
    return found


def _whole_to(content: bytes) -> int:
    """Return where the last whole record ends."""
    at = whole = 0
    size = len(content)
    while size - at >= _HEADER.size:
        if BLOCK - at % BLOCK < _HEADER.size:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = _HEADER.unpack_from(content, at)
        end = at + _HEADER.size + length
        if kind == 0 or end > size or end > at - at % BLOCK + BLOCK:
            break
        if kind not in _GOES_ON:
            whole = end + _padding(end, size)
        at = end
    return whole


def _padding(end: int, size: int) -> int:
    """Return how many zeros fill the block behind a record; at the end of the file they may not be written yet."""
    left = BLOCK - end % BLOCK
    return min(left, size - end) if left < _HEADER.size else 0


def keep_copies(folder: Path, now: datetime | None = None) -> Path:
    """Copy all log files aside, bounded in number and size, oldest copies first; returns the folder of these."""
    name = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%S.%fZ")
    target = folder / COPIES / name
    target.mkdir(parents=True)
    for file in logs(folder):
        shutil.copy2(file, target)
    kept = copies(folder)
    while len(kept) > 1 and (len(kept) > COPIES_MAX or sum(map(size_of, kept)) > COPIES_BYTES_MAX):
        shutil.rmtree(kept.pop(0))
    return target


def copies(folder: Path) -> list[Path]:
    """Return the folders of log files that were set aside, oldest first."""
    return sorted((folder / COPIES).glob("*Z"))


def unread(folder: Path) -> list[Path]:
    """Return the folders of copies that may have something the store has not."""
    return [copy for copy in copies(folder) if not (copy / READ).exists()]
