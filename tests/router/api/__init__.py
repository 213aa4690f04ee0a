"""A router before real nodes, asked over HTTP."""
