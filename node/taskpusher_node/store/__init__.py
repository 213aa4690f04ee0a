"""The only place where a job changes state: the interface in base.py, and its first engine, RocksDB."""
