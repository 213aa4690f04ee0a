"""The router: many nodes that look like one."""
