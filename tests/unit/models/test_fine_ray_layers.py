"""Layers of a photo: what is known stays, what is filled in lies between; a ball becomes a ball."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import trimesh

from lrm_core.config import ModelConfig
from lrm_core.models.fine_ray_layers import (
    fine_ray_layers,
    layer_maps,
    own_colors,
    spread_outward,
)
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.triplane import Frustum, Triplane

DISTANCE, FOCAL = 2.0, 0.75


def pixel_axes(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Right and up of pixel centers as tangents of the canonical camera, row by row."""
    line = ((torch.arange(size, dtype=torch.float64) + 0.5) / size - 0.5) / FOCAL
    up, right = torch.meshgrid(-line, line, indexing="ij")
    return right, up


def ball_depths(radius: float, size: int) -> torch.Tensor:
    """First and last y of a ball about the origin, and where rays pass it, that nearest to it."""
    right, up = pixel_axes(size)
    # |origin + t direction| = radius with direction (right, 1, up), y = t - distance
    a, b, c = right**2 + up**2 + 1.0, -DISTANCE, DISTANCE**2 - radius**2
    root = (b**2 - a * c).clamp_min(0.0).sqrt()
    return torch.stack([(-b - root) / a, (-b + root) / a])[None].float() - DISTANCE


def disc_alpha(radius: float, size: int, finer: int = 8) -> torch.Tensor:
    """Coverage of the ball's outline, which is a circle of radius r / sqrt(d^2 - r^2)."""
    right, up = pixel_axes(size * finer)
    covered = right**2 + up**2 < radius**2 / (DISTANCE**2 - radius**2)
    return F.avg_pool2d(covered[None, None].float(), finer)


def photo_of(alpha: torch.Tensor, color: tuple[float, float, float]) -> torch.Tensor:
    """The color on a green background, mixed where the object covers a part of a pixel."""
    background = torch.tensor([0.0, 1.0, 0.0])[:, None, None]
    rgb = torch.tensor(color)[:, None, None] * alpha + background * (1 - alpha)
    return torch.cat([rgb, alpha], dim=1)


@pytest.mark.parametrize("shape", [(16, 16), (13, 22)])
def test_spreading_keeps_what_is_known_and_fills_the_rest_from_it(shape: tuple[int, int]):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 2, *shape, generator=generator)
    known = torch.rand(3, 1, *shape, generator=generator) > 0.9
    known[2] = False
    known[2, 0, 3, 4] = True
    found = spread_outward(values, known)
    for item in range(3):
        where = known[item, 0]
        for channel in range(2):
            given = values[item, channel][where]
            assert torch.equal(found[item, channel][where], given)
            assert found[item, channel].min() >= given.min() - 1e-6
            assert found[item, channel].max() <= given.max() + 1e-6
    torch.testing.assert_close(found[2], values[2, :, 3, 4][:, None, None].expand(2, *shape))


def test_spreading_of_everything_or_nothing():
    values = torch.randn(1, 2, 8, 8)
    assert torch.equal(spread_outward(values, torch.ones(1, 1, 8, 8, dtype=torch.bool)), values)
    assert not spread_outward(values, torch.zeros(1, 1, 8, 8, dtype=torch.bool)).any()


def test_spreading_prefers_what_is_near():
    values = torch.zeros(1, 1, 32, 32)
    values[..., 16:] = 1.0
    known = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    known[..., 4], known[..., 27] = True, True
    found = spread_outward(values, known)[0, 0]
    assert (found[:, :8] < 0.3).all()
    assert (found[:, 24:] > 0.7).all()
    assert (found.diff(dim=1) >= -1e-6).all()


def test_own_colors_never_hold_the_background():
    photo = photo_of(disc_alpha(0.6, 64), (0.8, 0.1, 0.6))
    expected = torch.tensor([0.8, 0.1, 0.6])[:, None, None].expand(3, 64, 64)
    torch.testing.assert_close(own_colors(photo)[0], expected)


def test_things_thinner_than_a_pixel_have_colors_too():
    photo = torch.zeros(1, 4, 32, 32)
    photo[:, :, :, 10] = torch.tensor([0.2, 0.4, 0.6, 0.7])[:, None]
    expected = torch.tensor([0.2, 0.4, 0.6])[:, None, None].expand(3, 32, 32)
    torch.testing.assert_close(own_colors(photo)[0], expected)


def test_maps_run_upward_and_mix_the_color_behind():
    """Left and right half of a photo that is covered wholly: another depth, color and share."""
    rays = torch.zeros(1, 6, 8, 8)
    rays[:, 0], rays[:, 1] = -0.5, 0.1
    rays[:, 0, :4] = -0.7  # the upper half of the image
    rays[:, 2:5] = torch.tensor([0.2, 0.3, 0.4])[:, None, None]
    rays[:, 5, :, :4], rays[:, 5, :, 4:] = -20.0, 20.0
    photo = torch.ones(1, 4, 32, 32)
    photo[:, 0] = 0.9
    maps = layer_maps(rays, photo)[0]
    assert maps.shape == (12, 32, 32)
    torch.testing.assert_close(maps[0, 20:], torch.full((12, 32), -0.7))
    torch.testing.assert_close(maps[0, :12], torch.full((12, 32), -0.5))
    torch.testing.assert_close(maps[1], torch.full((32, 32), 0.1))
    assert (maps[2] == 1.0).all()
    front = torch.tensor([0.9, 1.0, 1.0])
    behind = torch.tensor([0.2, 0.3, 0.4])
    torch.testing.assert_close(maps[3:6], front[:, None, None].expand(3, 32, 32))
    torch.testing.assert_close(maps[6:9, 5, 3], behind)
    torch.testing.assert_close(maps[6:9, 5, 28], front)
    # what lies between is the mean of both, averaged over cells of two pixels
    torch.testing.assert_close(maps[9:12, 5, 3], (front + behind) / 2)
    torch.testing.assert_close(maps[9:12, 5, 28], front)


def test_depths_of_the_background_never_reach_the_object():
    alpha = disc_alpha(0.6, 128)
    rays = torch.zeros(1, 6, 32, 32)
    covered = F.interpolate(alpha, size=(32, 32), mode="area") >= 0.5
    rays[:, :2] = torch.where(covered, torch.tensor([-0.3, 0.2])[:, None, None], 9.0)
    maps = layer_maps(rays, photo_of(alpha, (0.5, 0.5, 0.5)))
    torch.testing.assert_close(maps[:, 0], torch.full((1, 128, 128), -0.3))
    torch.testing.assert_close(maps[:, 1], torch.full((1, 128, 128), 0.2))


def test_the_outline_is_in_world_units_at_the_origin():
    radius, size = 0.6, 128
    pixel = DISTANCE / (FOCAL * size)
    rays = torch.zeros(1, 6, 32, 32)
    photo = photo_of(disc_alpha(radius, size), (0.5, 0.5, 0.5))
    edge = fine_ray_layers(rays, photo, steepness=60.0, pixel=pixel).maps[0, 2]
    right, up = pixel_axes(size)
    outline = radius / (DISTANCE**2 - radius**2) ** 0.5
    expected = (DISTANCE * (outline - (right**2 + up**2).sqrt())).flip(0).float()
    near = expected.abs() < 0.2
    torch.testing.assert_close(edge[near], expected[near], atol=0.6 * pixel, rtol=0.0)


@pytest.mark.parametrize("radius", [0.7, 0.45])
def test_a_ball_becomes_a_closed_mesh_of_its_radius(tiny_ray_config: ModelConfig, radius: float):
    size = 256
    rays = torch.zeros(1, 6, 128, 128)
    rays[:, :2] = ball_depths(radius, 128)
    photo = photo_of(disc_alpha(radius, size), (0.8, 0.1, 0.6))
    pixel = DISTANCE / (FOCAL * size)
    layers = fine_ray_layers(rays, photo, steepness=60.0, pixel=pixel)
    mlp = NerfMLP(3 * 16, tiny_ray_config.nerf).requires_grad_(False)
    mlp.add_no_density()
    planes = torch.zeros(1, 3, 16, 32, 32)
    field = TriplaneField(Triplane(planes, frustum=Frustum(DISTANCE, FOCAL), rays=layers), mlp)
    reconstruction = Reconstruction(field, tiny_ray_config, canonical_camera(64))
    options = MeshOptions(resolution=128, appearance="vertex_colors")
    mesh = reconstruction.extract_mesh(options=options)
    distances = np.linalg.norm(mesh.vertices, axis=1)
    assert np.abs(distances - radius).max() < 0.02
    body = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert body.is_watertight
    assert body.euler_number == 2
    assert body.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)
