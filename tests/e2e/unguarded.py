"""A node with one guard taken away, named by the first argument: what the controls of the failure tests start."""

import secrets
import sys
from concurrent.futures import Future
from contextlib import suppress

from taskpusher import uid
from taskpusher.cli import main
from taskpusher.clock import unix_ms
from taskpusher_node.store.base import StoreFailed
from taskpusher_node.store.rocksdb.commit import Commit
from taskpusher_node.store.rocksdb.db import Batch, Database


def swallow_flush_errors() -> None:
    """A flush that failed passes for one that was done."""
    flush = Database.flush_log

    def flush_log(self: Database) -> None:
        with suppress(StoreFailed):
            flush(self)

    Database.flush_log = flush_log


def swallow_write_errors() -> None:
    """A write that failed passes for one that was done, and so does the flush behind it."""
    write = Database.write

    def write_or_not(self: Database, batch: Batch) -> None:
        with suppress(StoreFailed):
            write(self, batch)

    Database.write = write_or_not
    swallow_flush_errors()


def mint_by_the_wall_clock() -> None:
    """A uid has the time of the wall clock, whatever was minted before."""

    def mint(name: str) -> str:
        id_ = f"{unix_ms():012x}7000{secrets.token_hex(8)}"
        return f"{id_[:16]}8{id_[17:]}-{name}"

    uid.mint = mint


def flush_on_the_loop() -> None:
    """The loop waits for every flush."""

    class Here:
        def submit(self, work, *arguments):
            done = Future()
            try:
                done.set_result(work(*arguments))
            except StoreFailed as error:
                done.set_exception(error)
            return done

        def shutdown(self):
            pass

    init = Commit.__init__

    def __init__(self, *arguments):  # noqa: N807
        init(self, *arguments)
        self._thread = Here()

    Commit.__init__ = __init__


if __name__ == "__main__":
    globals()[sys.argv.pop(1)]()
    main()
