import numpy as np
import torch
from PIL import Image

from lrm_core.imaging.compositing import over_gray, over_white


def test_over_gray_is_what_pillow_composites():
    rgba = np.random.default_rng(0).integers(0, 256, (32, 48, 4), np.uint8)
    paper = Image.new("RGBA", (48, 32), (128, 128, 128, 255))
    expected = np.asarray(Image.alpha_composite(paper, Image.fromarray(rgba)))[..., :3]
    image = torch.from_numpy(rgba / np.float32(255)).permute(2, 0, 1)[None]
    ours = over_gray(image, 128 / 255)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(ours - expected).max() <= 1.0  # bytes are rounded


def test_over_white_is_the_formula():
    rgba = np.random.default_rng(0).integers(0, 256, (8, 9, 4), np.uint8)
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
    ours = np.asarray(over_white(Image.fromarray(rgba)))
    assert np.abs(ours - expected).max() <= 1.0
