"""The parts that every daemon has, on real connections."""
