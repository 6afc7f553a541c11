import numpy as np
import pytest
from scipy import ndimage

from lrm_core.foreground.grabcut import clean_mask, grabcut_mask, resize_mask, shrink


def foliage(height, width):
    """Blurred green and blue noise."""
    noise = np.random.default_rng(3).normal(0, 1, (height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (6, 6, 0))
    return np.array([90.0, 140.0, 150.0]) + smooth / smooth.std() * (20.0, 30.0, 40.0)


@pytest.mark.parametrize("size", [(240, 320), (640, 500)])
def test_object_before_a_busy_background(size, compose, intersection_over_union):
    rgb, alpha = compose(foliage(*size))
    assert intersection_over_union(grabcut_mask(rgb), alpha > 0.5) > 0.85


def test_deterministic(compose):
    rgb, _ = compose(foliage(200, 200))
    np.testing.assert_array_equal(grabcut_mask(rgb), grabcut_mask(rgb))


@pytest.mark.parametrize("size", [(8, 8), (8, 200), (16, 16)])
def test_tiny_and_flat_pictures_end(size):
    assert grabcut_mask(np.full((*size, 3), 90, np.uint8)).shape == size


def test_clean_mask():
    mask = np.zeros((40, 40), bool)
    mask[5:25, 5:25] = True  # 400 px
    mask[10:12, 10:12] = False  # a hole of 4
    mask[15:22, 8:18] = False  # a hole of 70
    mask[30:32, 30:32] = True  # a part of 4
    mask[30:40, 2:12] = True  # a part of 100
    cleaned = clean_mask(mask, smallest_part=0.1, largest_speck=0.02)
    expected = mask.copy()
    expected[10:12, 10:12] = True
    expected[30:32, 30:32] = False
    np.testing.assert_array_equal(cleaned, expected)
    empty = np.zeros((9, 9), bool)
    np.testing.assert_array_equal(clean_mask(empty, smallest_part=0.1, largest_speck=0.1), empty)


def test_shrink_and_resize_mask():
    rgb = np.zeros((100, 400, 3), np.uint8)
    assert shrink(rgb, 200).shape == (50, 200, 3)
    assert shrink(rgb, 1000).shape == (100, 400, 3)
    mask = np.zeros((10, 10), bool)
    mask[:, 5:] = True
    larger = resize_mask(mask, 40, 80)
    np.testing.assert_array_equal(larger, np.arange(80)[None] >= np.full((40, 1), 40))
