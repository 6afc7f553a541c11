"""Evaluation: protocols, references, scores of predictions, runs over many objects."""
