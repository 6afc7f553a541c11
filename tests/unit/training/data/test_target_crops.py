import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from lrm_core.geometry.trajectories import orbit
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.training.data.target_crops import crop_cameras, crop_targets, resize_premultiplied


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_rays_of_a_cropped_camera_are_those_of_the_same_pixels() -> None:
    full = orbit(3, size=24)
    corners = np.array([[0, 0], [5, 11], [16, 3]])
    cropped = crop_cameras(full, corners, 8)
    whole = generate_rays(full).directions.reshape(3, 24, 24, 3)
    for view, (x, y) in enumerate(corners):
        expected = whole[view, y : y + 8, x : x + 8].reshape(-1, 3)
        torch.testing.assert_close(generate_rays(cropped[view]).directions, expected)


def test_a_crop_is_a_window_of_the_resized_view_with_its_camera() -> None:
    images, cameras = noise(4, 40, 40, 4), orbit(4, size=40)
    targets = crop_targets(
        images, cameras, resolution=30, crop=12, background=1.0, rng=np.random.default_rng(1)
    )
    assert targets.rgb.shape == (4, 12, 12, 3)
    shifts = cameras.resized(30, 30).intrinsics[:, 2:] - targets.cameras.intrinsics[:, 2:]
    assert len({tuple(row) for row in shifts.tolist()}) > 1  # each view has its own window
    for view in range(4):
        x, y = shifts[view].round().int().tolist()
        whole = torch.from_numpy(resize_premultiplied(images[view], 30))[y : y + 12, x : x + 12]
        torch.testing.assert_close(targets.alpha[view], whole[..., 3])
        composited = whole[..., :3] + 1.0 - whole[..., 3:]
        torch.testing.assert_close(targets.rgb[view], composited)
        torch.testing.assert_close(
            targets.cameras.intrinsics[view, :2], cameras.intrinsics[view, :2] * 0.75
        )


def test_windows_reach_every_pixel() -> None:
    corners = set()
    rng = np.random.default_rng(0)
    images, cameras = noise(4, 8, 8, 4), orbit(4, size=8)
    for _ in range(40):
        moved = crop_targets(images, cameras, resolution=8, crop=6, background=1.0, rng=rng)
        corners |= {tuple(row) for row in (4.0 - moved.cameras.intrinsics[:, 2:]).tolist()}
    assert corners == {(float(x), float(y)) for x in range(3) for y in range(3)}


@pytest.mark.parametrize("crop", [16, 20])
def test_a_crop_not_below_the_resolution_is_the_whole_view(crop: int) -> None:
    targets = crop_targets(
        noise(2, 32, 32, 4),
        orbit(2, size=32),
        resolution=16,
        crop=crop,
        background=1.0,
        rng=np.random.default_rng(0),
    )
    assert targets.rgb.shape == (2, 16, 16, 3)
    expected = orbit(2, size=16)
    torch.testing.assert_close(targets.cameras.intrinsics, expected.intrinsics)


@pytest.mark.parametrize("size", [16, 24])
def test_shrinking_averages_areas_as_pillow_does(size: int) -> None:
    image = noise(48, 48, 4)
    premultiplied = image.astype(np.float32) / 255.0
    premultiplied[..., :3] *= premultiplied[..., 3:]
    expected = [
        Image.fromarray(np.ascontiguousarray(premultiplied[..., channel])).resize(
            (size, size), Image.Resampling.BOX
        )
        for channel in range(4)
    ]
    np.testing.assert_allclose(
        resize_premultiplied(image, size), np.stack(expected, axis=-1), atol=1e-5
    )


def test_shrinking_by_a_broken_factor_weighs_pixels_by_their_share() -> None:
    image = noise(20, 20, 4)
    premultiplied = image.astype(np.float64) / 255.0
    premultiplied[..., :3] *= premultiplied[..., 3:]
    share = np.zeros((13, 20))  # of the source pixel in the footprint of the new one
    for new in range(13):
        for old in range(20):
            low, high = new * 20 / 13, (new + 1) * 20 / 13
            share[new, old] = max(0.0, min(high, old + 1) - max(low, old)) * 13 / 20
    expected = np.einsum("ay,bx,yxc->abc", share, share, premultiplied)
    np.testing.assert_allclose(resize_premultiplied(image, 13), expected, atol=1e-5)


def test_enlarging_is_bilinear() -> None:
    image = noise(8, 8, 4)
    premultiplied = torch.from_numpy(image).float() / 255.0
    premultiplied[..., :3] *= premultiplied[..., 3:]
    expected = F.interpolate(
        premultiplied.permute(2, 0, 1)[None], size=(20, 20), mode="bilinear", align_corners=False
    )[0].permute(1, 2, 0)
    np.testing.assert_allclose(resize_premultiplied(image, 20), expected.numpy(), atol=2e-3)


def test_hidden_colors_leave_no_fringe() -> None:
    image = np.zeros((32, 32, 4), np.uint8)
    image[..., :3] = 255
    image[:, :13] = (200, 0, 0, 255)
    resized = resize_premultiplied(image, 8)
    np.testing.assert_allclose(resized[..., 0], resized[..., 3] * 200 / 255, atol=1e-6)
    assert np.all(resized[..., 1:3] == 0.0)
