"""Silhouette IoU against scikit-learn's kind of counting, by hand and on random masks."""

import numpy as np
import torch

from lrm_core.metrics.silhouette_iou import silhouette_iou


def test_known_overlaps() -> None:
    left, right, empty = torch.zeros(3, 1, 4, 6).unbind()
    left[..., :3] = 1.0
    right[..., 2:5] = 1.0
    batch = torch.cat([left, left, left, empty])
    other = torch.cat([right, left, empty, empty])
    # 1 of 5 columns; equal; nothing predicted; nothing to see in either
    assert silhouette_iou(batch, other).tolist() == [0.2, 1.0, 0.0, 1.0]


def test_half_covered_pixels_belong_to_the_object() -> None:
    opacity = torch.tensor([[[0.49, 0.5, 1.0]]])
    assert silhouette_iou(opacity, torch.ones(1, 1, 3)).item() == 2 / 3


def test_random_masks() -> None:
    a, b = np.random.default_rng(7).random((2, 3, 20, 20))
    expected = []
    for x, y in zip(a, b, strict=True):
        inside_x, inside_y = ({tuple(p) for p in np.argwhere(m >= 0.5)} for m in (x, y))
        expected.append(len(inside_x & inside_y) / len(inside_x | inside_y))
    assert silhouette_iou(torch.tensor(a), torch.tensor(b)).tolist() == expected
