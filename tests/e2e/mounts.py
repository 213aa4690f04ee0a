"""File systems of a test's own: small ones, that can be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def as_root(*command: object) -> None:
    """Run a command that needs root."""
    subprocess.run([*([] if os.geteuid() == 0 else ["sudo"]), *map(str, command)], check=True)


@contextmanager
def ext4(folder: Path, mib: int) -> Iterator[Path]:
    """Mount a new ext4 of a size, from a file, and take it away again."""
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(mib << 20)
    as_root("mkfs.ext4", "-q", "-m", "0", image)
    as_root("mount", "-o", "loop", image, place)
    try:
        as_root("chown", os.geteuid(), place)
        yield place
    finally:
        as_root("umount", place)
        image.unlink()
