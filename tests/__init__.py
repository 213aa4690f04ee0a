"""All tests; those in folders that are packages may use the parts of one another."""
