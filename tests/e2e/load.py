"""Sixteen clients that add through two routers and keep account, and a reader that holds listings to their word."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import Self

import aiohttp

from .account import DAY_S, Account, Add
from .cluster import Cluster
from .processes import Target

CLIENTS = 16
PAUSE_S = 0.05  # of a client between two adds: the machine has other things to do as well
AGAIN_S = 0.1
LINES = 2  # of a client
LINE_JOB_S = 0.2  # so that jobs of a line wait for each other on their node
BACKLOG = 8
STAYING = 60  # jobs that stay where they are, so that every walk must find them all
PAGE = 20
ACKNOWLEDGED = (200, 201)
NO_NODE = (502, 503)  # what a listing may answer instead of a page


class Load:
    """Runs inside `async with`, from the first add on; `account` is complete behind it."""

    def __init__(self, cluster: Cluster, target: Target) -> None:
        self.cluster = cluster
        self.target = target
        self.account = Account()
        self.staying: dict[str, str] = {}  # the node of each uid
        self._by_key: dict[str, Add] = {}
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        for _ in range(STAYING):
            add = self.account.new()
            await self._until_stored(self._fields(add, delay=DAY_S), add, cycle(self._urls()))
            self.staying[add.uid] = add.uid.rpartition("-")[2]
        assert set(self.staying.values()) == set(self.cluster.nodes), "every node has some"
        running = [*map(self._client, range(CLIENTS)), *map(self._read, self._urls())]
        self._tasks = [asyncio.create_task(one) for one in running]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let every client finish what it has begun."""
        self._over.set()
        try:
            async with asyncio.timeout(40):
                await asyncio.gather(*self._tasks)
        finally:
            await self._http.close()

    async def more(self, n: int = 50) -> None:
        """Wait until so many more keyless adds were answered with 201."""
        wanted = self.account.keyless[201] + n
        async with asyncio.timeout(20):
            while self.account.keyless[201] < wanted:
                await asyncio.sleep(0.05)
                for task in self._tasks:
                    assert not task.done() or task.result() is not None, task

    async def until_repeated(self) -> None:
        """Wait until an add whose outcome was unknown was sent again, with its uid or its idempotency key."""
        async with asyncio.timeout(20):
            while not self.account.repeated:
                await asyncio.sleep(0.05)

    async def by_keys(self, n: int) -> dict[str, tuple[int, str]]:
        """Add so many jobs, each with an idempotency key; the same ones at each call. Returns number and uid by key."""
        told = {}
        for number, url in zip(range(n), cycle(self._urls()), strict=False):
            key = f"key-{number}"
            if key not in self._by_key:
                self._by_key[key] = self.account.new()
            add = self._by_key[key]
            status, answer = await self._add(url, self._fields(add, idempotency_key=key))
            assert status in ACKNOWLEDGED, answer
            add.uid = answer["uid"]
            told[key] = add.n, answer["uid"]
        return told

    async def faults(self, *, without: str | None = None, moved: frozenset[str] = frozenset()) -> dict:
        """Return what is wrong once all jobs have run; as a control, as if a node were not there."""
        await self.cluster.until_idle()
        jobs = [job for job in await self.cluster.jobs() if job["node"] != without]
        calls = [uid for uid, _ in self.target.numbers]
        return self.account.faults(jobs, [*self.staying, *calls], moved=moved)

    def _urls(self) -> list[str]:
        return [router.url for router in self.cluster.routers]

    def _fields(self, add: Add, path: str = "ok?", **fields: object) -> dict[str, object]:
        return {"url": f"{self.target.url}/{path}n={add.n}", "meta": {"n": add.n}, **fields}

    async def _client(self, number: int) -> None:
        """Add by this router and that: half of the clients what may be anywhere, the others lines and what is once."""
        urls = cycle(self._urls()[number % 2 :] + self._urls()[: number % 2])
        if number < CLIENTS // 2:
            while not self._over.is_set():
                await self._keyless(next(urls))
        elif number < 3 * CLIENTS // 4:
            await self._lines(number, urls)
        else:
            while not self._over.is_set():
                add = self.account.new()
                await self._until_stored(self._fields(add, idempotency_key=f"once-{add.n}"), add, urls)

    async def _lines(self, number: int, urls: Iterator[str]) -> None:
        """Add jobs of this line and of that, each when the one before is acknowledged, faster than they run."""
        lines = [(f"line-{number}-{n}", deque[str](maxlen=BACKLOG)) for n in range(LINES)]
        for n in cycle(range(LINES)):
            if self._over.is_set():
                break
            line, uids = lines[n]
            if len(uids) == BACKLOG and not self.target.calls[uids[0]]:
                await asyncio.sleep(PAUSE_S)
                continue
            add = self.account.new(line)
            await self._until_stored(self._fields(add, f"slow?s={LINE_JOB_S}&", key=line, ordered=True), add, urls)
            if add.uid is not None:
                uids.append(add.uid)
            else:  # what comes behind it could overtake it
                lines[n] = f"{line}-again", deque(maxlen=BACKLOG)

    async def _keyless(self, url: str) -> None:
        """Add a job that may be anywhere; what is refused is not tried again, what is unknown is, by its uid."""
        add = self.account.new()
        fields = self._fields(add)
        status, told = await self._add(url, fields)
        self.account.keyless[status] += 1
        if status in ACKNOWLEDGED:
            add.uid = told["uid"]
        elif status == 504:
            self.account.repeated += 1
            await self._until_stored({**fields, "uid": told["uid"]}, add, cycle(self._urls()))
        add.unknown = add.uid is None and status in (504, None)
        await asyncio.sleep(PAUSE_S)

    async def _until_stored(self, fields: dict[str, object], add: Add, urls: Iterable[str]) -> None:
        """Add until it is acknowledged: by its idempotency key if it has one, else by its uid once a 504 named it."""
        for url in urls:
            status, told = await self._add(url, fields)
            if status in ACKNOWLEDGED:
                add.uid, add.unknown = told["uid"], False
                break
            if status == 504:
                add.unknown = True
                self.account.repeated += 1
                if "idempotency_key" not in fields:
                    fields["uid"] = told["uid"]
            elif status is None:
                add.unknown = True
                if "idempotency_key" not in fields and "uid" not in fields:
                    break
            else:
                assert status in (429, 502, 503), (status, told)
            if self._over.is_set():
                break
            await asyncio.sleep(AGAIN_S)
        await asyncio.sleep(PAUSE_S)

    async def _add(self, url: str, fields: dict[str, object]) -> tuple[int | None, dict]:
        """Ask once; a router that nobody listens at any more is passed over. Without an answer the status is None."""
        for other in (url, *(one for one in self._urls() if one != url)):
            try:
                async with self._http.post(f"{other}/add", json=fields) as answer:
                    return answer.status, await answer.json(content_type=None)
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError):
                return None, {}
        return 503, {}

    async def _read(self, url: str) -> None:
        """Walk the jobs that stay, again and again: each walk finds them all, but for those of nodes it names."""
        while not self._over.is_set():
            try:
                await self._walk(url)
            except aiohttp.ClientError:  # the router is being restarted
                await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(PAUSE_S)

    async def _walk(self, url: str) -> None:
        found: defaultdict[str, int] = defaultdict(int)
        missing: set[str] = set()
        params = {"limit": str(PAGE)}
        while True:
            async with self._http.get(f"{url}/jobs/scheduled", params=params) as answer:
                page = await answer.json(content_type=None)
            if answer.status in NO_NODE:
                return
            assert answer.status == 200, page
            assert bool(page.get("partial")) == bool(page.get("missing")), page
            missing |= set(page.get("missing") or ())
            for job in page["jobs"]:
                found[job["uid"]] += 1
            if page["last_uid"] is None:
                break
            params["last_uid"] = page["last_uid"]
        account = self.account
        account.whole_walks += not missing
        account.partial_walks += bool(missing)
        unseen = [uid for uid, node in self.staying.items() if uid not in found and node not in missing]
        twice = [uid for uid, times in found.items() if times > 1]
        if unseen or twice:
            account.lies.append(f"{url}, missing {missing}: did not show {unseen}, showed twice {twice}")
