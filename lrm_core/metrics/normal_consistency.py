"""Agreement of the normals of two surfaces."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lrm_core.metrics.nearest_neighbors import NearestNeighbors


def normal_consistency(
    neighbors: NearestNeighbors,
    predicted_normals: Float[np.ndarray, "P 3"],
    reference_normals: Float[np.ndarray, "R 3"],
) -> float:
    """Mean |cos| between the normals of nearest neighbors.

        NC = 1/2 mean_p |n_p . n_nearest(p)| + 1/2 mean_r |n_r . n_nearest(r)|

    over predicted points p and reference points r. The sign is left out because the faces of many
    scanned and predicted meshes are not wound consistently. Unrelated normals score 0.5.

    Args:
        neighbors: nearest neighbors of both sets.
        predicted_normals: (P, 3) unit normals at the predicted points.
        reference_normals: (R, 3) unit normals at the reference points.

    Returns:
        In [0, 1].

    Source: Mescheder et al., Occupancy Networks (2019), section 4.
    """
    at_reference = reference_normals[neighbors.predicted_indices]
    at_predicted = predicted_normals[neighbors.reference_indices]
    predicted_cosines = np.einsum("pk,pk->p", predicted_normals, at_reference, dtype=np.float64)
    reference_cosines = np.einsum("rk,rk->r", reference_normals, at_predicted, dtype=np.float64)
    return float(np.abs(predicted_cosines).mean() + np.abs(reference_cosines).mean()) / 2.0
