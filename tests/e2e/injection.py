"""Errors and delays of system calls, put into a running node by strace."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .processes import NodeProcess

AS_ROOT = () if os.geteuid() == 0 else ("sudo",)


@asynccontextmanager
async def injected(node: NodeProcess, inject: str, path: Path | None = None) -> AsyncIterator[None]:
    """Let system calls of a node fail or last, by an expression as `fdatasync:error=EIO`; of one file, if given."""
    only = () if path is None else ("-P", str(path))
    strace = await asyncio.create_subprocess_exec(
        *(*AS_ROOT, "strace", "-f", "-o", "/dev/null", *only, "-e", f"inject={inject}"),
        *("-e", f"trace={inject.partition(':')[0]}", "-p", str(node.process.pid)),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(10):
            while b"attached" not in (line := await strace.stderr.readline()):
                assert line, "strace ended"
        yield
    finally:
        if strace.returncode is None:
            strace.send_signal(signal.SIGINT)
        await strace.wait()
