"""Nearest neighbors between two point sets, searched once and shared by the point metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lrm_core.errors import InputError


@dataclass(frozen=True)
class NearestNeighbors:
    """Whom each of P predicted and R reference points finds nearest in the other set.

    Attributes:
        predicted_distances: (P,) from each predicted point to the reference.
        predicted_indices: (P,) the reference point there.
        reference_distances: (R,) from each reference point to the prediction.
        reference_indices: (R,) the predicted point there.
    """

    predicted_distances: Float[np.ndarray, "P"]
    predicted_indices: Int[np.ndarray, "P"]
    reference_distances: Float[np.ndarray, "R"]
    reference_indices: Int[np.ndarray, "R"]


def find_nearest_neighbors(
    predicted: Float[np.ndarray, "P 3"], reference: Float[np.ndarray, "R 3"], *, workers: int = 1
) -> NearestNeighbors:
    """Search both ways, by a KD-tree in float64.

    Args:
        predicted: (P, 3) points on the predicted surface.
        reference: (R, 3) points on the reference surface.
        workers: threads; -1 for all.

    Raises:
        InputError: a set is empty or holds a coordinate that is not finite.
    """
    from scipy.spatial import cKDTree

    for name, points in (("predicted", predicted), ("reference", reference)):
        if not len(points):
            raise InputError(f"there are no {name} points to measure")
        if not np.isfinite(points).all():
            raise InputError(f"a coordinate of the {name} points is not finite")
    to_reference, in_reference = cKDTree(reference).query(predicted, workers=workers)
    to_predicted, in_predicted = cKDTree(predicted).query(reference, workers=workers)
    return NearestNeighbors(to_reference, in_reference, to_predicted, in_predicted)
