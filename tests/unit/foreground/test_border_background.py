import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from lrm_core.foreground.border_background import border_mask


def gradient(height, width):
    y, x = np.mgrid[:height, :width]
    return np.array([170.0, 180.0, 190.0]) + 35 * ((x / width) + (y / height) - 1)[..., None]


def vignette(height, width):
    y, x = np.mgrid[:height, :width]
    radius = np.hypot(x / width - 0.5, y / height - 0.5)[..., None]
    return np.array([225.0, 210.0, 200.0]) * (1 - 0.5 * radius**2)


def white(height, width):
    return np.full((height, width, 3), 255.0)


def dark(height, width):
    return np.full((height, width, 3), 20.0)


def follows(found, alpha, pixels):
    """The mask's edge lies within so many pixels of the true one (the matte refines it)."""
    truth = alpha > 0.5
    inner, outer = binary_erosion(truth, iterations=1), binary_dilation(truth, iterations=pixels)
    return found[inner].mean() > 0.995 and found[~outer].mean() < 1e-4


@pytest.mark.parametrize("background", [white, dark, gradient, vignette])
@pytest.mark.parametrize("size", [(240, 320), (120, 120), (700, 500)])
def test_synthetic_object(background, size, compose):
    rgb, alpha = compose(background(*size))
    found = border_mask(rgb)
    assert found is not None
    assert follows(found, alpha, 3)
    assert not found[size[0] // 2, size[1] // 2 + int(0.55 * min(size) / 2)]  # inside the handle


def test_jpeg_noise(compose):
    rgb, alpha = compose(gradient(240, 320))
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=50)
    assert follows(border_mask(np.asarray(Image.open(buffer))), alpha, 8)  # a block wide


def test_soft_shadow_is_background(compose, intersection_over_union):
    background = white(240, 320)
    y, x = np.mgrid[:240, :320]
    shade = np.exp(-(((x - 175) / 70) ** 2) - ((y - 172) / 16) ** 2)[..., None]
    rgb, alpha = compose(background * (1 - 0.3 * shade))
    shaded = (shade[..., 0] > 0.5) & (alpha == 0)
    found = border_mask(rgb)
    assert found[shaded].mean() < 0.1
    assert intersection_over_union(found, alpha > 0.5) > 0.93


def test_background_colored_part_inside_the_object_stays(compose):
    rgb, _ = compose(white(240, 320))
    rgb[116:122, 150:156] = 255  # a highlight: 0.05% of the picture
    found = border_mask(rgb)
    assert found[118, 152]


def test_object_that_crosses_the_border(intersection_over_union):
    rgb = np.full((200, 200, 3), 240, np.uint8)
    truth = np.zeros((200, 200), bool)
    truth[80:, 60:140] = True
    rgb[truth] = (60, 20, 90)
    assert intersection_over_union(border_mask(rgb), truth) > 0.97


def test_busy_border_is_refused():
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    assert border_mask(noise) is None


def test_plain_picture_has_no_object():
    assert not border_mask(np.full((64, 64, 3), 200, np.uint8)).any()


@pytest.mark.parametrize("size", [(8, 8), (8, 300), (16, 16)])
def test_tiny_pictures(size):
    rgb = np.full((*size, 3), 255, np.uint8)
    rgb[3:-3, 3:-3] = 0
    found = border_mask(rgb)
    assert found[3:-3, 3:-3].all()
    assert not found[0].any()


@pytest.mark.parametrize("gray", [150, 200, 225])
def test_gray_object_is_no_shadow(gray, intersection_over_union):
    rgb = np.full((200, 240, 3), 255, np.uint8)
    truth = np.zeros((200, 240), bool)
    truth[40:160, 70:170] = True
    rgb[truth] = gray
    assert intersection_over_union(border_mask(rgb), truth) > 0.93


def test_shadow_colored_part_that_holds_the_object_together_stays():
    rgb = np.full((200, 200, 3), 255, np.uint8)
    rgb[30:110, 50:150] = (150, 60, 30)
    rgb[110:150, 90:110] = 215  # a pale leg
    rgb[150:170, 80:120] = (90, 40, 20)  # on a foot
    found = border_mask(rgb)
    assert found[112:148, 92:108].mean() > 0.95
    assert found[152:168, 82:118].all()
