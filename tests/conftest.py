"""Shared fixtures: where the shared data lies, a dataset of painted balls, radiance
fields with known shapes and colors, and shape checks switched on for the whole suite.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

# every jaxtyping annotation of the core is checked by beartype while tests run
install_import_hook("lrm_core", "beartype.beartype")

from lrm_core.config import (  # noqa: E402
    DecoderConfig,
    FieldConfig,
    ImageEncoderConfig,
    ModelConfig,
)
from lrm_core.geometry.trajectories import random_on_shell  # noqa: E402
from lrm_core.io.view_dataset_files import (  # noqa: E402
    DESCRIPTION,
    FORMAT,
    MANIFEST,
    SCHEMA_VERSION,
    encode_manifest,
    manifest_row,
    write_file,
)
from lrm_core.io.view_set_files import encode_view_set, write_samples  # noqa: E402
from lrm_core.models.nerf_mlp import NerfMLP  # noqa: E402
from lrm_core.models.triplane_field import TriplaneField  # noqa: E402
from lrm_core.rendering.ray_generation import generate_rays  # noqa: E402
from lrm_core.structures.ray_layers import RayLayers  # noqa: E402
from lrm_core.structures.triplane import LRM_PLANES, Frustum, PlaneAxes, Triplane  # noqa: E402
from lrm_core.structures.view_set import ObjectSource, ViewSet  # noqa: E402


def _folder(variable: str) -> Path:
    value = os.environ.get(variable, "")
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} names no folder: shared test data is not here")
    return Path(value)


@pytest.fixture(scope="session")
def gso_dir() -> Path:
    return _folder("LRM_GSO_DIR")


@pytest.fixture(scope="session")
def photo_dir() -> Path:
    return _folder("LRM_PHOTO_DIR")


@pytest.fixture(scope="session")
def train_mesh_dir() -> Path:
    return _folder("LRM_TRAIN_MESH_DIR")


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    return _folder("LRM_REFERENCE_DIR")


def ball(object_id: str, seed: int, *, num_views: int = 6, size: int = 32) -> ViewSet:
    """A ball of radius 0.5 to 0.9, its color a linear function of the position on it."""
    rng = np.random.default_rng(seed)
    radius, phase = rng.uniform(0.5, 0.9), rng.permutation(3)
    cameras = random_on_shell(
        num_views,
        radius_range=(1.5, 3.0),
        height_range=(-0.75, 1.6),
        size=size,
        focal=0.75,
        generator=torch.Generator().manual_seed(seed),
    )
    rays = generate_rays(cameras)
    along = (rays.origins * rays.directions).sum(dim=-1)
    inside = along.square() - rays.origins.square().sum(dim=-1) + radius**2
    hit = inside > 0.0
    points = rays.origins + (-along - inside.clamp_min(0.0).sqrt())[:, None] * rays.directions
    colors = (0.5 + 0.5 * points / radius).numpy()[:, phase]
    rgba = np.concatenate([colors, np.ones_like(colors[:, :1])], axis=1) * hit.numpy()[:, None]
    images = (rgba * 255.0 + 0.5).astype(np.uint8).reshape(num_views, size, size, 4)
    return ViewSet(object_id, images, cameras, ObjectSource("balls", "CC0-1.0", "0" * 64))


def write_views(url: str, view_sets: list[ViewSet], splits: list[str]) -> None:
    content, places = write_samples([encode_view_set(one) for one in view_sets])
    write_file(url, "shard-000000.tar", content)
    rows = [
        manifest_row(one.object_id, one.source, len(one.cameras), split, "shard-000000.tar", place)
        for one, split, place in zip(view_sets, splits, places, strict=True)
    ]
    write_file(url, MANIFEST, encode_manifest(rows))
    description = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
    write_file(url, DESCRIPTION, json.dumps(description).encode())


@pytest.fixture(scope="session")
def make_ball() -> Callable[..., ViewSet]:
    return ball


@pytest.fixture(scope="session")
def write_view_dataset() -> Callable[[str, list[ViewSet], list[str]], None]:
    return write_views


@pytest.fixture(scope="session")
def ball_views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 4 balls for training and 2 for validation, 6 views of 32 pixels each."""
    folder = tmp_path_factory.mktemp("views") / "balls"
    names = [f"ball-{index}" for index in range(6)]
    balls = [ball(name, index) for index, name in enumerate(names)]
    write_views(str(folder), balls, ["train"] * 4 + ["val"] * 2)
    return folder


@pytest.fixture(scope="session")
def other_ball_views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second dataset: 3 balls for training."""
    folder = tmp_path_factory.mktemp("views") / "others"
    balls = [ball(f"other-{index}", 10 + index) for index in range(3)]
    write_views(str(folder), balls, ["train"] * 3)
    return folder


@pytest.fixture(scope="session")
def tiny_ray_config() -> ModelConfig:
    """lrm-mini in miniature: two depths per ray of a photo of 64 pixels."""
    return ModelConfig(
        name="tiny-rays",
        encoder=ImageEncoderConfig(
            kind="rgba", image_size=64, patch_size=16, width=32, num_layers=1, num_heads=2
        ),
        decoder=DecoderConfig(
            width=32, num_layers=1, num_heads=2, camera_embedding_width=16, token_resolution=4,
            upsample=8, channels=16, ray_widths=(8, 8, 8, 8, 16),
        ),
        nerf=FieldConfig(
            num_layers=2, width=16, density_activation="exp", density_bias=3.2188758,
            iso_level=25.0, frustum=True,
        ),
    )  # fmt: skip


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
        with_rays: bool = False,
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
        rays: RayLayers | None = None
        if with_rays:
            maps = torch.rand(1, 12, 9, 11, generator=generator)
            maps[:, :2] -= torch.tensor([1.0, 0.2])[:, None, None]
            maps[:, 2] -= 0.3
            rays = RayLayers(maps, 20.0)
        return TriplaneField(Triplane(planes, 0.87, axes, frustum, rays), nerf_mlp)

    return make


@pytest.fixture
def raw_on_grid() -> Callable[[TriplaneField, int], np.ndarray]:
    """Raw density at every grid point by asking the field itself: (N, N, N)."""

    def ask(field: TriplaneField, resolution: int) -> np.ndarray:
        line = torch.linspace(-1, 1, resolution)
        raw = field.raw(field.triplane.denormalize(torch.cartesian_prod(line, line, line)))
        return raw[:, 3].view((resolution,) * 3).numpy()

    return ask


@pytest.fixture
def shape_field() -> FieldFactory:
    """A ball, ring or slab in normalized coordinates, whose rgb is 0.5 + xyz / 4 (sigmoid undone).

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
        # x, y and z, for the colors; the planes' outer half texel fades them
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
