import numpy as np
import pytest

from lrm_core.imaging.matting import clean_edge_colors, cut_out

FRONT = np.array([0.8, 0.1, 0.15])
BACK = np.array([0.2, 0.7, 0.9])


def disc(size=80, radius=25.0, softness=3.0):
    """alpha of a soft disc and its picture by I = alpha F + (1 - alpha) B."""
    y, x = np.mgrid[:size, :size]
    distance = radius - np.hypot(y - size / 2 + 0.5, x - size / 2 + 0.5)
    alpha = np.clip(distance / softness + 0.5, 0, 1)
    picture = FRONT * alpha[..., None] + BACK * (1 - alpha[..., None])
    return alpha, np.round(picture * 255).astype(np.uint8)


@pytest.mark.parametrize("offset", [-1.5, 0.0, 1.5])
def test_alpha_is_recovered_from_a_wrong_mask(offset):
    alpha, rgb = disc()
    y, x = np.mgrid[:80, :80]
    mask = np.hypot(y - 39.5, x - 39.5) < 25 + offset
    found = cut_out(rgb, mask, radius=5.0)[..., 3] / 255
    before, after = np.abs(mask - alpha).mean(), np.abs(found - alpha).mean()
    assert after < 0.35 * before


def test_edge_colors_hold_no_background():
    alpha, rgb = disc()
    rgba = cut_out(rgb, alpha > 0.5, radius=4.0)
    visible = rgba[..., 3] > 40
    error = np.abs(rgba[..., :3][visible] / 255 - FRONT)
    assert error.max() < 0.08
    plain = np.abs(rgb[visible] / 255 - FRONT)
    assert plain.max() > 0.4  # the picture itself does hold it


def test_given_alpha_is_kept_and_colors_are_cleaned():
    alpha, rgb = disc()
    rgba = clean_edge_colors(rgb, alpha.astype(np.float32), radius=3.0)
    np.testing.assert_allclose(rgba[..., 3] / 255, alpha, atol=0.5 / 255 + 1e-6)
    visible = alpha > 0.15
    assert np.abs(rgba[..., :3][visible] / 255 - FRONT).max() < 0.08


def test_colors_away_from_the_edge_are_untouched():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (60, 60, 3), np.uint8)
    mask = np.zeros((60, 60), bool)
    mask[15:45, 15:45] = True
    rgba = cut_out(rgb, mask, radius=3.0)
    np.testing.assert_array_equal(rgba[20:40, 20:40, :3], rgb[20:40, 20:40])
    assert (rgba[20:40, 20:40, 3] == 255).all()
    assert (rgba[:10, :, 3] == 0).all()


def test_same_color_on_both_sides_gives_the_masks_own_edge():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    rgba = cut_out(np.full((40, 40, 3), 90, np.uint8), mask, radius=3.0)
    np.testing.assert_array_equal(rgba[..., 3] >= 128, mask)
    assert (rgba[..., :3] == 90).all()


def test_thin_parts_survive():
    rgb = np.full((60, 60, 3), 255, np.uint8)
    mask = np.zeros((60, 60), bool)
    mask[10:30, 10:50] = True
    mask[30:55, 29:31] = True  # a leg, two pixels wide
    rgb[mask] = (120, 40, 20)
    rgba = cut_out(rgb, mask, radius=3.0)
    assert (rgba[32:54, 29:31, 3] >= 128).all()


@pytest.mark.parametrize("full", [True, False])
def test_all_or_nothing(full):
    rgb = np.full((20, 20, 3), 50, np.uint8)
    rgba = cut_out(rgb, np.full((20, 20), full), radius=2.0)
    assert (rgba[..., 3] == (255 if full else 0)).all()
    np.testing.assert_array_equal(rgba[..., :3], rgb)
