from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lrm_core.config import FieldConfig
from lrm_core.geometry.trajectories import orbit
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.rendering.nerf_renderer import RenderedRays, RenderSettings, render_rays
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.structures.rays import RayBundle
from lrm_core.structures.triplane import Triplane, sample_planes
from lrm_core.training.objectives.deferred_backprop import render_chunks

CHANNELS = 6


class DoubleField:
    """A triplane field that stays in float64, as the package's own does not."""

    def __init__(self, planes: Tensor, mlp: NerfMLP) -> None:
        self.planes, self.mlp = planes, mlp

    def raw(self, points: Tensor) -> Tensor:
        return self.mlp(sample_planes(Triplane(self.planes), points[None])[0])

    def activate(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        return self.mlp.activate(raw)

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self.activate(self.raw(points))


def build() -> tuple[Tensor, NerfMLP]:
    torch.manual_seed(0)
    mlp = NerfMLP(3 * CHANNELS, FieldConfig(num_layers=3, width=8, activation="silu")).double()
    planes = torch.randn(1, 3, CHANNELS, 8, 8, dtype=torch.float64)
    return planes, mlp


def rays_of(size: int) -> RayBundle:
    rays = generate_rays(orbit(2, size=size))
    return RayBundle(rays.origins.double(), rays.directions.double())


def whole_loss(rendered: RenderedRays) -> Tensor:
    """Every pixel against every other, which no sum over chunks can imitate."""
    rgb = rendered.rgb
    return (rgb - rgb.flip(0)).square().mean() + rendered.opacity.std() + rendered.distance.std()


def gradients(render: Callable[[DoubleField], RenderedRays]) -> tuple[Tensor, list[Tensor]]:
    planes, mlp = build()
    planes.requires_grad_()
    loss = whole_loss(render(DoubleField(planes, mlp)))
    return loss, list(torch.autograd.grad(loss, [planes, *mlp.parameters()]))


SETTINGS = RenderSettings(half_side=1.0, num_samples=12)


@pytest.mark.parametrize(("step", "midpoint"), [("metric", False), ("normalized", True)])
def test_gradients_are_those_of_rendering_everything_at_once(step: str, midpoint: bool) -> None:
    rays, settings = rays_of(10), replace(SETTINGS, step=step, midpoint_density=midpoint)
    direct, expected = gradients(lambda field: render_rays(field, rays, settings))
    deferred, found = gradients(
        lambda field: render_chunks(field, rays, settings, chunk_rays=33, seed=None, deferred=True)
    )
    torch.testing.assert_close(deferred, direct, rtol=1e-12, atol=0)
    for one, other in zip(found, expected, strict=True):
        assert other.abs().max() > 1e-6
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_the_second_time_draws_the_same_jitter() -> None:
    rays = rays_of(10)

    def render(deferred: bool, seed: int = 5) -> Callable[[DoubleField], RenderedRays]:
        return lambda field: render_chunks(
            field, rays, SETTINGS, chunk_rays=33, seed=seed, deferred=deferred
        )

    kept, expected = gradients(render(False))
    torch.rand(7)  # global randomness between must not matter
    again, found = gradients(render(True))
    assert torch.equal(kept, again)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    other_seed, _ = gradients(render(True, seed=6))
    assert not torch.equal(other_seed, kept)


def test_chunks_have_jitter_of_their_own() -> None:
    rays = rays_of(4)
    twice = RayBundle(rays.origins.repeat(2, 1), rays.directions.repeat(2, 1))
    planes, mlp = build()
    rendered = render_chunks(
        DoubleField(planes, mlp), twice, SETTINGS, chunk_rays=32, seed=1, deferred=False
    )
    first, second = rendered.rgb.chunk(2)
    assert not torch.allclose(first, second, atol=1e-4)


def saved_bytes(size: int, *, deferred: bool) -> int:
    """What autograd keeps between forward and backward, but for the rays and the outputs."""
    planes, mlp = build()
    planes.requires_grad_()
    rays = rays_of(size)
    given = {
        rays.origins.untyped_storage().data_ptr(),
        rays.directions.untyped_storage().data_ptr(),
    }
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in given:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        render_chunks(
            DoubleField(planes, mlp), rays, SETTINGS, chunk_rays=32, seed=0, deferred=deferred
        )
    return sum(kept.values())


def test_what_is_kept_does_not_grow_with_the_image() -> None:
    small, large = (saved_bytes(size, deferred=False) for size in (8, 16))
    assert large > 3 * small > 100_000
    assert saved_bytes(16, deferred=True) == saved_bytes(8, deferred=True) < 10_000


def test_without_gradients_nothing_is_rendered_twice() -> None:
    planes, mlp = build()
    with torch.no_grad():
        rendered = render_chunks(
            DoubleField(planes, mlp),
            rays_of(4),
            SETTINGS,
            chunk_rays=5,
            seed=None,
            deferred=True,
        )
    assert rendered.rgb.shape == (32, 3)
    assert not rendered.rgb.requires_grad
