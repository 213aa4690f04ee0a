"""Starts the processes of a load test on chosen cores, watches them, and ends each by its own pid."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
RUN = HERE / "run"  # git-ignored; each run has a folder of its own in it
LOOPBACK = "127.0.0.1"
START_WITHIN_S = 60.0
HTTP_TIMEOUT_S = 60.0
CONNECTIONS = 64
_ENVIRONMENT = {**os.environ, "TASKPUSHER_DISK_RESERVE": "0"}  # a disk with little room is measured all the same


class SetupError(Exception):
    """The load test cannot run here; the text says what to do."""


@contextmanager
def run_folder() -> Iterator[Path]:
    """Give a fresh folder for stores and logs, and take it away at the end."""
    RUN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RUN, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        port: int = sock.getsockname()[1]
        return port


def two_cores() -> tuple[int, int]:
    """Return the core for what is measured and the core for all that loads it."""
    if not hasattr(os, "sched_setaffinity"):
        raise SetupError("pinning to cores needs Linux")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SetupError("needs two cores: one for the server under test, one for what loads it")
    return cores[0], cores[1]


def taskpusher_command() -> str:
    """Return the command of the TaskPusher that is installed beside this interpreter."""
    beside = Path(sys.executable).with_name("taskpusher")
    found = str(beside) if beside.exists() else shutil.which("taskpusher")
    if found is None:
        raise SetupError("taskpusher is not installed: uv sync, or pip install -e .")
    return found


def script(name: str, *args: object) -> list[str]:
    """Return the command that runs a script of this folder."""
    return [sys.executable, str(HERE / name), *map(str, args)]


class Process:
    """A process of the load test. As a context it is dead at the end, whatever happened."""

    def __init__(self, command: Sequence[str], log: Path, core: int | None = None) -> None:
        self.log = log
        with log.open("ab") as out, _on_core(core):
            self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_ENVIRONMENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._popen.poll() is None

    def kill(self) -> None:
        """End it with SIGKILL; twice is fine."""
        self._popen.kill()
        self._popen.wait()

    def wait(self, within_s: float) -> None:
        """Wait until it ends by itself."""
        self._popen.wait(within_s)

    def cpu_s(self) -> float:
        """Return the CPU time it has used, user and system, of all its threads."""
        fields = Path(f"/proc/{self._popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Return how much memory it holds."""
        pages = int(Path(f"/proc/{self._popen.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def tail(self) -> str:
        """Return the end of its log, for a message."""
        return self.log.read_bytes()[-2_000:].decode(errors="replace")


class Server(Process):
    """A process that speaks the part of TaskPusher's HTTP that a load test needs; `connections` push jobs to it."""

    connections = CONNECTIONS

    def __init__(self, command: Sequence[str], log: Path, port: int, core: int | None = None) -> None:
        super().__init__(command, log, core)
        self.port = port

    def call(self, method: str, path: str, body: str | None = None) -> Any:
        """Make one request and return the JSON of its answer; an answer of 400 and above is an error."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=HTTP_TIMEOUT_S)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:200]!r}")
        return json.loads(content)

    def behind_cpu_s(self) -> float:
        """Return the CPU time of the servers that it hands its work on to."""
        return 0.0

    def states(self) -> dict[str, int]:
        """Return how many jobs are in each state, by the server's own counters."""
        states: dict[str, int] = self.call("GET", "/stats")["states"]
        return states

    def pause(self) -> None:
        """Start no more calls."""
        self.call("POST", "/queues/default/pause")

    def resume(self) -> None:
        """Start calls again."""
        self.call("POST", "/queues/default/resume")

    def wait_ready(self, within_s: float = START_WITHIN_S, every_s: float = 0.02) -> None:
        """Wait until /ready answers 200."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if not self.alive:
                raise RuntimeError(f"it ended at its start:\n{self.tail()}")
            try:
                self.call("GET", "/ready")
            except (OSError, http.client.HTTPException, RuntimeError):
                time.sleep(every_s)
            else:
                return
        raise TimeoutError(f"not ready within {within_s:g} s:\n{self.tail()}")

    def wait_states(self, *states: str, within_s: float) -> None:
        """Wait until no job is in one of these states."""
        deadline = time.monotonic() + within_s
        while any(self.states()[state] for state in states):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {within_s:g} s: {self.states()}")
            time.sleep(0.05)


def user_s_of_others(cores: Sequence[int]) -> float:
    """Return the user CPU time that processes other than this one and its children have used on these cores.

    User time alone: what the kernel does for loopback traffic is nobody's in /proc/PID/stat.
    """
    names = {f"cpu{core}" for core in cores}
    lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    ticks = sum(int(line[1]) + int(line[2]) for line in lines if line[0] in names)
    me = os.getpid()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended since
        if me in (int(stat.parent.name), int(fields[1])):
            ticks -= int(fields[11])
    return ticks / os.sysconf("SC_CLK_TCK")


def start_node(
    folder: Path, *, concurrency: int, core: int | None = None, command: str | None = None, name: str | None = None
) -> Server:
    """Start TaskPusher on the store of this folder, made where there is none; its log goes to a file, as in use.

    `command` is the `taskpusher` of another version; `name` is the store's.
    """
    port = free_port()
    settings = ["--address", f"{LOOPBACK}:{port}", "--store", str(folder / "store")]
    if name is not None:
        settings += ["--name", name]
    line = [command or taskpusher_command(), *settings, "--concurrency", str(concurrency)]
    return Server(line, folder / "node.log", port, core)


@contextmanager
def _on_core(core: int | None) -> Iterator[None]:
    """A child inherits the affinity of its parent, from its first instruction on."""
    if core is None:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
