"""Performs one call of a job and says how it ended. A runner knows no store and raises nothing."""
