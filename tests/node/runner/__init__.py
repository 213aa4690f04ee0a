"""Runners against targets that are written by hand."""
