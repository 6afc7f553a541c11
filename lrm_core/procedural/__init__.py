"""Textured objects made from (seed, index): the samplers, and families of invented things."""
