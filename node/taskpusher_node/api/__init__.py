"""The HTTP API of a node: handlers that read a request, ask the store, and write an answer; no rule lives here."""
