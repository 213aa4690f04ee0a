"""What loads a server under test: wrk, a prefill in arrays of 1,000 jobs, and the target that its jobs call."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self
from urllib.request import urlopen

from processes import HERE, HTTP_TIMEOUT_S, LOOPBACK, Process, Server, SetupError, free_port, script

JOBS_AN_ARRAY = 1_000  # the most that POST /add takes in one
_PREFILL_THREADS = 2  # one builds arrays while the answer to another is on its way

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen {address} backlog=4096;
    location = /status {{ stub_status; }}
    location / {{ default_type text/plain; return 200 "ok"; }}
  }}
}}
"""


class Target:
    """What jobs call: nginx where it is installed, else a small server of this folder. Both count their requests."""

    def __init__(self, port: int) -> None:
        self._address = f"http://{LOOPBACK}:{port}"
        self.url = f"{self._address}/job"
        self._looks = 0

    def calls(self) -> int:
        """Return how many requests it has answered, without those that ask for this number."""
        with urlopen(f"{self._address}/status", timeout=HTTP_TIMEOUT_S) as answer:
            counters = answer.read().decode()
        self._looks += 1
        return int(counters.split("\n")[2].split()[2]) - self._looks


@contextmanager
def target(folder: Path, core: int) -> Iterator[Target]:
    """Run the target on a core."""
    port = free_port()
    nginx = find_nginx()
    if nginx is not None:
        conf = folder / "nginx.conf"
        conf.write_text(_NGINX.format(folder=folder, address=f"{LOOPBACK}:{port}"))
        command = [nginx, "-p", str(folder), "-e", str(folder / "nginx.err"), "-c", str(conf)]
    else:
        command = script("lean.py", port, "-", 0, "adds")
    with Process(command, folder / "target.log", core) as process:
        found = Target(port)
        for _ in range(200):
            try:
                found.calls()
            except OSError:
                if not process.alive:
                    break
                time.sleep(0.02)
            else:
                yield found
                return
        raise RuntimeError(f"the target does not start:\n{process.tail()}")


def find_nginx() -> str | None:
    """Return where nginx is; a plain user's PATH has no sbin on Debian."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")


def find_wrk() -> str:
    """Return where wrk is."""
    found = shutil.which("wrk")
    if found is None:
        raise SetupError(
            "wrk is missing: apt-get install wrk nginx-light (Debian, Ubuntu), dnf install wrk nginx (Fedora)"
        )
    return found


class Wrk(NamedTuple):
    """What wrk says of its run."""

    requests: int
    errors: str | None


class Adding:
    """wrk on its way: as many requests as it gets answered, over `seconds`."""

    def __init__(self, port: int, target_url: str, seconds: int, core: int, connections: int) -> None:
        url = f"http://{LOOPBACK}:{port}/add"
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "adds.lua")]
        command = ["taskset", "-c", str(core), find_wrk(), *options, url, "--", target_url]
        self._seconds = seconds
        self._popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.communicate()

    def result(self) -> Wrk:
        """Wait for its end and return what it says."""
        text, _ = self._popen.communicate(timeout=self._seconds + 30)
        done = re.search(r"(\d+) requests in", text)
        bad = re.findall(r"(Non-2xx.*|Socket errors.*)", text)
        if done is None:
            return Wrk(0, f"wrk failed: {text[-300:]}")
        return Wrk(int(done[1]), "; ".join(bad) or None)


def prefill(
    server: Server, jobs: int, target_url: str, first: int = 0, fields: Callable[[int], str] = lambda _: ""
) -> None:
    """Add `jobs` jobs, each with a fresh URL and more `fields` by its number; meant for a queue that is paused."""

    def add(start: int) -> None:
        numbers = range(start, min(start + JOBS_AN_ARRAY, first + jobs))
        jobs_text = ",".join(f'{{"url":"{target_url}?p={n}"{fields(n)}}}' for n in numbers)
        results = server.call("POST", "/add", f"[{jobs_text}]")
        stored = sum(result.get("status") == 201 for result in results)
        if stored != len(numbers):
            raise RuntimeError(f"{stored} of {len(numbers)} jobs of an array were stored")

    with ThreadPoolExecutor(_PREFILL_THREADS) as threads:
        for _ in threads.map(add, range(first, first + jobs, JOBS_AN_ARRAY)):
            pass
