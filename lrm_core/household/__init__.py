"""Families of everyday things: shoes, bags, packages, toys, devices, what stands in a home."""
