"""A node, from its pure parts to its API."""
