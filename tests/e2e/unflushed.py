"""A node that leaves the flush out: the control of what a power cut must not take."""

from taskpusher.cli import main
from taskpusher_node.store.rocksdb.db import Database

Database.flush_log = lambda _: None
main()
