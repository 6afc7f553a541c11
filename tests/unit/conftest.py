"""Pictures of known objects on known backgrounds."""

from collections.abc import Callable

import numpy as np
import pytest


def iou(first, second):
    return (first & second).sum() / max(1, (first | second).sum())


@pytest.fixture
def intersection_over_union() -> Callable[[np.ndarray, np.ndarray], float]:
    return iou


@pytest.fixture
def compose():
    """Composite a multi-colored object (a body with a ring handle) on a background."""

    def build(background, *, seed=0):
        height, width = background.shape[:2]
        y, x = np.mgrid[:height, :width].astype(np.float64)
        unit = min(height, width) / 2
        u, v = (x - width / 2) / unit, (y - height / 2) / unit
        body = np.clip((0.45 - np.hypot(u, v)) * unit + 0.5, 0, 1)
        ring = np.hypot(u - 0.55, v)
        handle = np.clip((0.07 - np.abs(ring - 0.2)) * unit + 0.5, 0, 1)
        alpha = np.maximum(body, handle)[..., None]
        stripes = np.sin(v * 14)[..., None] > 0
        color = np.where(stripes, (190.0, 40.0, 30.0), (40.0, 90.0, 60.0))
        picture = color * alpha + background * (1 - alpha)
        noise = np.random.default_rng(seed).normal(0, 1.5, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8), alpha[..., 0]

    return build
