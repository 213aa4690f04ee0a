"""Asks many nodes at once, within a deadline: what each answered, and who did not."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
from aiohttp import hdrs, web

from taskpusher import errors
from taskpusher.access import SAFE_METHODS
from taskpusher.web import caller_of

from ..nodes import Answer, Node, Nodes, NotReached, Unanswered
from ..placer import RETRY_AFTER_S
from .query import read_partial, with_query


class NodeProblem(errors.Problem):
    """A problem as a node told it."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(str(document.get("detail")))
        self._document = document

    def document(self) -> dict[str, Any]:
        """Return it to the letter."""
        return self._document


class Answers(NamedTuple):
    """What nodes answered, by name."""

    given: dict[str, Answer]
    lacking: dict[str, NodeProblem]  # those that answered 404, where that is asked for
    missing: list[str]

    def told(self) -> dict[str, Any]:
        """Return what an answer says of those that did not."""
        return {"partial": bool(self.missing), "missing": self.missing}


class Read(NamedTuple):
    """What nodes told, in the order of the members, and what is said of those that did not."""

    by_name: dict[str, Any]
    missing: dict[str, Any]

    def listed(self, name: str) -> list[Any]:
        """Return what each node told of this name."""
        return [told[name] for told in self.by_name.values()]


class Fanout:
    """Asks the nodes on behalf of who asks the router. `suspect` hears of nodes that refuse connections."""

    def __init__(
        self,
        nodes: Nodes,
        suspect: Callable[[Node, str], None],
        *,
        timeout_s: float,
        change_timeout_s: float,
        partial: Counter[str],
    ) -> None:
        self.nodes = nodes
        self._suspect = suspect
        self._partial = partial
        self.timeout_s = timeout_s
        self._change_timeout_s = change_timeout_s

    async def read_all(self, request: web.Request, *, may_lack: bool = False) -> Read:
        """Ask every node the same as the router was asked, as far as it is not for the router alone."""
        partial_ok, pairs = read_partial(request)
        answers = await self.ask_all(request, with_query(request.rel_url.raw_path, pairs), may_lack=may_lack)
        self.check(request, answers, partial_ok=partial_ok)
        for problem in () if answers.given else answers.lacking.values():
            raise problem
        return Read({name: orjson.loads(answer.body) for name, answer in answers.given.items()}, answers.told())

    async def ask_all(self, request: web.Request, path: str, **options: Any) -> Answers:
        """Ask every node the same."""
        return await self.ask(request, {node.name: path for node in self.nodes}, **options)

    async def ask(
        self,
        request: web.Request,
        paths: Mapping[str, str],
        *,
        may_lack: bool = False,
        timeout_s: float | None = None,
        body: bytes | None = None,
        sent: Mapping[str, str] | None = None,
    ) -> Answers:
        """Ask nodes, each by its path, with the method of the request.

        Raises NodeProblem where one says 4xx, UnknownAtNode where none says whether it made a change.
        """
        usable = {node.name: node for node in self.nodes.usable()}
        caller = caller_of(request)
        safe = request.method in SAFE_METHODS
        default_s = self.timeout_s if safe else self._change_timeout_s

        unknown: list[str] = []

        async def one(node: Node, path: str) -> Answer | NodeProblem | None:
            try:
                answer = await node.call(
                    hdrs.METH_GET if safe else request.method,
                    path,
                    timeout_s=timeout_s or default_s,
                    body=body,
                    sent=sent,
                    caller=caller,
                )
            except NotReached as error:
                self._suspect(node, str(error))
                return None
            except Unanswered:
                unknown.append(node.name)
                return None
            return _understood(answer)

        asked = [name for name in paths if name in usable]
        told = dict(zip(asked, await asyncio.gather(*(one(usable[name], paths[name]) for name in asked)), strict=True))
        answers = Answers({}, {}, [name for name in paths if told.get(name) is None])
        for name, answer in told.items():
            match answer:
                case Answer():
                    answers.given[name] = answer
                case NodeProblem() if may_lack and answer.document()["status"] == errors.NotFound.status:
                    answers.lacking[name] = answer
                case NodeProblem():
                    raise answer
        if unknown and not safe and not answers.given:
            raise errors.UnknownAtNode(f"{', '.join(unknown)} did not answer: it may have been done")
        return answers

    def check(self, request: web.Request, answers: Answers, *, partial_ok: bool = True) -> None:
        """Raise where too little was answered; count what goes out although a node is missing in it."""
        if not answers.missing:
            return
        self.check_any(answers.missing)
        if not partial_ok or not answers.given:
            raise errors.OwnerDown(f"{', '.join(answers.missing)} did not answer", retry_after_s=RETRY_AFTER_S)
        self.count_partial(request)

    def check_any(self, missing: list[str]) -> None:
        """Raise where no node answered at all."""
        if len(missing) == len(self.nodes):
            raise errors.NodesDown(f"none of the nodes answers: {', '.join(missing)}")

    def count_partial(self, request: web.Request) -> None:
        """Count an answer that a node is missing in."""
        resource = request.match_info.route.resource
        self._partial[resource.canonical if resource is not None else ""] += 1


def _understood(answer: Answer) -> Answer | NodeProblem | None:
    """Return a good answer, or the problem that a client is told; None for what is no answer of a node's."""
    if not answer.of_a_node or answer.status >= 500:  # noqa: PLR2004
        return None
    if answer.status < 300:  # noqa: PLR2004
        return answer
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict) or document.get("status") != answer.status:
        return None
    return NodeProblem(document)
