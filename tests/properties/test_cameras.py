"""What must hold for every camera: rays and projection are inverses, rotations are rigid."""

import tempfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lrm_core.io.camera_files import read_cameras, write_cameras
from lrm_core.rendering.ray_generation import generate_rays, generate_rays_at
from lrm_core.structures.cameras import Cameras, look_at

# loaded machines take longer than hypothesis's default deadline
PROFILE = settings(deadline=None, max_examples=50)


@st.composite
def camera_sets(draw):
    """One to three cameras anywhere around the object, with any intrinsics, in float64."""
    number = st.floats(-3.0, 3.0)
    count = draw(st.integers(1, 3))
    origins = torch.tensor(
        draw(st.lists(st.tuples(number, number, number), min_size=count, max_size=count)),
        dtype=torch.float64,
    )
    norms = origins.norm(dim=-1, keepdim=True)
    origins = torch.where(norms < 0.1, torch.tensor([0.0, -2.0, 0.3]).double(), origins)
    width, height = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    focal = st.floats(0.5, 30.0)
    shift = st.floats(-2.0, 9.0)
    rows = [[draw(focal), draw(focal), draw(shift), draw(shift)] for _ in range(count)]
    return Cameras(look_at(origins), torch.tensor(rows, dtype=torch.float64), width, height)


@PROFILE
@given(camera_sets(), st.floats(0.1, 10.0))
def test_points_on_a_ray_project_to_its_pixel(cameras, distance):
    rays = generate_rays(cameras)
    assert torch.allclose(rays.directions.norm(dim=-1), torch.ones(1, dtype=torch.float64))
    points = rays.origins + distance * rays.directions
    pixels_per_view = cameras.width * cameras.height
    for view in range(len(cameras)):
        part = slice(view * pixels_per_view, (view + 1) * pixels_per_view)
        pixels, depth = cameras[view].project(points[part])
        cosine = -(rays.directions[part] @ cameras.c2w[view, :3, 2])
        for index, (x, y) in enumerate(pixels[0].tolist()):
            row, column = divmod(index, cameras.width)
            assert abs(x - (column + 0.5)) < 1e-6
            assert abs(y - (row + 0.5)) < 1e-6
        assert torch.allclose(depth[0], distance * cosine)


@PROFILE
@given(camera_sets(), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_the_ray_of_a_projected_point_passes_through_it(cameras, x, y, z):
    point = torch.tensor([[x, y, z]], dtype=torch.float64)
    pixels, depth = cameras.project(point)
    views = torch.nonzero(depth[:, 0] > 0.05)[:, 0]
    rays = generate_rays_at(cameras, views, pixels[views, 0])
    expected = F.normalize(point - cameras.origins[views], dim=-1)
    assert torch.allclose(rays.directions, expected, atol=1e-6)


@PROFILE
@given(camera_sets())
def test_look_at_is_a_rotation_that_sees_the_target_upright(cameras):
    require_upright_rotations(cameras.origins)


@pytest.mark.parametrize("height", [2.0, -2.0])
@pytest.mark.parametrize("beside", [0.0, 1e-300, 1e-9, 1e-7, 1.99e-6, 2e-6, 2.01e-6, 1e-5])
def test_look_at_near_the_vertical(beside, height):
    """About the angle of 1e-6 below which a camera counts as looking straight up or down."""
    turns = torch.arange(8, dtype=torch.float64) * 0.8
    origins = torch.stack([beside * turns.cos(), beside * turns.sin(), 0 * turns + height], dim=1)
    require_upright_rotations(origins)


def require_upright_rotations(origins):
    rotation = look_at(origins)[:, :3, :3]
    identity = torch.eye(3, dtype=torch.float64).expand_as(rotation)
    assert torch.allclose(rotation @ rotation.transpose(1, 2), identity, atol=1e-9)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(1, dtype=torch.float64))
    towards = F.normalize(-origins, dim=-1)
    assert torch.allclose(-rotation[:, :, 2], towards, atol=1e-9)
    # a level horizon and an upright image, unless the camera looks straight up or down: y is up
    # then, and the horizon is level but for the angle that it was rounded by
    slope = towards[:, :2].norm(dim=-1)
    tolerance = torch.where(slope < 1.001e-6, slope, 0.0) + 1e-9
    assert bool((rotation[:, 2, 1] >= -tolerance).all())
    assert bool((rotation[:, 2, 0].abs() <= tolerance).all())


@PROFILE
@given(camera_sets())
def test_camera_files_give_back_what_was_written(cameras):
    single = Cameras(cameras.c2w.float(), cameras.intrinsics.float(), cameras.width, cameras.height)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transforms.json"
        write_cameras(path, single)
        again = read_cameras(path)
    assert torch.equal(again.c2w, single.c2w)
    assert torch.equal(again.intrinsics, single.intrinsics)
    assert (again.width, again.height) == (single.width, single.height)
