"""One TaskPusher node: an embedded store, a dispatcher that calls targets, and the HTTP API."""
