"""A run: its start, loop, checkpoints, log and validation."""
