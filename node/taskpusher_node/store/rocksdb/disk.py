"""The file system under a store: what is free, what the store takes of it, and the ballast."""

import errno
import os
import sys
from pathlib import Path

BALLAST = "BALLAST"
_KINDS = {".sst": "sst", ".log": "wal", ".blob": "blob"}
_BLOCK = 512  # of st_blocks, whatever the file system's own are
_ZEROS = 1 << 20
_FULL = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))


def says_full(error: str) -> bool:
    """Tell whether an error of the engine is that of a full disk."""
    return any(text in error for text in _FULL)


def space(folder: Path) -> tuple[int, int]:
    """Return the bytes of the file system, and those free for this process."""
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize


def sizes(folder: Path) -> dict[str, int]:
    """Return the bytes that the store's files take on disk, by kind."""
    found = dict.fromkeys((*_KINDS.values(), "ballast", "other"), 0)
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                taken = entry.stat(follow_symlinks=False).st_blocks * _BLOCK
            except FileNotFoundError:
                continue  # a compaction has deleted it meanwhile
            kind = "ballast" if entry.name == BALLAST else _KINDS.get(Path(entry.name).suffix, "other")
            found[kind] += taken
    return found


def size_of(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


class Ballast:
    """A file that only takes space, until a full disk needs it so that the next start can open and delete."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / BALLAST

    def keep(self, n_bytes: int) -> None:
        """Make the file as large as said, with all its blocks; 0 gives it up."""
        if n_bytes == 0:
            self.give_up()
        elif not self._path.exists() or self._path.stat().st_size != n_bytes:
            self.give_up()
            try:
                with self._path.open("wb") as file:
                    _allocate(file.fileno(), n_bytes)
            except OSError:
                self.give_up()
                raise

    def give_up(self) -> bool:
        """Delete the file; tells whether there was one."""
        there = self._path.exists()
        self._path.unlink(missing_ok=True)
        return there


def _allocate(descriptor: int, n_bytes: int) -> None:
    if sys.platform == "darwin":  # has no posix_fallocate
        for start in range(0, n_bytes, _ZEROS):
            os.write(descriptor, bytes(min(_ZEROS, n_bytes - start)))
    else:
        os.posix_fallocate(descriptor, 0, n_bytes)
