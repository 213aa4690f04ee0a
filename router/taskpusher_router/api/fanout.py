"""Asks many nodes at once, within a deadline: what each answered, and who did not."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from aiohttp import hdrs, web

from taskpusher import errors, fields
from taskpusher.access import SAFE_METHODS
from taskpusher.web import caller_of

from ..nodes import Answer, Node, Nodes, NotReached, Unanswered
from ..placer import RETRY_AFTER_S

_PARTIAL = {"true": True, "1": True, "false": False, "0": False}


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


class Fanout:
    """Asks the nodes on behalf of who asks the router. `suspect` hears of nodes that refuse connections."""

    def __init__(
        self,
        nodes: Nodes,
        suspect: Callable[[Node, str], None],
        *,
        timeout_s: float,
        partial: Counter[str],
    ) -> None:
        self.nodes = nodes
        self._suspect = suspect
        self._partial = partial
        self.timeout_s = timeout_s

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
        """Ask nodes, each by its path, with the method of the request; raises NodeProblem where one says 4xx."""
        usable = {node.name: node for node in self.nodes.usable()}
        caller = caller_of(request)

        async def one(node: Node, path: str) -> Answer | NodeProblem | None:
            try:
                answer = await node.call(
                    hdrs.METH_GET if request.method in SAFE_METHODS else request.method,
                    path,
                    timeout_s=timeout_s or self.timeout_s,
                    body=body,
                    sent=sent,
                    caller=caller,
                    op="fanout",
                )
            except NotReached as error:
                self._suspect(node, str(error))
                return None
            except Unanswered:
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
        return answers

    def check(self, request: web.Request, answers: Answers, *, partial_ok: bool = True) -> None:
        """Raise where too little was answered; count what goes out although a node is missing in it."""
        if not answers.missing:
            return
        if len(answers.missing) == len(self.nodes):
            raise errors.NodesDown(f"none of the nodes answers: {', '.join(answers.missing)}")
        if not partial_ok or not answers.given:
            raise errors.OwnerDown(f"{', '.join(answers.missing)} did not answer", retry_after_s=RETRY_AFTER_S)
        self._partial[route_of(request)] += 1


def read_partial(request: web.Request) -> tuple[bool, fields.Pairs]:
    """Return whether an answer may lack nodes, and what else the query asks for."""
    pairs = fields.pairs(request.rel_url.raw_query_string)
    text = next((text for name, text in pairs if name == "partial"), "true")
    if text.lower() not in _PARTIAL:
        raise errors.InvalidField([("partial", "true, or false for no answer where a node does not answer")])
    return _PARTIAL[text.lower()], [(name, text) for name, text in pairs if name != "partial"]


def with_query(path: str, pairs: fields.Pairs) -> str:
    """Return a path with a query."""
    return f"{path}?{urlencode(pairs)}" if pairs else path


def route_of(request: web.Request) -> str:
    """Return the path of a request as it is declared, for the metrics."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


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
