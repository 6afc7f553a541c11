"""Depth error and coverage against a naive loop."""

import math

import numpy as np
import pytest
import torch

from lrm_core.metrics.depth_error import depth_error


def test_a_naive_loop_agrees() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.uniform(1, 3, (2, 4, 9, 7)).astype(np.float32)
    a[rng.random(a.shape) < 0.3] = np.inf
    b[rng.random(b.shape) < 0.4] = np.inf
    found = depth_error(torch.tensor(a), torch.tensor(b))
    for view, (x, y) in enumerate(zip(a, b, strict=True)):
        differences, seen = [], 0
        for p, r in zip(x.ravel().tolist(), y.ravel().tolist(), strict=True):
            seen += r < math.inf
            if p < math.inf and r < math.inf:
                differences.append(abs(p - r))
        assert found.mean_absolute[view] == pytest.approx(np.mean(differences), rel=1e-12)
        assert found.coverage[view] == pytest.approx(len(differences) / seen, rel=1e-12)


def test_nothing_in_common() -> None:
    nothing, something = torch.full((1, 2, 2), math.inf), torch.ones(1, 2, 2)
    missed = depth_error(nothing, something)
    assert missed.mean_absolute.isnan().item()
    assert missed.coverage.item() == 0.0
    assert depth_error(something, nothing).coverage.isnan().item()
