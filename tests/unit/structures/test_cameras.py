import math

import pytest
import torch
from jaxtyping import TypeCheckError
from scipy.spatial.transform import Rotation

from lrm_core.structures.cameras import Cameras, canonical_camera, look_at


def test_source_camera_is_the_paper_s():
    camera = canonical_camera(512)
    expected = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, -2.0], [0.0, 1.0, 0.0, 0.0], [0, 0, 0, 1.0]]
    assert torch.allclose(camera.c2w[0], torch.tensor(expected))
    assert camera.intrinsics.tolist() == [[384.0, 384.0, 256.0, 256.0]]
    # 24 mm lens on a 32 mm sensor
    fov = 2 * math.atan(0.5 / camera.normalized_intrinsics[0, 0].item())
    assert math.degrees(fov) == pytest.approx(67.38, abs=0.01)


def test_project_by_hand():
    pixels, depth = canonical_camera(100).project(
        torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 2.0, 1.0]])
    )
    # 75 px focal length; one unit at depth 2 is 37.5 px
    expected = [[50.0, 50.0], [87.5, 50.0], [50.0, 12.5], [68.75, 31.25]]
    assert torch.allclose(pixels[0], torch.tensor(expected), atol=1e-4)
    assert depth[0].tolist() == pytest.approx([2.0, 2.0, 2.0, 4.0])


def test_look_at_by_hand():
    c2w = look_at(torch.tensor([[3.0, 0.0, 0.0]]))
    right, up, backward, origin = c2w[0, :3].T
    assert torch.allclose(right, torch.tensor([0.0, 1.0, 0.0]))
    assert torch.allclose(up, torch.tensor([0.0, 0.0, 1.0]))
    assert torch.allclose(backward, torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(origin, torch.tensor([3.0, 0.0, 0.0]))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_look_at_from_the_pole_has_y_up(side):
    c2w = look_at(torch.tensor([[0.0, 0.0, 2.0 * side]]))
    assert torch.allclose(c2w[0, :3, 1], torch.tensor([0.0, 1.0, 0.0]))
    assert torch.allclose(c2w[0, :3, 2], torch.tensor([0.0, 0.0, side]))


def test_resizing_moves_pixels_with_the_image():
    cameras = canonical_camera(64, num_cameras=2)
    points = torch.tensor([[0.3, -0.2, 0.5], [-0.4, 0.1, -0.6]])
    pixels, depth = cameras.project(points)
    resized = cameras.resized(128, 32)
    new_pixels, new_depth = resized.project(points)
    assert (resized.width, resized.height) == (128, 32)
    assert torch.allclose(new_pixels, pixels * torch.tensor([2.0, 0.5]))
    assert torch.equal(new_depth, depth)
    assert torch.allclose(resized.normalized_intrinsics, cameras.normalized_intrinsics)


def test_indexing_keeps_the_batch_axis():
    cameras = Cameras(look_at(torch.eye(3)), torch.arange(12.0).reshape(3, 4), width=4, height=3)
    assert len(cameras) == 3
    assert torch.equal(cameras[1].c2w, cameras.c2w[1:2])
    assert torch.equal(cameras[-1].intrinsics, cameras.intrinsics[2:])
    assert torch.equal(cameras[:2].origins, torch.eye(3)[:2])
    assert torch.equal(cameras.to("cpu").c2w, cameras.c2w)


def test_wrong_shapes_are_caught():
    # the suite's shape checks must be on: without them this is a ValueError, with them never silent
    with pytest.raises((TypeCheckError, ValueError)):
        Cameras(torch.eye(4)[None], torch.ones(2, 4), 4, 4)
    with pytest.raises(TypeCheckError):
        look_at(torch.ones(2, 4))


def test_rigid_poses_are_told_from_all_others():
    turn = torch.from_numpy(Rotation.random(8, random_state=0).as_matrix()).float()
    c2w = torch.eye(4).repeat(8, 1, 1)
    c2w[:, :3, :3] = turn
    c2w[:, :3, 3] = torch.randn(8, 3)
    c2w[1, :3, :3] *= 1.01  # scaled
    c2w[2, :3, 0] *= -1.0  # mirrored
    c2w[3, :3, 0] += 0.1 * c2w[3, :3, 1]  # sheared: its determinant is 1
    c2w[4, 3, 0] = 0.1  # projective
    c2w[5, 0, 3] = torch.nan
    c2w[6, 1, 1] = torch.inf
    c2w[7, 0, 0] += 1e-5  # rounded
    cameras = Cameras(c2w, torch.ones(8, 4), 4, 4)
    assert cameras.is_rigid(1e-3).tolist() == [True, *[False] * 6, True]
    assert not bool(cameras.is_rigid(1e-6)[7])
