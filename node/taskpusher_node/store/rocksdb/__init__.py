"""The RocksDB engine: one process, one folder, one write a turn of the loop, one flush for all who wait."""

from .engine import RocksStore

__all__ = ["RocksStore"]
