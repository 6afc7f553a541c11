"""Predictors: everything that turns the evaluation's picture of an object into a mesh."""
