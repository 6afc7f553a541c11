"""Precision, recall and F-score against counts by hand and Kaolin's documented values."""

import numpy as np
import pytest

from lrm_core.metrics.f_score import FScore, f_score
from lrm_core.metrics.nearest_neighbors import NearestNeighbors, find_nearest_neighbors


def at_distances(predicted: list[float], reference: list[float]) -> NearestNeighbors:
    p, r = np.array(predicted), np.array(reference)
    return NearestNeighbors(p, np.zeros(len(p), int), r, np.zeros(len(r), int))


def test_counts_by_hand() -> None:
    neighbors = at_distances([0.1, 0.2, 0.3, 0.4], [0.1, 0.9])
    low, high, none = f_score(neighbors, (0.2, 1.0, 0.05))
    assert low == FScore(0.2, 0.5, 0.5, 0.5)
    assert high == FScore(1.0, 1.0, 1.0, 1.0)
    assert none == FScore(0.05, 0.0, 0.0, 0.0)


def test_precision_looks_at_the_prediction_and_recall_at_the_reference() -> None:
    (score,) = f_score(at_distances([0.1, 0.1, 0.1, 0.9], [0.1, 0.9, 0.9, 0.9, 0.9]), [0.5])
    assert score.precision == 0.75
    assert score.recall == 0.2
    assert score.f_score == pytest.approx(2 * 0.75 * 0.2 / 0.95)


@pytest.mark.parametrize(
    ("reference", "predicted", "expected"),
    [
        (
            [[8.8977, 4.1709, 1.2839], [8.5640, 7.7767, 9.4214]],
            [[9.4863, 4.2249, 0.1712], [8.1783, 8.5310, 8.5119]],
            (0.0, 1.0),
        ),
        (
            [[0.5431, 6.4495, 11.4914], [3.2126, 8.0865, 3.1018]],
            [[-0.0020699, 6.4429, 12.3], [3.8386, 8.3585, 4.7662]],
            (0.5, 0.5),
        ),
    ],
)
def test_kaolins_documented_values(
    reference: list, predicted: list, expected: tuple[float, float]
) -> None:
    """Its examples at radius 1 and 1.5 have P = R, where both definitions agree."""
    neighbors = find_nearest_neighbors(np.array(predicted), np.array(reference))
    scores = f_score(neighbors, (1.0, 1.5))
    assert tuple(score.f_score for score in scores) == pytest.approx(expected)
    assert all(score.precision == score.recall for score in scores)


def test_kaolins_recall_is_another_one_elsewhere() -> None:
    """What the docstring says about it: P = 1, R = 1/2 with sets of equal size."""
    (score,) = f_score(at_distances([0.0, 0.0], [0.0, 9.0]), [1.0])
    true_positives, false_negatives = 2, 1
    assert (score.precision, score.recall) == (1.0, 0.5)
    assert true_positives / (true_positives + false_negatives) == pytest.approx(2 / 3)
