"""Keeps the nodes and their router running: passes signals on, restarts the dead, ends the router last."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic

import structlog

from taskpusher.exits import Exit
from taskpusher.life import Life
from taskpusher.phase import Phase
from taskpusher.systemd import ServiceManager

from .child import Child

PAUSE_S = 0.5
PAUSE_MAX_S = 30.0
STEADY_S = 60.0  # who has run for so long begins with the shortest pause again
HURRY_EVERY_S = 1.0
RESTART_IS_NO_HELP = frozenset({Exit.USAGE, Exit.CONFIG})
ENDS_WELL = frozenset({Exit.OK, -signal.SIGTERM})  # the latter before it could ask for signals

log = structlog.get_logger(process="local")


class Supervisor:
    """Runs all of it until a signal, or until one cannot even begin; `up` is called once all have been ready."""

    def __init__(self, nodes: Sequence[Child], router: Child, up: Callable[[], None]) -> None:
        self._nodes = nodes
        self._router = router
        self._all = [*nodes, router]
        self._up = up
        self._stop = asyncio.Event()
        self._in_vain = False
        self._code = Exit.OK
        self.base = Phase.STARTING
        self._life = Life(self, ServiceManager(os.environ), self._in_words)

    @property
    def phase(self) -> Phase:
        """How it is as a whole; each of the daemons tells its own."""
        return self.base

    async def run(self) -> Exit:
        """Run; returns the exit code."""
        self._handle_signals()
        self._life.start()
        for child in self._all:
            await child.listen()
        try:
            async with asyncio.TaskGroup() as group:
                kept = {child: group.create_task(self._keep(child), name=child.name) for child in self._all}
                up = group.create_task(self._tell_up())
                await self._stop.wait()
                self.base = Phase.STOPPING
                self._life.stopping()
                up.cancel()
                hurry = group.create_task(self._hurry())
                for node in self._nodes:
                    node.leave()
                await asyncio.wait([kept[node] for node in self._nodes])
                self._router.leave()  # only now: nodes that run down still take adds, and somebody must pass them on
                await kept[self._router]
                hurry.cancel()
        finally:
            for child in self._all:
                child.signal(signal.SIGKILL)
        await self._life.stop()
        log.warning("stopped", code=self._code)
        return self._code

    async def _keep(self, child: Child) -> None:
        """Run a child until it is to leave; one that dies comes again after a pause that grows."""
        pause_s = PAUSE_S
        while not child.leaving.is_set():
            begun = monotonic()
            code = await _life(child)
            if child.leaving.is_set():
                if code not in ENDS_WELL:
                    self._fail(child, code, "")
                return
            if not child.ready.is_set():
                self._fail(child, code, "it has never been ready, so all is stopped")
                self._in_vain = True
                self._stop.set()
                return
            if code in RESTART_IS_NO_HELP:
                self._fail(child, code, "it stays down, for a restart is no help; its last lines say what is")
                return
            if monotonic() - begun > STEADY_S:
                pause_s = PAUSE_S
            log.error("ended", child=child.name, code=code, again_in_s=pause_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(child.leaving.wait(), pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def _fail(self, child: Child, code: int, effect: str) -> None:
        log.error("ended", child=child.name, code=code, **({"effect": effect} if effect else {}))
        if self._code is Exit.OK:
            self._code = Exit(code) if code in RESTART_IS_NO_HELP else Exit.FAILED

    async def _tell_up(self) -> None:
        for child in self._all:
            await child.ready.wait()
        self.base = Phase.READY
        self._life.ready()
        log.warning("up", children=[child.name for child in self._all])
        self._up()

    async def _hurry(self) -> None:
        """Where it was all in vain, wait for no queue to run dry. A signal that comes too soon merges with the last."""
        while self._in_vain:
            await asyncio.sleep(HURRY_EVERY_S)
            self._abort()

    def _abort(self) -> None:
        for child in self._all:
            if child.leaving.is_set():
                child.signal(signal.SIGTERM)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, partial(self._signalled, number))
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            log.warning("signal", signal=number.name, effect="running calls are aborted")
            self._abort()
        else:
            log.warning("signal", signal=number.name, effect="queues are run down; again: running calls are aborted")
            self._stop.set()

    def _reload(self) -> None:
        self._life.reloading()
        for child in self._all:
            child.signal(signal.SIGHUP)
        self._life.reloaded()

    def _in_words(self) -> str:
        down = ", ".join(child.name for child in self._all if not child.runs)
        return f"{self.base.value.capitalize()}; not running: {down}" if down else self.base.value.capitalize()


async def _life(child: Child) -> int:
    """Start it, and return its exit code once it has ended."""
    try:
        await child.start()
    except OSError as error:
        log.error("not started", child=child.name, error=error.strerror)
        return Exit.FAILED
    return await child.ended()
