"""PSNR against its formula and scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from lrm_core.metrics.psnr import psnr


def test_a_constant_difference_has_a_known_value() -> None:
    black = torch.zeros(2, 3, 4, 5)
    assert psnr(black, black + 0.1).tolist() == pytest.approx([20.0, 20.0], abs=1e-5)
    assert psnr(black, black + 1.0).tolist() == [0.0, 0.0]
    assert psnr(black, black).tolist() == [math.inf, math.inf]


def test_it_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 3, 20, 30)).astype(np.float32)
    expected = [
        peak_signal_noise_ratio(x.astype(np.float64), y.astype(np.float64), data_range=1.0)
        for x, y in zip(a, b, strict=True)
    ]
    ours = psnr(torch.tensor(a), torch.tensor(b))
    assert ours.dtype == torch.float64
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
