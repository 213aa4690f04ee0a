"""The demo: a node, a sample application and traffic of every kind, side by side for a while."""
