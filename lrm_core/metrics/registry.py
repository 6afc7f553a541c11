"""Every number that an evaluation reports: what it is, which way is better, where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from lrm_core.errors import ConfigError


@dataclass(frozen=True)
class Metric:
    """One reported number.

    Attributes:
        name: as in reports and on the command line.
        label: as in tables.
        direction: whether higher or lower values are better.
        unit: empty for a pure number; lengths and areas are those of the protocol's frame.
        definition: one line; the file named like the metric says it in full.
        source: who defined it.
        scope: one value per object, or one per set of objects.
        input: whether it compares rendered images, sampled surface points or closed surfaces.
    """

    name: str
    label: str
    direction: Literal["higher", "lower"]
    unit: str
    definition: str
    source: str
    scope: Literal["object", "set"]
    input: Literal["images", "points", "surfaces"]


_TANKS_AND_TEMPLES = "Knapitsch et al., Tanks and Temples (2017), equations 3 to 5"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "psnr",
            "PSNR",
            "higher",
            "dB",
            "-10 log10 of the mean squared error over all pixels and channels, mean over views",
            "ITU-T J.340; LRM, appendix C",
            "object",
            "images",
        ),
        Metric(
            "ssim",
            "SSIM",
            "higher",
            "",
            "Gaussian window 11 x 11, sigma 1.5, mean over channels, pixels and views",
            "Wang et al., Image Quality Assessment (2004)",
            "object",
            "images",
        ),
        Metric(
            "lpips",
            "LPIPS",
            "lower",
            "",
            "weighted squared differences of unit-length deep features, mean over views",
            "Zhang et al. (2018), package lpips, version 0.1",
            "object",
            "images",
        ),
        Metric(
            "clip_similarity",
            "CLIP similarity",
            "higher",
            "",
            "cosine between the CLIP image embeddings of a view and its reference, mean over views",
            "Radford et al. (2021), package open_clip; LRM, appendix C",
            "object",
            "images",
        ),
        Metric(
            "fid",
            "FID",
            "lower",
            "",
            "Frechet distance between Gaussians fitted to the Inception features of all views",
            "Heusel et al. (2017), network and weights of package pytorch-fid",
            "set",
            "images",
        ),
        Metric(
            "silhouette_iou",
            "Silhouette IoU",
            "higher",
            "",
            "intersection over union of the pixels at least half covered, mean over views",
            "Jaccard (1912)",
            "object",
            "images",
        ),
        Metric(
            "depth_error",
            "Depth error",
            "lower",
            "length",
            "mean absolute depth difference where both see the object, mean over views",
            "Eigen et al. (2014)",
            "object",
            "images",
        ),
        Metric(
            "depth_coverage",
            "Depth coverage",
            "higher",
            "",
            "share of the reference's pixels at which the prediction is seen too, mean over views",
            "to be read with the depth error, which leaves all other pixels out",
            "object",
            "images",
        ),
        Metric(
            "chamfer_squared",
            "Chamfer (squared)",
            "lower",
            "length^2",
            "sum of both directions' mean squared nearest distances",
            "Kaolin, kaolin.metrics.pointcloud.chamfer_distance",
            "object",
            "points",
        ),
        Metric(
            "chamfer_distance",
            "Chamfer",
            "lower",
            "length",
            "sum of both directions' mean nearest distances",
            "Kaolin, kaolin.metrics.pointcloud.chamfer_distance with squared=False",
            "object",
            "points",
        ),
        Metric(
            "f_score",
            "F-score",
            "higher",
            "",
            "harmonic mean of precision and recall at a distance",
            _TANKS_AND_TEMPLES,
            "object",
            "points",
        ),
        Metric(
            "precision",
            "Precision",
            "higher",
            "",
            "share of predicted points within a distance of the reference",
            _TANKS_AND_TEMPLES,
            "object",
            "points",
        ),
        Metric(
            "recall",
            "Recall",
            "higher",
            "",
            "share of reference points within a distance of the prediction",
            _TANKS_AND_TEMPLES,
            "object",
            "points",
        ),
        Metric(
            "normal_consistency",
            "Normal consistency",
            "higher",
            "",
            "mean |cos| between the normals of nearest neighbours, mean of both directions",
            "Mescheder et al., Occupancy Networks (2019), section 4",
            "object",
            "points",
        ),
        Metric(
            "volume_iou",
            "Volume IoU",
            "higher",
            "",
            "intersection over union of the enclosed volumes, closed meshes only",
            "Mescheder et al., Occupancy Networks (2019), section 4",
            "object",
            "surfaces",
        ),
    )
}

# reported once per threshold, as "f_score@0.1"
_AT_A_DISTANCE = ("f_score", "precision", "recall")


def find_metric(name: str) -> Metric:
    """The metric behind a reported name.

    Args:
        name: a key of `METRICS`; those at a distance need one: "f_score@0.1".

    Returns:
        The metric; name and label hold the distance where there is one.

    Raises:
        ConfigError: no such metric, or a distance missing, superfluous or not positive.
    """
    plain, at, distance = name.partition("@")
    if plain not in METRICS:
        raise ConfigError(f"no metric '{plain}'", hint=f"metrics: {', '.join(METRICS)}")
    metric = METRICS[plain]
    if plain not in _AT_A_DISTANCE:
        if at:
            raise ConfigError(f"'{name}': {plain} is not measured at a distance")
        return metric
    if not at or not _is_positive(distance):
        raise ConfigError(f"'{name}' names no distance", hint=f"for example: {plain}@0.1")
    return replace(metric, name=name, label=f"{metric.label} @ {distance}")


def _is_positive(text: str) -> bool:
    try:
        return 0.0 < float(text) < math.inf
    except ValueError:
        return False
