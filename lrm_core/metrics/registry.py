"""Every number that an evaluation reports: what it is, which way is better, where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from lrm_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One reported number.

    Attributes:
        name: as in reports and on the command line.
        label: as in tables.
        direction: whether higher or lower values are better.
        definition: one line; the file named like the metric says it in full.
        source: who defined it.
        scope: one value per object, or one per set of objects.
        input: whether it compares rendered images, sampled surface points or closed surfaces.
        unit: empty for a pure number; lengths and areas are those of the protocol's frame.
    """

    name: str
    label: str
    direction: Literal["higher", "lower"]
    definition: str
    source: str
    scope: Literal["object", "set"]
    input: Literal["images", "points", "surfaces"]
    unit: str = ""


_TANKS_AND_TEMPLES = "Knapitsch et al., Tanks and Temples (2017), equations 3 to 5"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="psnr",
            label="PSNR",
            direction="higher",
            unit="dB",
            definition=(
                "-10 log10 of the mean squared error over all pixels and channels, mean over views"
            ),
            source="ITU-T J.340; LRM, appendix C",
            scope="object",
            input="images",
        ),
        Metric(
            name="ssim",
            label="SSIM",
            direction="higher",
            definition="Gaussian window 11 x 11, sigma 1.5, mean over channels, pixels and views",
            source="Wang et al., Image Quality Assessment (2004)",
            scope="object",
            input="images",
        ),
        Metric(
            name="lpips",
            label="LPIPS",
            direction="lower",
            definition="weighted squared differences of unit-length deep features, mean over views",
            source="Zhang et al. (2018), package lpips, version 0.1",
            scope="object",
            input="images",
        ),
        Metric(
            name="clip_similarity",
            label="CLIP similarity",
            direction="higher",
            definition=(
                "cosine between the CLIP image embeddings of a view and its reference, "
                "mean over views"
            ),
            source="Radford et al. (2021), package open_clip; LRM, appendix C",
            scope="object",
            input="images",
        ),
        Metric(
            name="fid",
            label="FID",
            direction="lower",
            definition=(
                "Frechet distance between Gaussians fitted to the Inception features of all views"
            ),
            source="Heusel et al. (2017), network and weights of package pytorch-fid",
            scope="set",
            input="images",
        ),
        Metric(
            name="silhouette_iou",
            label="Silhouette IoU",
            direction="higher",
            definition=(
                "intersection over union of the pixels at least half covered, mean over views"
            ),
            source="Jaccard (1912)",
            scope="object",
            input="images",
        ),
        Metric(
            name="depth_error",
            label="Depth error",
            direction="lower",
            unit="length",
            definition="mean absolute depth difference where both see the object, mean over views",
            source="Eigen et al. (2014)",
            scope="object",
            input="images",
        ),
        Metric(
            name="depth_coverage",
            label="Depth coverage",
            direction="higher",
            definition=(
                "share of the reference's pixels at which the prediction is seen too, "
                "mean over views"
            ),
            source="to be read with the depth error, which leaves all other pixels out",
            scope="object",
            input="images",
        ),
        Metric(
            name="chamfer_squared",
            label="Chamfer (squared)",
            direction="lower",
            unit="length^2",
            definition="sum of both directions' mean squared nearest distances",
            source="Kaolin, kaolin.metrics.pointcloud.chamfer_distance",
            scope="object",
            input="points",
        ),
        Metric(
            name="chamfer_distance",
            label="Chamfer",
            direction="lower",
            unit="length",
            definition="sum of both directions' mean nearest distances",
            source="Kaolin, kaolin.metrics.pointcloud.chamfer_distance with squared=False",
            scope="object",
            input="points",
        ),
        Metric(
            name="f_score",
            label="F-score",
            direction="higher",
            definition="harmonic mean of precision and recall at a distance",
            source=_TANKS_AND_TEMPLES,
            scope="object",
            input="points",
        ),
        Metric(
            name="precision",
            label="Precision",
            direction="higher",
            definition="share of predicted points within a distance of the reference",
            source=_TANKS_AND_TEMPLES,
            scope="object",
            input="points",
        ),
        Metric(
            name="recall",
            label="Recall",
            direction="higher",
            definition="share of reference points within a distance of the prediction",
            source=_TANKS_AND_TEMPLES,
            scope="object",
            input="points",
        ),
        Metric(
            name="normal_consistency",
            label="Normal consistency",
            direction="higher",
            definition=(
                "mean |cos| between the normals of nearest neighbors, mean of both directions"
            ),
            source="Mescheder et al., Occupancy Networks (2019), section 4",
            scope="object",
            input="points",
        ),
        Metric(
            name="volume_iou",
            label="Volume IoU",
            direction="higher",
            definition="intersection over union of the enclosed volumes, closed meshes only",
            source="Mescheder et al., Occupancy Networks (2019), section 4",
            scope="object",
            input="surfaces",
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
        raise ConfigError(f"'{name}' does not name a distance", hint=f"for example: {plain}@0.1")
    return replace(metric, name=name, label=f"{metric.label} @ {distance}")


def _is_positive(text: str) -> bool:
    try:
        return 0.0 < float(text) < math.inf
    except ValueError:
        return False
