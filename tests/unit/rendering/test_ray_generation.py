import math

import pytest
import torch

from lrm_core.rendering.ray_generation import generate_rays, generate_rays_at
from lrm_core.structures.cameras import Cameras, canonical_camera, look_at


def two_cameras(width=5, height=3):
    c2w = look_at(torch.tensor([[0.0, -2.0, 0.0], [1.5, 0.7, 1.0]]))
    intrinsics = torch.tensor([[4.0, 3.5, 2.6, 1.4], [6.0, 6.0, 2.5, 1.5]])
    return Cameras(c2w, intrinsics, width, height)


def test_source_camera_looks_along_plus_y():
    rays = generate_rays(canonical_camera(1))
    assert torch.equal(rays.origins, torch.tensor([[0.0, -2.0, 0.0]]))
    assert torch.allclose(rays.directions, torch.tensor([[0.0, 1.0, 0.0]]), atol=1e-7)


def test_top_left_pixel_is_left_and_up():
    # 2 x 2 pixels, focal 0.75 of the width: the center of the first lies at (-0.5, +0.5) / 1.5
    first = generate_rays(canonical_camera(2)).directions[0]
    expected = torch.tensor([-1.0 / 3.0, 1.0, 1.0 / 3.0])
    assert torch.allclose(first, expected / expected.norm(), atol=1e-6)


def test_order_and_values_match_a_plain_loop():
    cameras = two_cameras()
    rays = generate_rays(cameras)
    index = 0
    for view in range(2):
        fx, fy, cx, cy = cameras.intrinsics[view].tolist()
        right, up, backward, origin = cameras.c2w[view, :3].T.tolist()
        for row in range(3):
            for column in range(5):
                x, y = (column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy
                direction = [x * right[k] - y * up[k] - backward[k] for k in range(3)]
                length = math.sqrt(sum(d * d for d in direction))
                assert rays.directions[index].tolist() == pytest.approx(
                    [d / length for d in direction], abs=1e-6
                )
                assert rays.origins[index].tolist() == origin
                index += 1
    assert len(rays) == index


def test_rays_at_pixel_centres_are_rays_of_the_whole_image():
    cameras = two_cameras()
    whole = generate_rays(cameras)
    some = generate_rays_at(cameras, torch.tensor([1, 0]), torch.tensor([[2.5, 1.5], [4.5, 0.5]]))
    flat = [15 + 1 * 5 + 2, 4]
    assert torch.equal(some.directions, whole.directions[flat])
    assert torch.equal(some.origins, whole.origins[flat])
