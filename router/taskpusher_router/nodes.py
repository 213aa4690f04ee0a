"""The nodes of a cluster as a router sees them: how each is, and calls to it."""

import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, NamedTuple

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from taskpusher import headers
from taskpusher.access import ANYBODY, Caller, speaking_for
from taskpusher.histogram import Histogram
from taskpusher.phase import Phase

from .members import Member
from .ring import Ring

CONNECT_S = 1.0  # a node is on the same network
KEPT_S = 30.0  # an idle connection: shorter than nodes keep theirs, so that they hardly ever hang up on a request
MISSES = 2  # so many times no answer in time, and a node is down

_REASON_MAX = 200
_PLAIN_MAX = 1 << 20  # what aiohttp writes in one go

_NOT_LET_IN = frozenset({401, 421})
_TAKES_ADDS = frozenset({Phase.READY, Phase.STOPPING})


class Answer(NamedTuple):
    """What a node answered."""

    status: int
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def of_a_node(self) -> bool:
        """Whether a node gave it, and one that lets this router in: its clients were let in by the router."""
        return headers.VERSION in self.headers and self.status not in _NOT_LET_IN


class NotReached(Exception):
    """Surely nothing was sent: the name is unknown, nobody listens, or no connection came about in time."""


class Unanswered(Exception):
    """Something was sent, and no whole answer came: what became of it is unknown."""


class Link:
    """What calls to all nodes are made with."""

    def __init__(self, http: aiohttp.ClientSession, token: str | None) -> None:
        self.http = http
        self.token = token  # the cluster's


class Node:
    """A member, how it is, and what was asked of it. `ready` is what it last said of itself at /ready."""

    def __init__(self, member: Member, link: Link) -> None:
        self.member = member
        self.up = False
        self.why_down: str | None = None  # what came of the last call that says how it is, if it was none
        self.kept_out: str | None = None  # a sentence: why nothing may be sent to it
        self.ready: dict[str, Any] | None = None
        self.phase: Phase | None = None  # the one that it last told, None where it told none that is known
        self.results: Counter[tuple[str, str]] = Counter()  # (op, result) -> calls
        self.durations = Histogram()
        self._link = link
        self._misses = 0

    @property
    def name(self) -> str:
        """Its name: the member's and the store's."""
        return self.member.name

    @property
    def usable(self) -> bool:
        """Whether calls may go to it."""
        return self.up and self.kept_out is None

    @property
    def takes_new(self) -> bool:
        """Whether work that may go to any node goes to it: not while it drains, stops or lacks disk."""
        return self.usable and self.phase is Phase.READY

    @property
    def takes_its_own(self) -> bool:
        """Whether work that no other node may take goes to it: a stopping node keeps it for its next start."""
        return self.usable and self.phase in _TAKES_ADDS

    def answered(self, ready: dict[str, Any]) -> bool:
        """It said how it is; returns whether it was down."""
        came_up, self.up = not self.up, True
        self.why_down = None
        self.ready, self._misses = ready, 0
        told = ready.get("state")
        self.phase = Phase(told) if told in tuple(Phase) else None
        return came_up

    def missed(self, reason: str) -> bool:
        """It did not answer in time; returns whether that makes it down."""
        self._misses += 1
        return self._misses >= MISSES and self.gone(reason)

    def gone(self, reason: str) -> bool:
        """It refuses connections; returns whether it was up."""
        self.why_down = reason[:_REASON_MAX]
        was_up, self.up = self.up, False
        return was_up

    async def call(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        body: bytes | None = None,
        sent: Mapping[str, str] | None = None,
        caller: Caller = ANYBODY,
        op: str | None = None,
    ) -> Answer:
        """Make one call; `path` with its query is sent as it is, `op` is what the metrics name it by.

        Raises NotReached or Unanswered.
        """
        op = op or ("read" if method == "GET" else "change")
        begin = monotonic()
        try:
            answer = await self._call(method, path, timeout_s, body, {**(sent or {}), **self._said_of(caller)})
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self.results[op, "not_reached"] += 1
            raise NotReached(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.results[op, "unanswered"] += 1
            raise Unanswered(str(error) or f"no whole answer within {timeout_s:g} s") from error
        self.durations.observe(monotonic() - begin)
        self.results[op, f"{answer.status // 100}xx"] += 1
        return answer

    async def _call(
        self, method: str, path: str, timeout_s: float, body: bytes | None, sent: Mapping[str, str]
    ) -> Answer:
        async with self._link.http.request(
            method,
            URL(self.member.url + path, encoded=True),
            data=io.BytesIO(body) if body is not None and len(body) > _PLAIN_MAX else body,
            headers=sent,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=timeout_s,
                sock_connect=min(CONNECT_S, timeout_s),
                ceil_threshold=math.inf,  # else 5 s are rounded up to as much as 6
            ),
        ) as response:
            return Answer(response.status, await response.read(), response.headers)

    def _said_of(self, caller: Caller) -> dict[str, str]:
        """Return the headers by which a node knows the router, and for whom it asks."""
        if self._link.token is None:
            return {}
        return {"Authorization": f"Bearer {self._link.token}", **speaking_for(caller)}


class Nodes:
    """All members in order, and the ring that places by them."""

    ring: Ring
    shares: dict[str, float]  # of all keys, by member

    def __init__(self, members: Iterable[Member], link: Link) -> None:
        self._link = link
        self._by_name: dict[str, Node] = {}
        self.replace(members)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    def get(self, name: str) -> Node | None:
        """Return a member."""
        return self._by_name.get(name)

    def owner(self, affinity: str) -> Node:
        """Return the member that a text belongs to."""
        return self._by_name[self.ring.owner(affinity)]

    def usable(self) -> list[Node]:
        """Return those that calls may go to; where none is up, all that are not kept out: one may be back."""
        allowed = [node for node in self if node.kept_out is None]
        return [node for node in allowed if node.up] or allowed

    def replace(self, members: Iterable[Member]) -> None:
        """Take other members; one whose name and URL stay is known as before."""
        before = self._by_name
        after: dict[str, Node] = {}
        for member in members:
            known = before.get(member.name)
            if known is None or known.member.url != member.url:
                known = Node(member, self._link)
            known.member = member
            after[member.name] = known
        self.ring = Ring({node.name: node.member.weight for node in after.values()})
        self.shares = self.ring.shares()
        self._by_name = after
        self.keep_out_strangers()

    def keep_out_strangers(self) -> None:
        """Keep out who goes by another name, and all whose store has the id of another member's that is up."""
        owners: dict[str, list[str]] = {}
        for node in self:
            if node.up and node.ready is not None and node.ready.get("store_id") is not None:
                owners.setdefault(str(node.ready["store_id"]), []).append(node.name)
        for node in self:
            if node.kept_out is not None and not node.up:
                continue  # a copy that was stopped is one when it comes back
            told = node.ready or {}
            twins = [name for name in owners.get(str(told.get("store_id")), []) if name != node.name]
            if told.get("name") not in (None, node.name):
                node.kept_out = f"it is {str(told['name'])[:40]}, not {node.name}: give it the name of its store"
            elif twins:
                node.kept_out = f"its store is that of {', '.join(twins)} too: one of them is a copy, stop it"
            else:
                node.kept_out = None
