"""Finds the node for a job and hands it over: where else it may go, when it is tried again, what is told at the end.

affinity (limit, key, unique, idempotency key)?  its owner, and nobody else: elsewhere its promise would break
none?  the nodes in the order of the ring, past those that are down, draining, stopping or low on disk
refused, surely not sent  ->  the next node, under a new uid
no answer, may be stored  ->  the same node and uid again, until it answers or the time is over
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any, NamedTuple

import orjson

from taskpusher import codec, errors
from taskpusher import uid as uids
from taskpusher.errors import Problem

from .budget import RetryBudget
from .nodes import Answer, Node, Nodes, NotReached, Unanswered
from .pipe import Handed, Overdue, Pipe, Refused
from .placing import Place

RETRY_AFTER_S = 2  # a node that was killed is mostly back by then

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_DOWN = frozenset({errors.Draining.type, errors.Starting.type})  # what a node tells that is about to be none
_NOT_LET_IN = frozenset({401, 403, 421})
_NODE_FAILED = 500


_HALF = re.compile(r"[\ud800-\udfff]")  # half a character, which JSON cannot tell; no node takes \0 either


class Asked(NamedTuple):
    """An add as a client sent it: `job` is the member of its envelope that has it, `rest` those behind that."""

    place: Place
    job: bytes
    rest: bytes = b""


def asked_of(place: Place, kind: str, text: bytes, trace: Mapping[str, str], keys: Any) -> Asked:
    """Return an add whose `text` is JSON: of kind "json" the job itself, of kind "form" a text of it."""
    rest = b""
    if trace:
        rest += b',"trace":' + codec.to_json(trace)
    if keys:
        rest += b',"keys":' + codec.to_json([_HALF.sub("\0", key) for key in keys])
    return Asked(place, b'"%s":%s' % (kind.encode(), text), rest)


class _NotTaken(Exception):
    """Surely not stored; `problem` says why, `sent` if the node was asked, `elsewhere` if another may take it."""

    def __init__(self, problem: Problem | Handed, *, sent: bool = True, elsewhere: bool = True) -> None:
        super().__init__()
        self.problem = problem
        self.sent = sent
        self.elsewhere = elsewhere


class Placer:
    """Hands jobs to nodes. `suspect` hears of a node that refuses connections."""

    def __init__(
        self,
        nodes: Nodes,
        pipe_of: Callable[[Node], Pipe],
        suspect: Callable[[Node, str], None],
        *,
        timeout_s: float,
    ) -> None:
        self._nodes = nodes
        self._pipe_of = pipe_of
        self._suspect = suspect
        self._timeout_s = timeout_s
        self._budget = RetryBudget(monotonic)
        self.retries: Counter[str] = Counter()  # by reason
        self.unknown = 0

    async def add(self, asked: Asked) -> Handed:
        """Hand one job over; returns what the node said of it, its refusal too. Raises OwnerDown, UnknownAtNode."""
        self._budget.request()
        if asked.place.uid is not None:
            handing = self._hand_over(self._of_uid(asked.place.uid), asked.place.uid, asked, given=True)
        elif asked.place.affinity is not None:
            handing = self._to_owner(asked.place.affinity, asked)
        else:
            handing = self._to_any(asked)
        try:
            return await handing
        except _NotTaken as error:
            if isinstance(error.problem, Problem):
                raise error.problem from None
            return error.problem

    async def _to_owner(self, affinity: str, asked: Asked) -> Handed:
        node = self._nodes[self._nodes.ring.owner(affinity)]
        if not (node.takes_its_own or self._may_be_back(node)):
            raise _NotTaken(_owner_down(node))
        return await self._hand_over(node, uids.mint(node.name), asked)

    async def _to_any(self, asked: Asked) -> Handed:
        refused: _NotTaken | None = None
        id_part = uids.mint("x")[: uids.ID_DIGITS]  # of its uid, and by which it is placed
        for node in self._candidates(id_part):
            uid = f"{id_part}-{node.name}"
            if refused is not None:
                self.retries["next_node"] += 1
                uid = uids.mint(node.name)
            try:
                return await self._hand_over(node, uid, asked)
            except _NotTaken as error:
                if not error.elsewhere:
                    raise
                refused = error
        raise refused or errors.OwnerDown("no node takes jobs at the moment", retry_after_s=RETRY_AFTER_S)

    def _candidates(self, id_part: str) -> Iterator[Node]:
        """Yield the nodes in the order of the ring: those that take new work; where none does, all that might."""
        order = self._nodes.ring.order(id_part)
        taking, passed = False, []
        for name in order:  # mostly the first one is it, and the others are not looked for
            node = self._nodes.get(name)  # none: it has left while another was asked
            if node is not None and node.takes_new:
                taking = True
                yield node
            elif node is not None:
                passed.append(node)
        if not taking:
            yield from [node for node in passed if node.takes_its_own] or filter(self._may_be_back, passed)

    def _may_be_back(self, node: Node) -> bool:
        """Tell whether a node that is down is tried all the same, since no other is up."""
        return node.kept_out is None and not any(each.usable for each in self._nodes)

    def _of_uid(self, uid: str) -> Node:
        name = uids.name_of(uid)
        node = self._nodes.get(name) if name is not None else None
        if node is None:
            raise errors.InvalidField([("uid", "a uid of a node of this cluster")])
        if not (node.takes_its_own or self._may_be_back(node)):
            raise _owner_down(node)
        return node

    async def _hand_over(self, node: Node, uid: str, asked: Asked, *, given: bool = False) -> Handed:
        """Hand a job to one node under one uid, again and again while nobody knows whether it is stored."""
        before = b"{" if given else b'{"uid":"%s",' % uid.encode()
        envelope = before + asked.job + asked.rest + b"}"
        deadline = monotonic() + self._timeout_s
        pause_s = _FIRST_PAUSE_S
        unknown = False
        while True:
            try:
                handed = await self._try(node, envelope, deadline)
            except _NotTaken as error:
                if not unknown:
                    raise
                if not error.sent:
                    self._budget.give_back()
            else:
                if handed is not None:
                    return handed if given else _own(handed, uid)
                unknown = True
            if monotonic() + pause_s >= deadline or not self._budget.take():
                self.unknown += 1
                raise errors.UnknownAtNode(
                    f"node {node.name} may have stored it; repeat the add with this uid",
                    retry_after_s=RETRY_AFTER_S,
                    uid=uid,
                )
            self.retries["unknown"] += 1
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _try(self, node: Node, envelope: bytes, deadline: float) -> Handed | None:
        """Hand a job over once; None where it is unknown what became of it. Raises _NotTaken."""
        try:
            return await self._pipe_of(node).put(envelope, deadline)
        except NotReached as error:
            self._suspect(node, str(error))
            raise _NotTaken(_owner_down(node), sent=False) from error
        except Overdue as error:
            busy = errors.Busy(f"node {node.name} has more to do than it takes", retry_after_s=RETRY_AFTER_S)
            raise _NotTaken(busy, sent=False, elsewhere=False) from error
        except Unanswered:
            return None
        except Refused as error:
            refusal = _refusal(node, error.answer)
            if refusal is None:
                return None
            elsewhere = isinstance(refusal, Problem) or error.answer.status >= _NODE_FAILED
            raise _NotTaken(refusal, elsewhere=elsewhere) from error


def _own(handed: Handed, uid: str) -> Handed:
    """Return what became of a job whose uid was minted here: if an earlier try has stored it, so has this add."""
    if handed.error is not None:
        return Handed(uid, 201) if handed.error.get("type") == errors.Conflict.type else handed
    if handed.uid == uid and not (handed.deduplicated or handed.replaced):
        handed.status = 201
    return handed


def _owner_down(node: Node) -> errors.OwnerDown:
    return errors.OwnerDown(
        f"node {node.name} does not take jobs at the moment", retry_after_s=RETRY_AFTER_S, node=node.name
    )


def _refusal(node: Node, answer: Answer) -> Problem | Handed | None:
    """Return what a node said instead of taking a call; None where something of it may be stored all the same."""
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict) or document.get("status") != answer.status:
        document = {}  # not of a node: a proxy perhaps, which knows no more than that it has no answer
    if answer.status >= _NODE_FAILED and document.get("stored") is not False:
        return None
    if not document or answer.status in _NOT_LET_IN:
        return errors.OwnerDown(
            f"node {node.name} refuses this router by {answer.status}: have both the same cluster_token",
            retry_after_s=RETRY_AFTER_S,
        )
    if document.get("type") in _DOWN:
        return errors.OwnerDown(
            f"node {node.name} takes no jobs: {document.get('detail')}", retry_after_s=RETRY_AFTER_S, node=node.name
        )
    return Handed(error=document)
