"""Tells the operator's URL when a trouble that matters begins, and when it is over: one POST each.

A trouble that went before it was told is never told, and one that comes and goes is told once. A folder of empty files
keeps what was told over restarts, so that a node that fails at every start is told once as well.
"""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import quote, unquote

import aiohttp
import structlog

from taskpusher import __version__, codec
from taskpusher.background import Background
from taskpusher.clock import unix_ms
from taskpusher.masking import mask_text
from taskpusher.phase import Phase
from taskpusher.plain import escaped

from .status import Status

LOOK_EVERY_S = 1.0
OPEN_AFTER_S = 5.0  # a failure is told at once, for the process ends with it
CLOSE_AFTER_S = 60.0
TRIES = 5
PAUSE_S = 2.0  # after the first try that failed, then twice as long each time
WITHIN_S = 5.0  # for one try
LAST_WORDS_S = 6.0  # for what a node that fails still tells: two tries
TROUBLES_MAX = 32

_TEXT_MAX = 500
_CALM = frozenset({Phase.STARTING, Phase.READY, Phase.DRAINING, Phase.STOPPING})
_SAYS_NOTHING = frozenset({Phase.STARTING, Phase.STOPPING})  # of what else is wrong

log = structlog.get_logger()


@dataclass
class _Trouble:
    topic: str
    text: str
    began_ms: int
    seen: float  # monotonic, as all below
    gone: float | None = None
    told: bool = False
    tries: int = 0
    again: float = 0.0


class Alerts(Background):
    """Follows a status. `start` begins, `stop` waits until a failure is told; `url` may change at any time."""

    def __init__(
        self,
        status: Status,
        folder: Path,
        *,
        url: str | None,
        style: str,
        look_every_s: float = LOOK_EVERY_S,
        open_after_s: float = OPEN_AFTER_S,
        close_after_s: float = CLOSE_AFTER_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.url = url
        self._status = status
        self._folder = folder
        self._shape = _slack if style == "slack" else _json
        self._look_every_s = look_every_s
        self._open_after_s = open_after_s
        self._close_after_s = close_after_s
        self._pause_s = pause_s
        self._troubles: dict[str, _Trouble] = {}
        self._failure_told = asyncio.Event()

    def start(self) -> asyncio.Task[None]:
        """Remember what was told before the restart, and begin to look."""
        with suppress(OSError):
            for mark in self._folder.iterdir():
                topic, began_ms = unquote(mark.name), round(mark.stat().st_mtime * 1_000)
                self._troubles[topic] = _Trouble(topic, "", began_ms, monotonic(), told=True)
        return super().start()

    async def stop(self) -> None:
        """Give the alert of a failure a few seconds, and end."""
        failure = self._troubles.get(Phase.FAILED)
        if self.url is not None and self._status.failure is not None and (failure is None or not failure.told):
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_S):
                    await self._failure_told.wait()
        await super().stop()

    async def _run(self) -> None:
        while True:
            if self.url is not None:
                try:
                    self._look(monotonic())
                    await self._tell(self.url)
                except Exception:
                    log.exception("bug", part="alerts")  # a node that cannot tell still runs jobs
            await asyncio.sleep(self._look_every_s)

    def _look(self, now: float) -> None:
        """See which troubles there are, and since when."""
        if self._status.phase in _SAYS_NOTHING:
            return
        there = troubles(self._status)
        for topic, text in there.items():
            trouble = self._troubles.get(topic)
            if trouble is None:
                if len(self._troubles) >= TROUBLES_MAX:
                    continue
                trouble = self._troubles[topic] = _Trouble(topic, text, unix_ms(), now)
            trouble.text, trouble.gone = text, None
        for topic in self._troubles.keys() - there.keys():
            trouble = self._troubles[topic]
            if not trouble.told:
                del self._troubles[topic]
            elif trouble.gone is None and (self._status.phase in _CALM or topic not in tuple(Phase)):
                trouble.gone = now  # one phase hides another

    async def _tell(self, url: str) -> None:
        """Post what has lasted long enough, and was not told."""
        for trouble in list(self._troubles.values()):
            now = monotonic()
            if now < trouble.again:
                continue
            if not trouble.told:
                if trouble.topic == Phase.FAILED or now - trouble.seen >= self._open_after_s:
                    await self._tell_one(url, trouble, "open")
            elif trouble.gone is not None and now - trouble.gone >= self._close_after_s:
                await self._tell_one(url, trouble, "closed")

    async def _tell_one(self, url: str, trouble: _Trouble, state: str) -> None:
        refusal = await _post(url, self._shape(_alert(trouble, state, self._status.name)))
        if refusal is not None:
            trouble.tries += 1
            trouble.again = monotonic() + self._pause_s * 2 ** (trouble.tries - 1)
            log.warning("alert", alert=trouble.topic, state=state, error=refusal, tries=trouble.tries)
            if trouble.tries < TRIES:
                return
        else:
            log.warning("alert", alert=trouble.topic, state=state, text=trouble.text)
        trouble.tries, trouble.again = 0, 0.0
        if state == "closed":
            del self._troubles[trouble.topic]
            await asyncio.to_thread(self._unmark, trouble.topic)
            return
        trouble.told = True
        await asyncio.to_thread(self._mark, trouble.topic)
        if trouble.topic == Phase.FAILED:
            self._failure_told.set()

    def _mark(self, topic: str) -> None:
        with suppress(OSError):  # a disk that is full or broken may be the very trouble
            self._folder.mkdir(exist_ok=True)
            (self._folder / quote(topic, safe="")).touch()

    def _unmark(self, topic: str) -> None:
        with suppress(OSError):
            (self._folder / quote(topic, safe="")).unlink()


def troubles(status: Status) -> dict[str, str]:
    """Return what is wrong, by topic: a phase that is a trouble, and every warning."""
    found = dict(status.warnings)
    if status.phase not in _CALM:
        found[status.phase.value] = status.reason or ""
    return found


def _alert(trouble: _Trouble, state: str, node: str | None) -> dict[str, str | None]:
    return {
        "alert": trouble.topic,
        "state": state,
        "text": escaped(mask_text(trouble.text))[:_TEXT_MAX],
        "node": node,
        "host": socket.gethostname(),
        "since": codec.to_time(trouble.began_ms),
        "time": codec.to_time(unix_ms()),
        "version": __version__,
    }


def _json(alert: Mapping[str, str | None]) -> bytes:
    return codec.to_json(alert)


def _slack(alert: Mapping[str, str | None]) -> bytes:
    """Return a message of Slack's, which takes &, < and > for mark-up."""
    begun = "since" if alert["state"] == "open" else "is over, began"
    text = f"TaskPusher {alert['node'] or 'node'} on {alert['host']}: {alert['alert']} {begun} {alert['since']}"
    if alert["text"]:
        text += f": {alert['text']}"
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, name)
    return codec.to_json({"text": text})


async def _post(url: str, body: bytes) -> str | None:
    """Send one alert; returns why it did not arrive. The URL is the operator's secret, and stays out of the reason."""
    connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver(), force_close=True)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=WITHIN_S)) as session,
            session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json", "User-Agent": f"TaskPusher/{__version__}"},
                allow_redirects=False,
            ) as answer,
        ):
            return None if answer.status // 100 == 2 else f"it answered {answer.status}"  # noqa: PLR2004
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return getattr(error, "strerror", None) or type(error).__name__
