"""From data to weights."""
