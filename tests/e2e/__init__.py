"""End to end: real processes, real signals, a real wire."""
