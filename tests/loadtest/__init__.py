"""The load tests: that they find what they look for."""
