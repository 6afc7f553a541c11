"""Distances to the silhouette against scipy and against a circle."""

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from lrm_core.models.silhouette_distance import distance_inside, outline_distance


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


def test_the_outline_of_a_disc_is_exact_within_a_third_of_a_pixel():
    """Farther away distances to pixel centers are half a pixel off at most, and some blur."""
    size, finer = 96, 16
    for x, y, radius in ((48.0, 48.0, 30.0), (41.3, 52.8, 22.6), (50.2, 47.5, 9.1)):
        axis = (torch.arange(size * finer) + 0.5) / finer
        covered = (axis[:, None] - y) ** 2 + (axis[None] - x) ** 2 < radius**2
        alpha = torch.nn.functional.avg_pool2d(covered[None, None].float(), finer)
        centers = torch.arange(size) + 0.5
        distance = ((centers[:, None] - y) ** 2 + (centers[None] - x) ** 2).sqrt()
        expected = radius - distance
        found = outline_distance(alpha)[0, 0]
        error = (found - expected).abs()
        assert error[expected.abs() < 0.5].max() < 0.3
        assert error[expected.abs() < 0.5].mean() < 0.1
        assert error[distance > 3.0].max() < 0.75  # the tip of the cone is blunt


def test_what_lies_beyond_the_image_is_outside():
    found = outline_distance(torch.ones(1, 1, 16, 16))[0, 0]
    assert (found > 0.0).all()
    assert float(found[8, 0]) < float(found[8, 4]) < float(found[8, 8])
    assert (outline_distance(torch.zeros(1, 1, 16, 16)) < 0.0).all()
