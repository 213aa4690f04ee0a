"""Kills a node with SIGKILL again and again while clients add and jobs run, then looks for every acknowledged job.

python loadtest/kill.py [--rounds N] [--clients N] [--seed N] [--json FILE]

Clean is: the node knows every acknowledged uid, each ended, and its URL was called at least once. A call that was on
its way when the node died is made again; that is what "at least once" says, and it is counted. A job under which the
node died three times in a row ends in the error `crashed-node`: it is known, called and ended, and counted apart.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parent))  # the test suite loads this file by its path

from processes import LOOPBACK, Server, free_port, run_folder, script, start_node

CONCURRENCY = 32
LIVES_S = 0.4, 1.0  # how long a node works before it is killed
END_WITHIN_S = 1_200.0
CHECKERS = 16
ARRAY_JOBS = 10
UIDS_SHOWN = 10
UNENDED = frozenset({"waiting", "scheduled", "running"})


@dataclass
class Report:
    """What the rounds gave."""

    rounds: int
    acknowledged: int = 0
    refused: int = 0  # answers other than 201; nothing was promised
    calls: int = 0
    called_again: int = 0  # acknowledged jobs that were called more than once
    crashed_node: int = 0
    starts_s: list[float] = field(default_factory=list)
    lost: int = 0
    unended: int = 0
    uncalled: int = 0
    wrong_end: int = 0  # ended, neither completed nor crashed-node
    uids: dict[str, list[str]] = field(default_factory=dict)  # the first few of what is amiss

    @property
    def passed(self) -> bool:
        """Whether every acknowledged job was kept, called and ended well."""
        return not (self.lost or self.unended or self.uncalled or self.wrong_end)

    def amiss(self, what: str, uid: str) -> None:
        """Count a job that is `lost`, `unended`, `uncalled` or came to a `wrong_end`."""
        setattr(self, what, getattr(self, what) + 1)
        known = self.uids.setdefault(what, [])
        if len(known) < UIDS_SHOWN:
            known.append(uid)

    def text(self) -> str:
        """Return it for people."""
        lines = [
            f"{self.rounds} SIGKILLs, {self.acknowledged:,} jobs acknowledged, {self.calls:,} calls of all jobs",
            f"started again in {min(self.starts_s):.2f}-{max(self.starts_s):.2f} s",
            f"lost: {self.lost}, not ended: {self.unended}, not called: {self.uncalled}, wrong end: {self.wrong_end}",
            *(f"  {what}: {', '.join(uids)}" for what, uids in self.uids.items()),
            f"called more than once: {self.called_again:,} (under way at a kill, so made again)",
            f"ended as crashed-node: {self.crashed_node:,} (under way at three kills in a row)",
            f"adds refused: {self.refused:,}",
            "PASS" if self.passed else "FAIL",
        ]
        return "\n".join(lines)


def run(rounds: int, *, clients: int = 32, seed: int | None = None, folder: Path | None = None) -> Report:
    """Do it all, in this folder or in one of its own, and return what came out."""
    if folder is None:
        with run_folder() as own:
            return run(rounds, clients=clients, seed=seed, folder=own)
    port = free_port()
    with Server(script("target.py", port), folder / "target.log", port) as target:
        target.wait_ready()
        return _rounds(rounds, clients, random.Random(seed), folder, target)


def _rounds(rounds: int, clients: int, chance: random.Random, folder: Path, target: Server) -> Report:
    report = Report(rounds)
    adding = _Adding(f"http://{LOOPBACK}:{target.port}/job", report)
    for number in range(rounds):
        with _node(folder, report) as node:
            asyncio.run(adding.until_killed(node, clients, chance.uniform(*LIVES_S)))
        print(f"kill {number + 1}: {len(adding.acknowledged):,} acknowledged", file=sys.stderr)
    with _node(folder, report) as node:
        node.wait_states(*UNENDED, within_s=END_WITHIN_S)
        _check_calls(adding.acknowledged, target, report)
        asyncio.run(_check_jobs(list(adding.acknowledged), node, report))
    report.acknowledged = len(adding.acknowledged)
    return report


def _node(folder: Path, report: Report) -> Server:
    start = time.monotonic()
    node = start_node(folder, concurrency=CONCURRENCY)
    try:
        node.wait_ready()
    except BaseException:
        node.kill()
        raise
    report.starts_s.append(time.monotonic() - start)
    return node


class _Adding:
    """Clients that add as fast as they can, and remember what they were promised."""

    def __init__(self, target_url: str, report: Report) -> None:
        self._target_url = target_url
        self._report = report
        self._numbers = count()
        self.acknowledged: dict[str, str] = {}  # uid -> path of its URL

    async def until_killed(self, node: Server, clients: int, after_s: float) -> None:
        """Add from all clients until the node is killed under them."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            url = f"http://{LOOPBACK}:{node.port}/add"
            # one in eight sends arrays, so that a kill falls into these, too
            tasks = [asyncio.create_task(self._client(session, url, array=n % 8 == 7)) for n in range(clients)]
            await asyncio.sleep(after_s)
            node.kill()
            await asyncio.gather(*tasks)

    async def _client(self, session: aiohttp.ClientSession, url: str, *, array: bool) -> None:
        while True:
            numbers = [next(self._numbers) for _ in range(ARRAY_JOBS if array else 1)]
            jobs = [{"url": f"{self._target_url}/{number}"} for number in numbers]
            try:
                async with session.post(url, json=jobs if array else jobs[0]) as answer:
                    content = await answer.json(content_type=None)
            except (aiohttp.ClientError, OSError, ValueError):
                return  # the node is dead; whether it has stored these is not known, and not asked
            if answer.status != 201:
                self._report.refused += 1
                continue
            for number, result in zip(numbers, content if array else [content], strict=True):
                self.acknowledged[result["uid"]] = f"/job/{number}"


def _check_calls(acknowledged: dict[str, str], target: Server, report: Report) -> None:
    calls = Counter({(uid, url): times for uid, url, times in target.call("GET", "/calls")})
    report.calls = calls.total()
    for job in acknowledged.items():
        report.called_again += calls[job] > 1
        if calls[job] == 0:
            report.amiss("uncalled", job[0])


async def _check_jobs(uids: list[str], node: Server, report: Report) -> None:
    async with aiohttp.ClientSession() as session:

        async def check(part: list[str]) -> None:
            for uid in part:
                async with session.get(f"http://{LOOPBACK}:{node.port}/job/{uid}") as answer:
                    _judge(uid, answer.status, await answer.json(content_type=None), report)

        await asyncio.gather(*(check(uids[n::CHECKERS]) for n in range(CHECKERS)))


def _judge(uid: str, status: int, job: dict[str, object], report: Report) -> None:
    error = job.get("error")
    if status != 200:
        report.amiss("lost", uid)
    elif job["state"] in UNENDED:
        report.amiss("unended", uid)
    elif isinstance(error, dict) and error.get("kind") == "crashed-node":
        report.crashed_node += 1
    elif job["state"] != "completed":
        report.amiss("wrong_end", uid)


def main() -> int:
    """Run it and print the report; 1 where anything is amiss."""
    parser = argparse.ArgumentParser(prog="kill.py", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=100, help="how often the node is killed, at most 1,000 (100)")
    parser.add_argument("--clients", type=int, default=32, help="how many add at once, at most 256 (32)")
    parser.add_argument("--seed", type=int, help="for the same lengths of life again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too")
    options = parser.parse_args()
    if not (1 <= options.rounds <= 1_000 and 1 <= options.clients <= 256):
        parser.error("1 to 1,000 rounds with 1 to 256 clients")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    report = run(options.rounds, clients=options.clients, seed=options.seed)
    print(report.text())
    if options.json is not None:
        options.json.write_text(json.dumps({**asdict(report), "passed": report.passed}, indent=1))
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
