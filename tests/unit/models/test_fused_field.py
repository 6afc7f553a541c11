"""Fields of several photos as one, on shapes that are known by formula."""

import math

import numpy as np
import pytest
import torch

from lrm_core.models.folded_field import fold
from lrm_core.models.fused_field import FusedField, fused_field, posed_field
from lrm_core.reconstruction.grid_query import grid_query
from lrm_core.reconstruction.view_directions import Direction
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.triplane import Frustum

LENS = Frustum(2.0, 0.75)


def pose(azimuth: float, scale: float = 1.0) -> torch.Tensor:
    matrix = torch.eye(4)
    matrix[:3, :3] = Direction(float(azimuth)).rotation * scale
    return matrix


def picture_of_ball(radius: float, size: int = 128) -> torch.Tensor:
    """Coverage of a ball about the origin, by the distance of rays from its center."""
    rays = generate_rays(canonical_camera(size))
    beside = torch.linalg.cross(rays.origins, rays.directions).norm(dim=-1)
    return (beside < radius).float().view(1, 1, size, size)


def fused(fields, azimuths, alphas, scales=None) -> FusedField:
    scales = scales or [1.0] * len(fields)
    parts = tuple(
        posed_field(
            field,
            LENS,
            alpha,
            pose(azimuth, scale),
            raw_level=0.0,
            steepness=40.0,
            tolerance=0.01,
        )
        for field, azimuth, alpha, scale in zip(fields, azimuths, alphas, scales, strict=True)
    )
    return fused_field(parts, fields[0].triplane, fields[0].nerf_mlp)


def surface_radius(field: FusedField, direction: torch.Tensor) -> float:
    """Where the density along a direction from the origin falls below its level."""
    steps = torch.linspace(0.0, 0.95, 400)
    inside = field.raw(steps[:, None] * direction)[:, 3] > 0.0
    return float(steps[inside].max())


def test_photos_that_agree_give_the_same_surface(shape_field):
    ball = shape_field("ball")
    field = fused([ball] * 4, [0, 90, 180, 270], [picture_of_ball(0.6)] * 4)
    for direction in torch.nn.functional.normalize(torch.randn(12, 3), dim=1):
        assert surface_radius(field, direction) == pytest.approx(0.6, abs=0.02)


def test_nothing_is_left_outside_an_outline(shape_field):
    """A slab through the whole box, seen as a ball from two sides."""
    slab = shape_field("slab")
    field = fused([slab] * 2, [0, 90], [picture_of_ball(0.3)] * 2)
    points = torch.from_numpy(np.random.default_rng(0).uniform(-0.6, 0.6, (4000, 3))).float()
    density = field.raw(points)[:, 3]
    x, y, z = points.T.double().numpy()
    # half opening of the cone that a ball of radius 0.3 fills, seen from 2 units away
    slope = math.tan(math.asin(0.3 / 2.0))
    beside = np.maximum(np.hypot(x, z) / (2 + y), np.hypot(y, z) / (2 - x)) / slope
    assert (density[beside > 1.2] < 0).all()
    assert (density[(beside < 0.8) & (np.abs(z) < 0.2)] > 0).all()


def test_a_photo_of_another_scale_is_brought_to_that_of_the_first(shape_field):
    """What is a ball of radius 0.3 in the world has radius 0.6 in the second photo's frame."""
    small = shape_field("ball", extent=0.5)
    field = fused(
        [small, shape_field("ball")],
        [0, 180],
        [picture_of_ball(0.3), picture_of_ball(0.6)],
        scales=[1.0, 2.0],
    )
    for direction in ([0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]):
        assert surface_radius(field, torch.tensor(direction)) == pytest.approx(0.3, abs=0.02)


def test_a_side_has_the_color_of_the_photo_that_shows_it(shape_field):
    fields = [shape_field("ball"), shape_field("ball")]
    for field, raw in zip(fields, (3.0, -3.0), strict=True):
        last = field.nerf_mlp.linears[-1]
        last.weight[:3] = 0.0
        last.bias[:3] = raw
    field = fused(fields, [0, 180], [picture_of_ball(0.6)] * 2)
    front, back = field.raw(torch.tensor([[0.0, -0.6, 0.0], [0.0, 0.6, 0.0]]))[:, 0].tolist()
    assert front == pytest.approx(3.0, abs=0.1)
    assert back == pytest.approx(-3.0, abs=0.1)


def test_the_grid_is_asked_what_the_field_says(random_field, raw_on_grid):
    single = random_field(frustum=LENS, with_rays=True)
    field = fused([single] * 2, [0, 90], [picture_of_ball(0.8)] * 2)
    every = torch.arange(9)
    lattice = grid_query(field, 9).lattice(every, every, every).numpy()
    np.testing.assert_allclose(lattice, raw_on_grid(field, 9), atol=1e-3, rtol=1e-4)


def test_density_alone_is_that_of_all_values(random_field):
    """With an MLP that adds no density the rays' layers alone are asked."""
    single = random_field(frustum=LENS, with_rays=True)
    single.nerf_mlp.add_no_density()
    field = fused([single] * 2, [0, 90], [picture_of_ball(0.8)] * 2)
    assert field.parts[0].silent
    points = torch.rand(2000, 3) * 1.6 - 0.8
    torch.testing.assert_close(
        field.raw_density(points), field.raw(points)[:, 3], atol=1e-3, rtol=1e-4
    )


def test_a_fused_field_is_fast_already(shape_field):
    field = fused([shape_field("ball")] * 2, [0, 180], [picture_of_ball(0.6)] * 2)
    assert fold(field) is field
