"""Tells the service manager how a daemon is: the datagrams of sd_notify(3), for Type=notify and notify-reload.

Own code: of the libraries sdnotify is dead, systemd-watchdog blocks and knows neither reloads nor extensions, and the
others need systemd's headers to be installed.
"""

import os
import socket
from collections.abc import Mapping
from time import monotonic_ns

import structlog

_TEXT_MAX = 200  # characters of STATUS

log = structlog.get_logger()


class ServiceManager:
    """The one that started us and waits for news; where there is none, nothing is sent."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address  # @: an abstract socket
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._failed = False
        self.watchdog_s = _watchdog_s(environ) if address else None

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return self._socket is not None

    def ready(self) -> None:
        """The daemon is up, or has read its settings again."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """The daemon has begun to stop."""
        self._tell("STOPPING=1")

    def reloading(self) -> None:
        """The daemon reads its settings again; `ready` follows."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={monotonic_ns() // 1_000}")

    def status(self, text: str) -> None:
        """What `systemctl status` shows."""
        self._tell(f"STATUS={' '.join(text.split())[:_TEXT_MAX]}")  # a line more would be an assignment more

    def extend(self, seconds: float) -> None:
        """A start or a stop that takes long goes on: wait this much longer."""
        self._tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def alive(self) -> None:
        """Sent at half the time that WatchdogSec= allows."""
        self._tell("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def _tell(self, lines: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(lines.encode(errors="replace"), socket.MSG_DONTWAIT, self._address)
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("service manager", error=str(error), effect="it hears nothing from this node")
            self._failed = True


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return how long the service manager waits for a sign of life, None where it does not, or waits for another."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    return int(microseconds) / 1_000_000 if environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()) else None
