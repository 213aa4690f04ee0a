"""Logs: JSON lines in production, one a finished call; lines for people in debug. Both go to standard output."""

import asyncio
import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, BinaryIO

import structlog

from . import codec
from .clock import unix_ms
from .masking import mask_text
from .plain import escaped

WRITE_WITHIN_S = 0.05  # lines of this long are written at once: a system call for each would cost more than the line


class LineWriter:
    """Writes lines to a file, those of a moment together; outside a loop, and for errors, at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: list[bytes] = []

    def info(self, line: bytes) -> None:
        """Write a line soon."""
        self._lines.append(line)
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_later(WRITE_WITHIN_S, self.flush)
            except RuntimeError:
                self.flush()

    debug = info

    def warning(self, line: bytes) -> None:
        """Write a line, and all before it, now."""
        self._lines.append(line)
        self.flush()

    error = critical = exception = warning

    def flush(self) -> None:
        """Write what is left."""
        lines, self._lines = self._lines, []
        if lines:
            # whoever read the lines has gone, or its disk is full: that is no reason to stop running jobs
            with suppress(OSError):
                self._file.write(b"\n".join(lines) + b"\n")
                self._file.flush()


class _Libraries(logging.Handler):
    """What libraries say by the standard library's logging, as lines like all others."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        tell = log.error if record.levelno >= logging.ERROR else log.warning
        tell("library", logger=record.name, message=mask_text(record.getMessage()), exc_info=record.exc_info)


def configure(level: str) -> None:
    """Set up structlog for the process: `production`, `debug`, or `errors`, which are lines for people about errors."""
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    writer = LineWriter(sys.stdout.buffer)
    if level != "production":
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
                _exception_as_text,
                _escape,
                structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty()),
                _to_bytes,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if level == "debug" else logging.ERROR),
            logger_factory=lambda *_: writer,
            cache_logger_on_first_use=True,
        )
        return
    structlog.configure(
        processors=[
            _exception_as_text,
            _json_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )


def _exception_as_text(log: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Render a traceback. The text of an exception may hold the URL of a job."""
    if "exc_info" not in event:
        return event
    event = structlog.processors.format_exc_info(log, level, event)
    if "exception" in event:
        event["exception"] = mask_text(event["exception"])
    return event


def _json_line(_: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
    """Render a line in one step: three of structlog's would cost a fifth of what a job costs in the store."""
    line = {"timestamp": codec.to_time(unix_ms()), "level": level, "event": event["event"], **event}
    return codec.to_json(line, default=str)


def _to_bytes(_: Any, __: str, line: Any) -> bytes:
    return str(line).encode()


def _escape(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show control characters instead of sending them to a terminal: targets and jobs may say anything."""
    for key, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if key == "exception" else [value]
            event[key] = "\n".join(escaped(line) for line in lines)
    return event
