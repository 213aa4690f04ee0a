"""Runs node, sample application and traffic side by side until the time is over, or until a signal ends the node."""

import asyncio
import signal
from collections.abc import Callable

import aiohttp
from yarl import URL

from taskpusher.listening import split_address
from taskpusher.settings import Loaded

from ..config import Config
from ..server import serve
from .application import DOWN, Application
from .traffic import Traffic
from .work import BROKEN, Work

_ASK_TIMEOUT_S = 30


async def run(config: Config, rate: int, for_s: int, tell: Callable[[str], None]) -> int:
    """Run all of it, tell what there is to see, and return the node's exit code; raises what `serve` does."""
    async with Application() as application:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        node = asyncio.create_task(
            serve(config, lambda url, _: ready.set_result(url), lambda: Loaded(config, {}, [])), name="node"
        )
        play = asyncio.create_task(_play(config, application, ready, rate, for_s, tell), name="play")
        await asyncio.wait({node, play}, return_when=asyncio.FIRST_COMPLETED)
        if not node.done():
            signal.raise_signal(signal.SIGTERM)  # a node ends by a signal alone
        code = await node
        play.cancel()
        await asyncio.wait({play})
        if not play.cancelled():
            play.result()
        return code


async def _play(
    config: Config,
    application: Application,
    ready: asyncio.Future[str],
    rate: int,
    for_s: int,
    tell: Callable[[str], None],
) -> None:
    """Fill the node as soon as it is ready, and push jobs until the time is over."""
    url = await ready
    # a node reads its settings again, and this one has none: a terminal that is closed ends it
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, signal.raise_signal, signal.SIGTERM)
    application.node = url
    timeout = aiohttp.ClientTimeout(total=_ASK_TIMEOUT_S)
    async with aiohttp.ClientSession(f"{url}/", timeout=timeout) as http:
        traffic = Traffic(http, Work(application.urls))
        await traffic.fill(application.host("warehouse"))
        # its name as it was given, for a person knows that one
        shown = URL(url).with_host(split_address(config.address)[0]).origin()
        tell(_greeting(str(shown), application, for_s))
        await traffic.go_on(rate, for_s)


def _greeting(url: str, application: Application, for_s: int) -> str:
    shop = application.urls["shop"]
    return f"""\
The page:  {url}/tasks     (for {for_s} seconds; Ctrl-C ends the demo)

A deploy broke the shop's /invoice: {BROKEN} jobs fail in three ways. Find them under Errors, mend the shop by

    curl -X POST {shop}/admin/fix

and retry them: they go through. POST {shop}/admin/break breaks it again.

What else there is to try:
  {application.host("warehouse")} (the warehouse) is held by hand: release it under Targets
  {application.host(DOWN)} (a webhook) refuses connections: the node holds it back by itself
  {application.host("partner")} (a partner) fails now and then, is slow, and asks to be called later
  {application.host("media")} (the media server) recodes films for up to a minute: watch their progress, cancel one
  the queue newsletter is paused: resume it under Queues
"""
