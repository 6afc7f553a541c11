"""Radiance fields with known shapes and colours, written into a real triplane and MLP."""

from collections.abc import Callable

import pytest
import torch

from lrm_core.config import FieldConfig
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.structures.triplane import LRM_PLANES, Frustum, PlaneAxes, Triplane

ISO_LEVEL = 1.0
"""Density of the surface of `shape_field`: raw density 0, as the activation is exp."""

FieldFactory = Callable[..., TriplaneField]


@pytest.fixture
def random_field() -> FieldFactory:
    """Random planes and MLP: a surface full of holes, specks and ambiguous cells."""

    def make(
        plane_size: int = 12,
        *,
        channels: int = 5,
        width: int = 16,
        axes: PlaneAxes = LRM_PLANES,
        frustum: Frustum | None = None,
        activation: str = "relu",
        density_activation: str = "softplus",
    ) -> TriplaneField:
        generator = torch.Generator().manual_seed(0)
        config = FieldConfig(
            num_layers=4,
            width=width,
            activation=activation,
            density_activation=density_activation,
        )
        nerf_mlp = NerfMLP(3 * channels, config).requires_grad_(False)
        for linear in nerf_mlp.linears:
            linear.weight.normal_(0.0, (2.0 / linear.in_features) ** 0.5, generator=generator)
            linear.bias.normal_(0.0, 0.3, generator=generator)
        planes = torch.randn(1, 3, channels, plane_size, plane_size, generator=generator)
        return TriplaneField(Triplane(planes, 0.87, axes, frustum), nerf_mlp)

    return make


@pytest.fixture
def shape_field() -> FieldFactory:
    """A ball, ring or slab in normalised coordinates, whose rgb is 0.5 + xyz / 4 (sigmoid undone).

    The planes hold the shape's squared distance terms and the coordinates, bilinear in between.
    """

    def make(
        shape: str = "ball", *, extent: float = 1.0, frustum: Frustum | None = None, size: int = 96
    ) -> TriplaneField:
        line = (torch.arange(size) + 0.5) * 2 / size - 1
        v, u = torch.meshgrid(line, line, indexing="ij")
        planes = torch.zeros(1, 3, 4, size, size)
        if shape == "ball":  # 0.36 - x^2 - y^2 - z^2
            planes[0, 0, 0], planes[0, 1, 0], threshold = u**2 + v**2, v**2, 0.36
        elif shape == "ring":  # 0.04 - (|xy| - 0.5)^2 - z^2
            planes[0, 0, 0], planes[0, 1, 0] = ((u**2 + v**2).sqrt() - 0.5) ** 2, v**2
            threshold = 0.04
        elif shape == "two balls":  # radii 0.3 and 0.1 about (-0.4, 0, 0) and (0.5, 0, 0)
            near = torch.minimum((u + 0.4) ** 2 + v**2, (u - 0.5) ** 2 + v**2 + 0.08)
            planes[0, 0, 0], planes[0, 1, 0], threshold = near, v**2, 0.09
        else:  # |z| < 0.4 throughout the box
            planes[0, 1, 0], threshold = v**2, 0.16
        # x, y and z, for the colours; the planes' outer half texel fades them
        planes[0, 0, 1], planes[0, 0, 2], planes[0, 1, 3] = u, v, v
        config = FieldConfig(num_layers=3, width=8, density_activation="exp", density_bias=0.0)
        nerf_mlp = NerfMLP(12, config).requires_grad_(False)
        first, second, last = nerf_mlp.linears
        for linear in nerf_mlp.linears:
            linear.weight.zero_()
            linear.bias.zero_()
        for plane in range(3):
            first.weight[0, 4 * plane] = 1.0
            for axis in range(3):  # a coordinate and its negative survive the rectifier
                first.weight[1 + axis, 4 * plane + 1 + axis] = 1.0
                first.weight[4 + axis, 4 * plane + 1 + axis] = -1.0
        second.weight.copy_(torch.eye(8))
        last.weight[3, 0], last.bias[3] = -40.0, 40.0 * threshold
        for axis in range(3):
            last.weight[axis, 1 + axis], last.weight[axis, 4 + axis] = 1.0, -1.0
        return TriplaneField(Triplane(planes, extent, LRM_PLANES, frustum), nerf_mlp)

    return make
