"""Tests of the store: one conformance suite for every engine, and what is RocksDB's own."""
