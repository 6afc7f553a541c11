"""Scores of one prediction: every per-object metric of a protocol, and what computed it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from lrm_core.evaluation.observation import Observation
from lrm_core.metrics.chamfer import chamfer
from lrm_core.metrics.depth_error import depth_error
from lrm_core.metrics.f_score import f_score
from lrm_core.metrics.nearest_neighbors import find_nearest_neighbors
from lrm_core.metrics.normal_consistency import normal_consistency
from lrm_core.metrics.psnr import psnr
from lrm_core.metrics.silhouette_iou import silhouette_iou
from lrm_core.metrics.ssim import ssim
from lrm_core.metrics.volume_iou import volume_iou

SCORES_VERSION = 2
"""Raised when a definition changes, so that cached scores of the older one are not taken."""

_NO_SURFACE = "nothing was predicted"
_NO_REFERENCE_SURFACE = "the object is known by photos only"


@dataclass(frozen=True)
class Scores:
    """Numbers of one prediction.

    Attributes:
        values: metric -> value.
        undefined: metric -> why it has no value.
        backends: metric -> what computed it.
    """

    values: dict[str, float]
    undefined: dict[str, str]
    backends: dict[str, str]

    def joined(self, others: Scores) -> Scores:
        """These and others."""
        return Scores(
            self.values | others.values,
            self.undefined | others.undefined,
            self.backends | others.backends,
        )


def score(
    prediction: Observation, reference: Observation, *, thresholds: Sequence[float]
) -> Scores:
    """Compare what is seen of a prediction with what is seen of its reference.

    Args:
        prediction: from the views of the reference.
        reference: the object itself.
        thresholds: distances of the F-score.
    """
    views = score_views(prediction, reference)
    return views.joined(score_surface(prediction, reference, thresholds=thresholds))


def score_surface(
    prediction: Observation, reference: Observation, *, thresholds: Sequence[float]
) -> Scores:
    """Compare surface points and volumes.

    A method that predicts nothing has F-score, precision, recall and volume IoU 0; its distances
    are undefined. So is everything about an object that is known by photos only.

    Args:
        prediction: the prediction.
        reference: the object itself.
        thresholds: distances of the F-score.
    """
    at_distances = [f"{kind}@{t:g}" for kind in ("f_score", "precision", "recall")
                    for t in thresholds]  # fmt: skip
    distances = ["chamfer_distance", "chamfer_squared", "normal_consistency"]
    if not len(reference.points):
        unknown = [*at_distances, *distances, "volume_iou"]
        return Scores({}, dict.fromkeys(unknown, _NO_REFERENCE_SURFACE), {})
    if not len(prediction.points):
        nothing = [*at_distances, "volume_iou"]
        return Scores(
            values=dict.fromkeys(nothing, 0.0),
            undefined=dict.fromkeys(distances, _NO_SURFACE),
            backends=dict.fromkeys(nothing, "by definition"),
        )
    scores = _point_scores(prediction.points, prediction.normals, reference, thresholds)
    volumes = volume_iou(prediction.triangles, reference.triangles)
    if volumes.value is None:
        return scores.joined(Scores({}, {"volume_iou": volumes.reason}, {}))
    backend = "lrm, exact along 256 x 256 columns"
    return scores.joined(Scores({"volume_iou": volumes.value}, {}, {"volume_iou": backend}))


def sampling_floor(
    points: Float32[np.ndarray, "P 3"],
    normals: Float32[np.ndarray, "P 3"],
    reference: Observation,
    *,
    thresholds: Sequence[float],
) -> dict[str, float]:
    """What a perfect prediction scores: the object's own surface, sampled with another seed.

    Args:
        points: (P, 3) on the object's surface, drawn independently of the reference's.
        normals: (P, 3) there.
        reference: the object itself.
        thresholds: distances of the F-score.
    """
    return _point_scores(points, normals, reference, thresholds).values


def as_images(rgb: UInt8[np.ndarray, "N H W 3"]) -> Float[Tensor, "N 3 H W"]:
    """8-bit pictures as metrics take them."""
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(0, 3, 1, 2))).float() / 255.0


def score_views(prediction: Observation, reference: Observation) -> Scores:
    """Compare the pictures; a method that predicts nothing is compared with its empty ones.

    Args:
        prediction: from the views of the reference.
        reference: the object itself.
    """
    predicted, expected = as_images(prediction.rgb), as_images(reference.rgb)
    seen = [torch.from_numpy(side.alpha).float() / 255.0 for side in (prediction, reference)]
    depths = depth_error(torch.from_numpy(prediction.depth), torch.from_numpy(reference.depth))
    values = {
        "psnr": float(psnr(predicted, expected).mean()),
        "ssim": float(ssim(predicted, expected).mean()),
        "silhouette_iou": float(silhouette_iou(*seen).mean()),
        "depth_error": float(depths.mean_absolute.nanmean()),
        "depth_coverage": float(depths.coverage.nanmean()),
    }
    undefined = {}
    if math.isnan(values["depth_error"]):
        del values["depth_error"]
        undefined["depth_error"] = "no pixel shows both objects"
    if math.isnan(values["depth_coverage"]):
        del values["depth_coverage"]
        undefined["depth_coverage"] = "the reference has no depth"
    if math.isinf(values["psnr"]):
        del values["psnr"]
        undefined["psnr"] = "all pictures are equal"
    own = f"torch {version('torch')}"
    backends = dict.fromkeys(values, own) | {"ssim": f"scikit-image {version('scikit-image')}"}
    return Scores(values, undefined, backends)


def _point_scores(
    points: Float32[np.ndarray, "P 3"],
    normals: Float32[np.ndarray, "P 3"],
    reference: Observation,
    thresholds: Sequence[float],
) -> Scores:
    neighbors = find_nearest_neighbors(points, reference.points)
    distances = chamfer(points, reference.points, neighbors)
    values = {
        "chamfer_distance": distances.distance,
        "chamfer_squared": distances.squared,
        "normal_consistency": normal_consistency(neighbors, normals, reference.normals),
    }
    for scored in f_score(neighbors, thresholds):
        values[f"f_score@{scored.threshold:g}"] = scored.f_score
        values[f"precision@{scored.threshold:g}"] = scored.precision
        values[f"recall@{scored.threshold:g}"] = scored.recall
    tree = f"scipy {version('scipy')} cKDTree, float64"
    backends = dict.fromkeys(values, tree) | dict.fromkeys(
        ("chamfer_distance", "chamfer_squared"), distances.backend
    )
    return Scores(values, {}, backends)
