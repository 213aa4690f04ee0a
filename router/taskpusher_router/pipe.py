"""Hands adds to one node, many in one call: what arrived while the last call was under way makes the next one.

    add --+                            +-- uid --> client
    add --+--> waiting --> [a,b,c] --> node --> [uid,uid,problem]
    add --+     (while a call is under way)

So nobody waits for company, and the more there is to do the fewer calls it takes.
"""

import asyncio
from collections import deque
from math import inf
from time import monotonic
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from taskpusher.adding import ADDS
from taskpusher.histogram import Histogram

from .nodes import Answer, Node, NotReached, Unanswered

BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

_UNREADABLE = frozenset({400, 413})  # what one job may do to all of a call


class Handed(Struct):
    """What a node says of one job: stored under a uid, or the problem."""

    uid: str | None = None
    status: int = 0
    deduplicated: bool = False
    replaced: bool = False
    error: dict[str, Any] | None = None


class Refused(Exception):
    """The node refused a call as a whole; surely nothing of it was stored."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Overdue(Exception):
    """Nothing was sent: its turn did not come in time."""


class _Item(NamedTuple):
    envelope: bytes
    deadline: float
    handed: asyncio.Future[Handed]


_decode = msgspec.json.Decoder(list[Handed]).decode


class Pipe:
    """The way to one node. One call is under way at a time; its timeout makes every job of it unknown."""

    def __init__(self, node: Node, *, max_jobs: int, max_bytes: int, timeout_s: float, coalesced: Histogram) -> None:
        self._node = node
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._coalesced = coalesced
        self._waiting: deque[_Item] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def put(self, envelope: bytes, deadline: float = inf) -> Handed:
        """Hand one job over, in JSON; raises NotReached, Unanswered, Refused or Overdue."""
        handed: asyncio.Future[Handed] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Item(envelope, deadline, handed))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="pipe")
        return await handed

    def give_up_waiting(self, reason: str) -> None:
        """The node is down: what was not sent to it may go elsewhere."""
        waiting, self._waiting = self._waiting, deque()
        _fail(waiting, NotReached(reason))

    async def _send(self) -> None:
        try:
            while items := self._next():
                await self._hand_over(items)
        finally:
            self._sending = None

    def _next(self) -> list[_Item]:
        items: list[_Item] = []
        size, now_s = 0, monotonic()
        while self._waiting and len(items) < self._max_jobs:
            item = self._waiting[0]
            if item.deadline < now_s:
                _fail([self._waiting.popleft()], Overdue())
                continue
            size += len(item.envelope)
            if items and size > self._max_bytes:
                break
            items.append(self._waiting.popleft())
        return items

    async def _hand_over(self, items: list[_Item]) -> None:
        body = b"[" + b",".join([item.envelope for item in items]) + b"]"
        self._coalesced.observe(len(items))
        try:
            answer = await self._node.call(
                "POST", "/add", body=body, sent={"Content-Type": ADDS}, timeout_s=self._timeout_s, op="add"
            )
        except (NotReached, Unanswered) as error:
            _fail(items, error)
            return
        except BaseException:
            _fail(items, Unanswered("the router is stopping"))
            raise
        if answer.status in _UNREADABLE and len(items) > 1:
            half = len(items) // 2  # too large together, or one is nested too deeply: it is found in few calls
            await self._hand_over(items[:half])
            await self._hand_over(items[half:])
        elif answer.status != 200:  # noqa: PLR2004
            _fail(items, Refused(answer))
        else:
            _settle(items, answer.body)


def _settle(items: list[_Item], body: bytes) -> None:
    try:
        all_handed = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _fail(items, Unanswered(f"its answer cannot be read: {error}"))
        return
    if len(all_handed) != len(items):
        _fail(items, Unanswered("it answered of another number of jobs"))
        return
    for item, handed in zip(items, all_handed, strict=True):
        if not item.handed.done():  # a client that hung up has taken its job's future with it
            item.handed.set_result(handed)


def _fail(items: "deque[_Item] | list[_Item]", error: Exception) -> None:
    for item in items:
        if not item.handed.done():
            item.handed.set_exception(error)
