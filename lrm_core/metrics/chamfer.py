"""Chamfer distance between two point sets, by Kaolin's definition."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from jaxtyping import Float

from lrm_core.metrics.nearest_neighbors import NearestNeighbors, find_nearest_neighbors


@dataclass(frozen=True)
class Chamfer:
    """Both Chamfer distances of two point sets.

    Attributes:
        squared: sum of both directions' mean squared nearest distances.
        distance: sum of both directions' mean nearest distances, not squared.
        backend: what computed them.
    """

    squared: float
    distance: float
    backend: str


def chamfer(
    predicted: Float[np.ndarray, "P 3"],
    reference: Float[np.ndarray, "R 3"],
    neighbors: NearestNeighbors | None = None,
) -> Chamfer:
    """Chamfer distance of predicted points p and reference points r.

        squared  = mean_p min_r |p - r|^2 + mean_r min_p |r - p|^2
        distance = mean_p min_r |p - r|   + mean_r min_p |r - p|

    Sums of both directions, not their means, as Kaolin defines it: half of these values is what
    some papers report. Kaolin itself computes them where it and CUDA are there (its kernel has no
    CPU form), in float32; a KD-tree in float64 does elsewhere.

    Args:
        predicted: (P, 3) points on the predicted surface.
        reference: (R, 3) points on the reference surface.
        neighbors: their nearest neighbors, where they are known already.

    Raises:
        InputError: a set is empty or holds a coordinate that is not finite.

    Source: kaolin.metrics.pointcloud.chamfer_distance, with squared=True and squared=False.
    """
    if kaolin_is_usable():
        return chamfer_by_kaolin(predicted, reference)
    return chamfer_of_neighbors(neighbors or find_nearest_neighbors(predicted, reference))


def chamfer_of_neighbors(neighbors: NearestNeighbors) -> Chamfer:
    """Chamfer distance from nearest neighbors that were found by a KD-tree in float64."""
    from_predicted = neighbors.predicted_distances
    from_reference = neighbors.reference_distances
    return Chamfer(
        squared=float(np.square(from_predicted).mean() + np.square(from_reference).mean()),
        distance=float(from_predicted.mean() + from_reference.mean()),
        backend=f"scipy {version('scipy')} cKDTree, float64",
    )


def kaolin_is_usable() -> bool:
    """Whether Kaolin can be imported and has a CUDA device to run on."""
    if not torch.cuda.is_available():
        return False
    try:  # the package index holds a placeholder of this name without any metrics
        import_module("kaolin.metrics.pointcloud")
        version("kaolin")
    except (ImportError, OSError, PackageNotFoundError):
        return False
    return True


def chamfer_by_kaolin(
    predicted: Float[np.ndarray, "P 3"], reference: Float[np.ndarray, "R 3"]
) -> Chamfer:
    """Chamfer distance by Kaolin's own function, in float32 on the CUDA device."""
    kaolin_distance = import_module("kaolin.metrics.pointcloud").chamfer_distance
    points = [
        torch.as_tensor(p, dtype=torch.float32, device="cuda")[None] for p in (predicted, reference)
    ]
    return Chamfer(
        squared=float(kaolin_distance(*points, squared=True)),
        distance=float(kaolin_distance(*points, squared=False)),
        backend=f"kaolin {version('kaolin')}, float32, cuda",
    )
