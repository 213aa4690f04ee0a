"""One machine, all cores: nodes on loopback ports and a router before them, as processes that are kept running."""
