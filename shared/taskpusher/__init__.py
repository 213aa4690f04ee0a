"""TaskPusher: an HTTP job queue that stores a URL durably and calls it later."""

__version__ = "0.1.0"
