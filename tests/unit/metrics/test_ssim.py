"""SSIM against the formula of the paper, window by window."""

import numpy as np
import pytest
import torch

from lrm_core.errors import InputError
from lrm_core.metrics.ssim import ssim


def ssim_by_loops(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. (2004), equation 13 with the weights of section III-B, for one channel."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for row in range(a.shape[0] - 10):
        for column in range(a.shape[1] - 10):
            x, y = (image[row : row + 11, column : column + 11] for image in (a, b))
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            var_x = (window * (x - mean_x) ** 2).sum()
            var_y = (window * (y - mean_y) ** 2).sum()
            covariance = (window * (x - mean_x) * (y - mean_y)).sum()
            values.append(
                (2 * mean_x * mean_y + c1)
                * (2 * covariance + c2)
                / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
            )
    return float(np.mean(values))


def test_it_agrees_with_the_formula() -> None:
    rng = np.random.default_rng(1)
    a = rng.random((2, 3, 17, 23)).astype(np.float32)
    b = np.clip(a + rng.normal(0.0, 0.2, a.shape), 0, 1).astype(np.float32)
    expected = [
        np.mean(
            [
                ssim_by_loops(*(c.astype(np.float64) for c in pair))
                for pair in zip(x, y, strict=True)
            ]
        )
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(ssim(torch.tensor(a), torch.tensor(b)), expected, rtol=1e-10)


def test_flat_images_have_a_known_value() -> None:
    a, b = torch.full((1, 3, 16, 16), 0.25), torch.full((1, 3, 16, 16), 0.75)
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-10)
    assert ssim(a, a).item() == pytest.approx(1.0, abs=1e-12)


def test_an_image_smaller_than_the_window_is_refused() -> None:
    tiny = torch.zeros(1, 3, 10, 40)
    with pytest.raises(InputError, match="11 pixels"):
        ssim(tiny, tiny)
