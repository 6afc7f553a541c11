"""Precision, recall and F-score of surface points at a distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lrm_core.metrics.nearest_neighbors import NearestNeighbors


@dataclass(frozen=True)
class FScore:
    """How much of two surfaces lies within a distance of the other.

    Attributes:
        threshold: the distance.
        precision: share of predicted points within it of the reference, in [0, 1].
        recall: share of reference points within it of the prediction, in [0, 1].
        f_score: harmonic mean of both, in [0, 1].
    """

    threshold: float
    precision: float
    recall: float
    f_score: float


def f_score(neighbors: NearestNeighbors, thresholds: Sequence[float]) -> tuple[FScore, ...]:
    """Precision P, recall R and F-score at each threshold d.

        P(d) = share of predicted points with distance <= d to the reference
        R(d) = share of reference points with distance <= d to the prediction
        F(d) = 2 P(d) R(d) / (P(d) + R(d)), 0 where both are 0

    Kaolin's `f_score` differs: it counts true positives among the predicted points for the recall
    too, TP / (TP + FN) with TP = P(d) * #predicted and FN = (1 - R(d)) * #reference. That is R(d)
    only where all reference points are met or, with sets of equal size, where P(d) = R(d).

    Args:
        neighbors: nearest neighbors of both sets.
        thresholds: distances in the units of the points.

    Source: Knapitsch, Park, Zhou, Koltun, Tanks and Temples (2017), equations 3 to 5.
    """
    scores = []
    for threshold in thresholds:
        precision = float((neighbors.predicted_distances <= threshold).mean())
        recall = float((neighbors.reference_distances <= threshold).mean())
        total = precision + recall
        score = 2.0 * precision * recall / total if total else 0.0
        scores.append(FScore(threshold, precision, recall, score))
    return tuple(scores)
