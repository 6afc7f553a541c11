"""The distance to the silhouette against scipy's exact Euclidean distance transform."""

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from lrm_core.models.silhouette_distance import distance_inside


def test_agrees_with_scipy_on_random_masks_and_a_full_image():
    generator = torch.Generator().manual_seed(0)
    alpha = (torch.rand(3, 1, 24, 24, generator=generator) > 0.15).float()
    alpha[1] = 1.0
    alpha[2] = 0.0
    found = distance_inside(alpha)
    for mask, distance in zip(alpha[:, 0].numpy(), found[:, 0].numpy(), strict=True):
        # beyond the image is outside; pixels to units of half the side
        expected = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] / 12.0
        np.testing.assert_allclose(distance, expected, atol=1e-6)


def test_a_disc_is_as_deep_as_its_radius():
    size = 64
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    disc = (axis[:, None] ** 2 + axis[None] ** 2 < 0.5**2).float()
    assert abs(float(distance_inside(disc[None, None]).max()) - 0.5) < 2.0 / size
