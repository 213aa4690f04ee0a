"""A node in this process, asked over HTTP."""
