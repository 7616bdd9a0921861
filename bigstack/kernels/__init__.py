"""NumPy in, NumPy out: one method a file, each with its halo beside it."""
