import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lrm_core.imaging.resampling import pixels_seen, resample


@pytest.mark.parametrize("size", [(24, 24), (32, 48), (96, 96)])
def test_colors_weighted_by_alpha_agree_with_torch(size):
    """The box is the whole image with a border of nothing; no kernel overshoots in a soft blob."""
    y, x = np.mgrid[:48, :48]
    rgba = np.empty((48, 48, 4), np.uint8)
    rgba[..., 0], rgba[..., 1], rgba[..., 2] = 5 * x, 5 * y, 2 * (x + y)
    rgba[..., 3] = 250 * np.exp(-((x - 20) ** 2 + (y - 27) ** 2) / 60)
    ours = resample(rgba, (-8.0, -8.0, 56.0, 56.0), size).astype(float) / 255
    image = torch.from_numpy(rgba / np.float64(255)).permute(2, 0, 1)[None]
    image[:, :3] *= image[:, 3:]
    padded = F.pad(image, (8, 8, 8, 8))
    expected = F.interpolate(padded, size[::-1], mode="bicubic", antialias=True)[0]
    expected = expected.permute(1, 2, 0).clamp(0, 1).numpy()
    np.testing.assert_allclose(ours[..., 3], expected[..., 3], atol=2 / 255)
    colors = np.minimum(expected[..., :3], expected[..., 3:])
    np.testing.assert_allclose(ours[..., :3] * ours[..., 3:], colors, atol=4 / 255)


def test_the_kernel_sees_two_pixels_of_the_coarser_grid():
    assert pixels_seen((10.5, 20.0, 30.5, 40.0), (20, 20)) == (8, 18, 33, 42)
    assert pixels_seen((10.0, 20.0, 30.0, 40.0), (5, 10)) == (2, 12, 38, 48)


def test_hidden_colors_leave_no_fringe():
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[..., 1] = 255  # green, hidden
    rgba[10:30, 10:30] = (255, 0, 0, 255)
    ours = resample(rgba, (0.0, 0.0, 40.0, 40.0), (13, 13))
    assert (ours[ours[..., 3] > 8][:, 1] <= 4).all()
