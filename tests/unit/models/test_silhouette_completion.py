import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lrm_core.config import load_preset
from lrm_core.models.lrm import LRM
from lrm_core.models.nerf_mlp import DENSITY
from lrm_core.models.silhouette_completion import ray_offsets
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.density_grid import dense_density
from lrm_core.reconstruction.grid_query import grid_query
from lrm_core.structures.triplane import Triplane, sample_planes

SIZE = 64


@pytest.fixture(scope="module")
def model() -> LRM:
    torch.manual_seed(0)
    config = load_preset("lrm-mini")
    small = dataclasses.replace(config.encoder, image_size=SIZE)
    model = LRM(dataclasses.replace(config, encoder=small)).eval()
    with torch.no_grad():
        # rays on both sides of the level
        model.nerf_mlp.linears[-1].weight *= 20
        points = torch.rand(1, 4000, 3) * 2 - 1
        triplane = Triplane(model(torch.rand(1, 4, SIZE, SIZE)))
        raw = model.nerf_mlp(sample_planes(triplane, points))[..., DENSITY]
        model.nerf_mlp.linears[-1].bias[DENSITY] -= raw.quantile(0.98)
    return model


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    image = torch.rand(1, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    image[:, 3] = 0.0
    image[:, 3, 10:50, 20:40] = 1.0  # rows count downward
    return image


def highest_along_rays(model: LRM, triplane: Triplane, reach: float = 1.0) -> torch.Tensor:
    """(rows downward, columns): a loop over the rays, each asked at 60 depths."""
    rows = []
    centres = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    y = (torch.arange(60) + 0.5) / 60 * 2 - 1
    y = y[y.abs() < reach]
    field = model.field(triplane)
    for z in centres.flip(0):
        points = torch.stack(torch.meshgrid(centres, y, z[None], indexing="ij"), dim=-1)
        raw = field.raw(triplane.denormalise(points.reshape(-1, 3)))[:, DENSITY]
        rows.append(raw.view(SIZE, len(y)).amax(dim=1))
    return torch.stack(rows)


@torch.no_grad()
def test_every_ray_agrees_with_the_silhouette(model: LRM, image: torch.Tensor) -> None:
    triplane = model.predict_triplane(image)
    highest = highest_along_rays(model, triplane)
    covered = image[0, 3] >= 0.5
    assert highest[covered].min() > 0.5 - 1e-3
    assert highest[~covered].max() < -0.5 + 1e-3
    plain = highest_along_rays(model, dataclasses.replace(triplane, ray_offsets=None))
    assert (plain[covered] < 0.0).any()
    assert (plain[~covered] > 0.0).any()
    # rays that agreed before are left alone
    inner = highest_along_rays(model, dataclasses.replace(triplane, ray_offsets=None), 0.8)
    agreed = covered & (inner > 0.5 + 1e-3)
    assert agreed.any()
    torch.testing.assert_close(highest[agreed], plain[agreed])


@torch.no_grad()
def test_grid_and_field_see_the_same_offsets(
    model: LRM,
    image: torch.Tensor,
    raw_on_grid: Callable[[TriplaneField, int], np.ndarray],
) -> None:
    field = model.field(model.predict_triplane(image))
    query, expected = grid_query(field, 17), raw_on_grid(field, 17)
    every = torch.arange(17)
    tolerance = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(query.lattice(every, every, every), expected, atol=tolerance)
    indices = torch.cartesian_prod(every, every, every)[::5]
    found = query.points(indices)
    np.testing.assert_allclose(found, expected[tuple(indices.T.numpy())], atol=tolerance)


@torch.no_grad()
def test_the_surface_has_the_silhouette(model: LRM, image: torch.Tensor) -> None:
    blocks = dense_density(model.field(model.predict_triplane(image)), 65, 25.0)
    inside = (blocks.values > 0).nonzero()
    points = (blocks.corners[inside[:, 0]] + inside[:, 1:]).numpy()
    columns = (points[:, 0] / 64 * SIZE).astype(int).clip(0, SIZE - 1)
    rows = ((1 - points[:, 2] / 64) * SIZE).astype(int).clip(0, SIZE - 1)
    assert rows.min() >= 9
    assert rows.max() <= 50
    assert columns.min() >= 19
    assert columns.max() <= 40


@torch.no_grad()
def test_each_object_of_a_batch_has_offsets_of_its_own(model: LRM, image: torch.Tensor) -> None:
    both = torch.cat([image, image.flip(-1)])
    triplane = model.predict_triplane(both)
    assert triplane.ray_offsets is not None
    assert triplane.ray_offsets.shape == (2, SIZE, SIZE)
    alone = model.predict_triplane(both[1:]).ray_offsets
    assert alone is not None
    torch.testing.assert_close(triplane.ray_offsets[1:], alone, atol=1e-4, rtol=1e-4)
    assert triplane[1].ray_offsets is not None
    torch.testing.assert_close(triplane[1].ray_offsets, triplane.ray_offsets[1:])


@torch.no_grad()
def test_a_wider_margin_moves_more(model: LRM, image: torch.Tensor) -> None:
    planes = model(image)
    narrow, wide = (
        ray_offsets(planes, image[:, 3:], model.nerf_mlp, level=0.0, margin=margin)
        for margin in (0.1, 2.0)
    )
    assert (wide.abs() >= narrow.abs() - 1e-6).all()
    assert sample_planes(Triplane(planes), torch.zeros(1, 1, 3)).isfinite().all()
