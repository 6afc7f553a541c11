import numpy as np
import pytest
import torch

from lrm_core.models.folded_field import fold
from lrm_core.structures.triplane import LRM_PLANES, Frustum

FOREIGN_PLANES = (("-y", "x"), ("-y", "z"), ("x", "z"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"axes": FOREIGN_PLANES, "activation": "silu", "density_activation": "exp"},
        {"frustum": Frustum(2.0, 1.4)},
    ],
    ids=["lrm", "triposr", "frustum"],
)
def test_answers_are_those_of_the_field(random_field, options):
    """Inside, across the fading rim of the planes, on their faces and far outside."""
    field = random_field(**options)
    extent = field.triplane.extent
    points = torch.from_numpy(np.random.default_rng(0).uniform(-1.3, 1.3, (20_000, 3))).float()
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 3)
    points = torch.cat([points * extent, field.triplane.denormalize(corners), points[:9] * 50.0])
    torch.testing.assert_close(fold(field).raw(points), field.raw(points), atol=2e-5, rtol=1e-5)
    for folded, expected in zip(fold(field)(points), field(points), strict=True):
        torch.testing.assert_close(folded, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("axes", [LRM_PLANES, FOREIGN_PLANES])
def test_what_the_rays_meet_is_added(random_field, axes):
    field = random_field(frustum=Frustum(2.0, 1.4), axes=axes, with_rays=True)
    points = field.triplane.denormalize(torch.rand(500, 3) * 2 - 1)
    torch.testing.assert_close(fold(field).raw(points), field.raw(points), atol=2e-5, rtol=1e-5)


def test_planes_that_are_wider_than_high(random_field):
    field = random_field()
    planes = torch.randn(1, 3, 5, 9, 17, generator=torch.Generator().manual_seed(1))
    object.__setattr__(field.triplane, "planes", planes)
    points = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (5000, 3))).float()
    torch.testing.assert_close(fold(field).raw(points), field.raw(points), atol=2e-5, rtol=1e-5)


def test_any_number_of_points_in_any_passes(random_field, monkeypatch):
    field = fold(random_field())
    points = torch.from_numpy(np.random.default_rng(0).uniform(-0.8, 0.8, (1000, 3))).float()
    whole = field.raw(points)
    monkeypatch.setattr("lrm_core.models.triplane_field.points_per_pass", lambda device: 64)
    torch.testing.assert_close(field.raw(points), whole, atol=1e-5, rtol=0.0)
    assert field.raw(points[:0]).shape == (0, 4)


def test_bfloat16_planes_and_weights_give_the_answers_of_their_values(random_field):
    exact, low = random_field(), random_field()
    for linear, other in zip(exact.nerf_mlp.linears, low.nerf_mlp.linears, strict=True):
        linear.weight.copy_(linear.weight.bfloat16())
        linear.bias.copy_(linear.bias.bfloat16())
        other.bfloat16()
    rounded = exact.triplane.planes.bfloat16()
    object.__setattr__(exact.triplane, "planes", rounded.float())
    object.__setattr__(low.triplane, "planes", rounded)
    points = torch.from_numpy(np.random.default_rng(0).uniform(-0.8, 0.8, (1000, 3))).float()
    torch.testing.assert_close(fold(low).raw(points), exact.raw(points), atol=2e-5, rtol=1e-5)
