"""The page, in a real browser that asks a real node."""
