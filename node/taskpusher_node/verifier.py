"""A verifier looks over the whole store after a crash, behind traffic, and says what is wrong.

It never mends: the loop's moment for that would be too long, and a person should know first.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

import structlog

from taskpusher.background import Background

from .status import Status
from .store.base import Finding, Store, StoreError

SHARE = 0.03  # of the loop's time
SLICE_S = 0.002  # what a step should take; one is halved when it takes longer, as over large bodies
STEP_MAX = 128  # entries
PROGRESS_EVERY_S = 60.0
FINDINGS_LOGGED = 100  # one by one; all are counted
TOPIC = "damage"

log = structlog.get_logger()


class Verifier(Background):
    """Walks over the store once."""

    def __init__(self, store: Store, status: Status, advice: str) -> None:
        self._store = store
        self._status = status
        self._advice = advice
        self._found = 0

    async def _run(self) -> None:
        walk = self._store.verification()
        told = began = monotonic()
        n = STEP_MAX
        while not walk.done:
            start = monotonic()
            try:
                self._tell(walk.step(n))
            except StoreError as error:
                log.error("verify", error=str(error))
                return
            spent_s = monotonic() - start
            n = max(1, n // 2) if spent_s > SLICE_S else min(STEP_MAX, n * 2)
            if start - told > PROGRESS_EVERY_S:
                told = start
                log.info("verifying", examined=walk.examined, found=self._found)
            await asyncio.sleep(spent_s * (1 / SHARE - 1))
        log.warning("verified", examined=walk.examined, found=self._found, duration=round(monotonic() - began, 3))

    def _tell(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self._found += 1
            self._store.totals.damaged += 1
            if self._found <= FINDINGS_LOGGED:
                log.error("damage", kind=finding.kind, uid=finding.uid, text=finding.text, advice=self._advice)
            self._status.warn(
                TOPIC, f"{self._found} entries of the store are wrong, at last: {finding.text}; {self._advice}"
            )
