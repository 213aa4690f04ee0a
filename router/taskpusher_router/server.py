"""Builds a router from its settings, starts its parts in order and stops them in the reverse one."""

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable

import aiohttp
import structlog
from aiohttp import web

from taskpusher import __version__
from taskpusher.contract import routes
from taskpusher.exposition import Exposition
from taskpusher.histogram import Histogram
from taskpusher.lag import LoopLag
from taskpusher.life import Life
from taskpusher.listening import listen, url_of
from taskpusher.page import Page
from taskpusher.phase import Phase
from taskpusher.process import allow_files, collect_less
from taskpusher.reload import Reload, is_secret
from taskpusher.serving import Serving
from taskpusher.settings import Loaded, Setting
from taskpusher.systemd import ServiceManager

from .api.add import AddApi
from .api.bulk import BulkApi
from .api.fanout import Fanout
from .api.forward import Forward
from .api.jobs import JobsApi
from .api.limits import LimitsApi
from .api.listings import ListingsApi
from .api.nodes import NodesApi
from .api.openapi import ContractApi
from .api.queues import QueuesApi
from .api.reports import ReportsApi
from .api.router import OPEN_CHANGES, OPEN_PATHS, RouterApi
from .api.targets import TargetsApi
from .config import Config
from .health import Health
from .members import Member
from .membership import Membership
from .metrics import RouterMetrics
from .nodes import KEPT_S, Link, Node, Nodes
from .pipe import BATCH_BOUNDS, Pipe
from .placer import Placer
from .settings import Settings
from .status import Status

FILES_EACH = 2  # of a client that waits for a job: its connection, and one to the node
SPARE_FILES = 512  # for all other connections to nodes
NESTED_MAX = 2_000  # a page of jobs is nested deeper than the deepest of them, which a node took at Python's 1,000

_MEMBERSHIP = frozenset({"nodes", "nodes_file"})

log = structlog.get_logger()


async def serve(config: Config, ready: Callable[[str], None], read_settings: Callable[[], Loaded[Config]]) -> int:
    """Run a router until a signal ends it; returns the exit code.

    `ready` is told its URL; `read_settings` reads the settings again at SIGHUP. Raises BadSettings, BadAddress,
    CannotListen.
    """
    sys.setrecursionlimit(NESTED_MAX)
    async with connect() as http:
        return await _Router(config, http, ready, read_settings).run()


def connect() -> aiohttp.ClientSession:
    """Return what calls to nodes are made with."""
    # named, for aiohttp takes another resolver, which knows no /etc/hosts, wherever aiodns happens to be installed
    resolver = aiohttp.ThreadedResolver()
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_S, resolver=resolver)
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    )


class _Router:
    def __init__(
        self,
        config: Config,
        http: aiohttp.ClientSession,
        ready: Callable[[str], None],
        read_settings: Callable[[], Loaded[Config]],
    ) -> None:
        self._config = config
        self._tell_ready = ready
        self._status = Status()
        self._serving = Serving(
            config,
            exempt=OPEN_PATHS,
            by_token=OPEN_CHANGES,
            translate=lambda _: None,
            files=SPARE_FILES,
            files_each=FILES_EACH,
            shutdown_s=config.add_timeout + config.node_timeout,  # as long as an add may take
        )
        self._membership = Membership(config, self._take_members, self._warn)
        self._link = Link(http, config.cluster_token)
        self._nodes = Nodes(self._membership.members, self._link)
        self._status.nodes = self._nodes
        self._pipes: dict[Node, Pipe] = {}
        self._coalesced = Histogram(BATCH_BOUNDS)
        self._partial: Counter[str] = Counter()
        self._health = Health(
            self._nodes, every_s=config.health_every, timeout_s=config.health_timeout, went_down=self._went_down
        )
        self._settings = Settings(self._nodes, every_s=config.health_every, timeout_s=config.node_timeout)
        self._placer = Placer(self._nodes, self._pipe_of, self._health.suspect, timeout_s=config.add_timeout)
        self._reload = Reload(config, self._status, read_settings, self._take_settings, _is_taken)
        self._life = Life(self._status, ServiceManager(os.environ), self._in_words)
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Listen, ask the nodes how they are, run until a signal."""
        config = self._config
        sockets = listen(config.address, to_all=config.has_credentials or config.insecure)
        allow_files(FILES_EACH * config.max_connections + SPARE_FILES, "")
        self._handle_signals()
        self._life.start()
        lag = LoopLag()
        await self._health.look()
        http = await self._serving.start(sockets, self._app(lag))
        background = (self._health, self._settings, self._membership, lag)
        for part in background:
            part.start().add_done_callback(self._ended)
        reload = asyncio.create_task(self._reload.run(self._life.reloading, self._life.reloaded), name="reload")
        reload.add_done_callback(self._ended)
        self._ready(sockets)
        collect_less()

        await self._stop.wait()

        self._status.base = Phase.STOPPING
        self._life.stopping()
        log.warning("stopping", reason=self._status.reason)
        for sock in sockets:
            sock.close()
        await http.cleanup()
        reload.cancel()
        for part in reversed(background):
            await part.stop()
        await self._life.stop()
        log.warning("stopped", failure=self._status.failure)
        return 0 if self._status.failure is None else 1

    def _app(self, lag: LoopLag) -> web.Application:
        config = self._config
        app = web.Application(client_max_size=config.max_request_bytes)
        add = AddApi(self._placer, config, lambda: self._status.draining)
        metrics = RouterMetrics(
            self._nodes,
            self._status,
            self._placer,
            coalesced=self._coalesced,
            rejected=add.rejected,
            partial=self._partial,
            membership_ok=lambda: self._membership.ok,
            connections=self._serving.connections,
            lag=lag,
        )
        exposition = Exposition(metrics.collect, self._serving.tally.collect)
        suspect = self._health.suspect
        fanout = Fanout(
            self._nodes,
            suspect,
            timeout_s=config.list_timeout,
            change_timeout_s=config.node_timeout,
            partial=self._partial,
        )
        forward = Forward(self._nodes, suspect, timeout_s=config.node_timeout)
        for part in (
            RouterApi(self._status, exposition),
            add,
            JobsApi(forward, self._stop),
            ListingsApi(fanout),
            BulkApi(fanout),
            ReportsApi(fanout),
            TargetsApi(fanout),
            LimitsApi(fanout, forward),
            QueuesApi(fanout, forward, self._settings),
            NodesApi(fanout, forward),
        ):
            app.add_routes(part.routes())
        app.add_routes(routes(Page()))
        app.add_routes(ContractApi(forward, app.router).routes())
        return app

    def _pipe_of(self, node: Node) -> Pipe:
        pipe = self._pipes.get(node)
        if pipe is None:
            config = self._config
            pipe = self._pipes[node] = Pipe(
                node,
                max_jobs=config.max_coalesced,
                max_bytes=config.max_coalesced_bytes,
                timeout_s=config.node_timeout,
                coalesced=self._coalesced,
            )
        return pipe

    def _went_down(self, node: Node) -> None:
        if node in self._pipes:
            self._pipes[node].give_up_waiting(f"node {node.name} is down")

    def _take_members(self, members: tuple[Member, ...]) -> None:
        self._nodes.replace(members)
        for node in set(self._pipes) - set(self._nodes):
            self._pipes.pop(node).give_up_waiting(f"node {node.name} is no member any more")

    def _take_settings(self, config: Config) -> None:
        self._membership.reload(config)
        self._serving.access.replace(config.basicauth, config.tokens)
        self._link.token = config.cluster_token

    def _warn(self, topic: str, text: str | None) -> None:
        if text is None:
            self._status.all_clear(topic)
        else:
            self._status.warn(topic, text)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.ask)

    def _ready(self, sockets: list[socket.socket]) -> None:
        self._status.base = Phase.READY
        urls = [url_of(sock) for sock in sockets]
        unusable = {node.name: node.kept_out or node.why_down for node in self._nodes if not node.usable}
        log.warning("ready", addresses=urls, nodes=len(self._nodes), unusable=unusable, version=__version__)
        self._life.ready()
        self._tell_ready(urls[0])

    def _in_words(self) -> str:
        return self._status.reason or "; ".join(("Ready", *self._status.warnings.values()))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("bug", part=task.get_name(), exc_info=error)
            self._status.failure = f"{task.get_name()}: {error!r}"
            self._stop.set()


def _is_taken(setting: Setting) -> bool:
    """Tell whether a setting is taken at a reload: secrets, and who the members are."""
    return is_secret(setting) or setting.name in _MEMBERSHIP
