"""Builds a node from its settings, starts its parts in order and stops them in the reverse one."""

import asyncio
import os
import shlex
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import monotonic

import structlog
from aiohttp import web

from taskpusher import __version__, errors
from taskpusher.clock import unix_ms
from taskpusher.contract import routes
from taskpusher.exposition import Exposition
from taskpusher.lag import LoopLag
from taskpusher.life import Life
from taskpusher.listening import listen, url_of
from taskpusher.page import Page
from taskpusher.phase import Phase
from taskpusher.process import allow_files, collect_less
from taskpusher.reload import Reload
from taskpusher.serving import Serving
from taskpusher.settings import Loaded
from taskpusher.systemd import ServiceManager

from .alerts import Alerts
from .api import shapes
from .api.add import AddApi
from .api.backup import BackupApi
from .api.cluster import ClusterApi
from .api.editing import EditApi
from .api.explain import ExplainApi
from .api.jobs import JobsApi
from .api.limits import LimitsApi
from .api.listings import ListingsApi
from .api.metrics import MetricsApi
from .api.node import OPEN_PATHS, HealthApi, NodeApi
from .api.openapi import ContractApi
from .api.problems import store_problem
from .api.queues import QueuesApi
from .api.reports import OPEN_CHANGES, ReportsApi
from .api.targets import TargetsApi
from .config import Config
from .diskwatch import DiskWatch
from .dispatcher import Dispatcher, unfinished
from .janitor import Janitor
from .metrics import NodeMetrics
from .rates import Rates
from .runner.addresses import Policy
from .runner.http import HttpRunner
from .runner.signing import parse_secrets
from .scheduler import Scheduler
from .status import Status
from .store.base import Events, Recovery, StoreFailed, StoreUnknown
from .store.rocksdb import RocksStore
from .verifier import Verifier

SPARE_THREADS = 32
SPARE_FILES = 512  # for clients and the store, beside one for each call
ALERTS_FOLDER = "alerts"  # in the store's
SHUTDOWN_S = 5.0  # requests under way get this long once everything else has stopped

log = structlog.get_logger()


async def serve(config: Config, ready: Callable[[str, str], None], read_settings: Callable[[], Loaded[Config]]) -> int:
    """Run a node until a signal ends it; returns the exit code.

    `ready` is told the node's URL and its store's name once it takes jobs; `read_settings` reads the settings again at
    SIGHUP. Raises BadAddress, StoreLocked, StoreRefused, StoreDamaged (also while it runs),
    StoreFailed, CannotListen.
    """
    return await _Node(config, ready, read_settings).run()


class _Node:
    def __init__(
        self, config: Config, ready: Callable[[str, str], None], read_settings: Callable[[], Loaded[Config]]
    ) -> None:
        self._config = config
        self._tell_ready = ready
        self._status = Status()
        self._serving = Serving(
            config,
            exempt=OPEN_PATHS,
            by_token=OPEN_CHANGES,
            translate=store_problem,
            files=config.concurrency + SPARE_FILES,
            shutdown_s=SHUTDOWN_S,
            cluster_token=config.cluster_token,
        )
        self._runner: HttpRunner | None = None
        self._dispatcher: Dispatcher | None = None
        self._reload = Reload(config, self._status, read_settings, self._take_secrets)
        self._life = Life(self._status, ServiceManager(os.environ), self._in_words)
        self._alerts = Alerts(
            self._status, config.store / ALERTS_FOLDER, url=config.alert_url, style=config.alert_format
        )
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._stalled_at = 0.0
        self._page = Page()
        self._events = Events(stalled=self._stalled, failed=self._failed)

    async def run(self) -> int:
        """Run, and tell the outside how that goes from the first moment to the last."""
        self._life.start()
        self._alerts.start()
        reload = asyncio.create_task(self._reload.run(self._life.reloading, self._life.reloaded), name="reload")
        reload.add_done_callback(self._ended)
        try:
            return await self._run()
        except StoreFailed as error:
            self._status.failure = self._status.failure or str(error)
            raise
        finally:
            reload.cancel()
            await self._alerts.stop()
            await self._life.stop()

    async def _run(self) -> int:
        """Listen, open the store, run until a signal or a failure, close the store."""
        config, status = self._config, self._status
        sockets = listen(config.address, to_all=config.has_credentials or config.insecure)
        allow_files(config.concurrency + config.max_connections + SPARE_FILES, ", or lower concurrency")
        # look-ups of names share these threads, and one that hangs must not keep the others from theirs
        threads = ThreadPoolExecutor(config.concurrency + SPARE_THREADS, thread_name_prefix="worker")
        asyncio.get_running_loop().set_default_executor(threads)
        starting = await self._serving.start(sockets, self._starting_app())
        self._handle_signals()
        store = await RocksStore.open(
            config.store,
            config.name,
            events=self._events,
            max_queues=config.max_queues,
            max_holds=config.max_holds,
            max_pinned=config.max_pinned_limits,
            scan_limit=config.scan_limit,
            idempotency_retention_s=config.idempotency_retention,
            tell=shapes.told,
        )
        try:
            status.name, status.store_id, status.draining = store.name, store.store_id, store.draining
            self._tell_recovery(store)
            await starting.cleanup()
            if not self._stop.is_set():
                await self._run_jobs(store, sockets)
        finally:
            with suppress(StoreUnknown):  # `_failed` was told why
                await store.close()
        log.warning("stopped", failure=status.failure)
        if store.damage is not None:
            raise store.damage
        return 0 if status.failure is None else 1

    async def _run_jobs(self, store: RocksStore, sockets: list[socket.socket]) -> None:
        """Start, wait, stop: what is started last is stopped first, but for HTTP, which outlives the last call."""
        config, status = self._config, self._status
        runner = self._runner = HttpRunner(
            store.name,
            max_response_bytes=config.max_response_bytes,
            max_url_bytes=config.max_url_bytes,
            policy=Policy(deny_private=config.deny_private, allow=config.allow, deny=config.deny),
            token=store.token,
            signing_keys=parse_secrets(self._reload.config.signing_secrets),
        )
        dispatcher = self._dispatcher = Dispatcher(
            store, runner.call, concurrency=config.concurrency, unreached_status=config.unreached_status, now_ms=unix_ms
        )
        scheduler = Scheduler(store, unix_ms)
        folder = shlex.quote(str(config.store))
        verifier = Verifier(store, status, f"stop the node and run taskpusher check --repair --store {folder}")
        rates = Rates(store, unix_ms)
        lag = LoopLag()
        disk = DiskWatch(store, status, dispatcher.hold, reserve=config.disk_reserve, ballast=config.ballast)
        janitor = Janitor(store, config, status, disk, finish_rate=rates.finished_per_second, now_ms=unix_ms)
        await disk.look()  # before a job can be taken
        http = await self._serving.start(sockets, self._app(store, dispatcher, rates, lag))
        rates.start()
        lag.start()
        for task in (dispatcher.start(), scheduler.start(), janitor.start(), disk.start()):
            task.add_done_callback(self._ended)
        if not store.stopped_clean:
            verifier.start().add_done_callback(self._ended)
        self._ready(store.name, sockets)
        collect_less()

        await self._stop.wait()

        if status.failure is None:
            status.base = Phase.STOPPING
        self._life.stopping()
        log.warning("stopping", reason=status.reason, **unfinished(store))
        store.park()
        await verifier.stop()
        await scheduler.stop()
        await janitor.stop()
        if status.failure is None:
            await dispatcher.drain(timeout_s=config.drain_timeout, grace_s=config.stop_grace, hurry=self._hurry)
        else:
            await dispatcher.stop()
        await disk.stop()
        await lag.stop()
        await rates.stop()
        await runner.close()
        await http.cleanup()
        for sock in sockets:
            sock.close()

    def _app(self, store: RocksStore, dispatcher: Dispatcher, rates: Rates, lag: LoopLag) -> web.Application:
        config, status = self._config, self._status
        app = web.Application(client_max_size=self._config.max_request_bytes)

        def slots() -> tuple[int, int]:
            return dispatcher.busy, dispatcher.limit

        add = AddApi(store, config, status, unix_ms)
        metrics = NodeMetrics(
            store,
            status,
            slots=slots,
            targets=dispatcher.targets,
            rejected=add.rejected,
            connections=self._serving.connections,
            lag=lag,
            now_ms=unix_ms,
        )
        for part in (
            HealthApi(status, store),
            add,
            JobsApi(store, config, self._stop),
            EditApi(store, config, unix_ms),
            ReportsApi(store, config),
            ListingsApi(store, unix_ms),
            QueuesApi(store, config, unix_ms),
            LimitsApi(store, config.max_pinned_limits),
            TargetsApi(store, dispatcher.targets, unix_ms),
            ExplainApi(store, status, dispatcher.targets, dispatcher.slots, unix_ms),
            NodeApi(store, status, rates, slots, unix_ms),
            ClusterApi(store, config, unix_ms),
            BackupApi(store, config.backup_dir, unix_ms),
            MetricsApi(Exposition(metrics.collect, self._serving.tally.collect)),
            ContractApi(),
            self._page,
        ):
            app.add_routes(routes(part))
        return app

    def _starting_app(self) -> web.Application:
        async def not_yet(_: web.Request) -> web.Response:
            raise errors.Starting("the store is being opened", retry_after_s=1)

        app = web.Application(client_max_size=self._config.max_request_bytes)
        app.add_routes([*routes(HealthApi(self._status)), *routes(self._page), web.route("*", "/{path:.*}", not_yet)])
        return app

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, partial(self._signalled, number))
        loop.add_signal_handler(signal.SIGHUP, self._reload.ask)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            log.warning("signal", signal=number.name, effect="running calls are aborted")
            self._hurry.set()
        else:
            log.warning("signal", signal=number.name, effect="the queue is run down; again: running calls are aborted")
            self._stop.set()

    def _ready(self, name: str, sockets: list[socket.socket]) -> None:
        self._status.base = Phase.READY
        urls = [url_of(sock) for sock in sockets]
        log.warning("ready", name=name, store=str(self._config.store), addresses=urls, version=__version__)
        self._life.ready()
        self._tell_ready(urls[0], name)

    def _tell_recovery(self, store: RocksStore) -> None:
        """A log that could not be read to its end is said until the next start, or until its copies are deleted."""
        if store.recovered:
            self._status.warn("recovery", store.recovered)
        level = log.info if store.recovery is Recovery.CLEAN and not store.recovered else log.error
        told = {"text": store.recovered} if store.recovered else {}
        level("recovery", kind=store.recovery, stopped_clean=store.stopped_clean, **told)

    def _stalled(self, on: bool) -> None:  # noqa: FBT001
        self._status.stalled = on
        if on:
            self._stalled_at = monotonic()
            log.warning("store", stalled=True)
        else:
            log.warning("store", stalled=False, seconds=round(monotonic() - self._stalled_at, 3))

    def _failed(self, reason: str) -> None:
        self._status.failure = reason
        log.error("failed", reason=reason)
        self._stop.set()
        self._hurry.set()

    def _take_secrets(self, config: Config) -> None:
        self._serving.access.replace(config.basicauth, config.tokens, config.cluster_token)
        self._alerts.url = config.alert_url
        if self._runner is not None:
            self._runner.signing_keys = parse_secrets(config.signing_secrets)

    def _in_words(self) -> str:
        status = self._status
        if status.phase is Phase.STOPPING and self._dispatcher is not None:
            return f"Stopping: {self._dispatcher.busy} running"
        return status.reason or "; ".join(("Ready", *status.warnings.values()))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("bug", part=task.get_name(), exc_info=error)
            self._failed(f"{task.get_name()}: {error!r}")
