"""The HTTP API of a router: what a node answers, of all nodes together."""
