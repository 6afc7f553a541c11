import math

import numpy as np
import pytest
import torch

from lrm_core.config import FieldConfig
from lrm_core.errors import CheckpointError, ConfigError, EmptySurfaceError
from lrm_core.reconstruction.density_grid import (
    dense_density,
    grid_query,
    raw_density_level,
    sparse_density,
)
from lrm_core.structures.triplane import LRM_PLANES, Frustum

TRIPOSR_PLANES = (("-y", "x"), ("z", "x"), ("z", "-y"))
FRUSTUM = Frustum(distance=2.0, focal=0.75)


def raw_on_grid(field, resolution):
    """Raw density at every grid point by asking the field itself: (N, N, N)."""
    line = torch.linspace(-1, 1, resolution)
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1).reshape(-1, 3)
    raw = field.raw(field.triplane.denormalise(grid))[:, 3]
    return raw.reshape(resolution, resolution, resolution).numpy()


def iso_between(field, quantile=0.6):
    """A density that this share of the field's points stays below."""
    raw = np.quantile(raw_on_grid(field, 20), quantile)
    density, _ = field.nerf_mlp.activate(torch.full((1, 4), float(raw)))
    return density.item()


def by_corner(blocks):
    order = np.lexsort(blocks.corners.T)
    return blocks.corners[order], blocks.values[order]


@pytest.mark.parametrize("axes", [LRM_PLANES, TRIPOSR_PLANES])
@pytest.mark.parametrize("frustum", [None, FRUSTUM])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_separable_query_equals_the_field(random_field, axes, frustum, activation):
    field = random_field(axes=axes, frustum=frustum, activation=activation)
    expected = raw_on_grid(field, 13)
    query = grid_query(field, 13)
    every = np.arange(13)
    tolerance = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(query.lattice(every, every, every), expected, atol=tolerance)
    indices = np.argwhere(np.ones_like(expected, dtype=bool))[::7]
    np.testing.assert_allclose(query.points(indices), expected[tuple(indices.T)], atol=tolerance)


def test_query_in_half_precision_weights_is_computed_in_float32(random_field):
    field = random_field()
    field.nerf_mlp.bfloat16()
    expected = grid_query(field, 5).points(np.array([[0, 2, 4]]))
    field.nerf_mlp.float()
    assert grid_query(field, 5).points(np.array([[0, 2, 4]])) == expected


@pytest.mark.parametrize("resolution", [31, 32, 33, 34])
def test_dense_blocks_hold_every_crossed_block_of_the_field(random_field, resolution):
    field = random_field()
    iso = iso_between(field)
    level = raw_density_level(iso, field.nerf_mlp.config)
    blocks = dense_density(field, resolution, iso)
    padded = np.full((4 * math.ceil((resolution + 1) / 4) + 1,) * 3, -np.inf, dtype=np.float32)
    grid = slice(1, 1 + resolution)
    padded[grid, grid, grid] = raw_on_grid(field, resolution) - level
    expected = {}
    for corner in np.ndindex(*(s // 4 for s in padded.shape)):
        block = padded[tuple(slice(4 * c, 4 * c + 5) for c in corner)]
        if block.max() > 0 >= block.min():
            expected[tuple(4 * c - 1 for c in corner)] = block
    assert {tuple(c) for c in blocks.corners.tolist()} == expected.keys()
    for corner, values in zip(blocks.corners.tolist(), blocks.values, strict=True):
        np.testing.assert_allclose(values, expected[tuple(corner)], atol=1e-4)
    assert blocks.num_evaluated == resolution**3


@pytest.mark.parametrize("shape", ["ball", "ring", "slab", "two balls"])
@pytest.mark.parametrize("frustum", [None, FRUSTUM])
def test_sparse_finds_the_same_blocks_as_dense(shape_field, shape, frustum):
    field = shape_field(shape, frustum=frustum)
    dense, sparse = dense_density(field, 70, 1.0), sparse_density(field, 70, 1.0)
    corners, values = by_corner(dense)
    sparse_corners, sparse_values = by_corner(sparse)
    np.testing.assert_array_equal(sparse_corners, corners)
    np.testing.assert_allclose(sparse_values, values, atol=1e-4)
    assert sparse.num_evaluated < (0.7 if shape == "slab" else 0.4) * dense.num_evaluated


def test_sparse_follows_the_surface_out_of_the_blocks_it_started_from(shape_field):
    field = shape_field("ball")
    # a rod along x, two cells thick, midway between coarse points: only the ball leads to it
    middle = 33 * 2 / 69 - 1
    line = (torch.arange(96) + 0.5) * 2 / 96 - 1
    v, u = torch.meshgrid(line, line, indexing="ij")
    across = 400.0 * (v - middle) ** 2
    planes = field.triplane.planes
    along = torch.where((u > 0) & (u < 0.85), across, torch.inf)
    planes[0, 0, 0] = torch.minimum(planes[0, 0, 0], along)
    planes[0, 1, 0] = torch.minimum(planes[0, 1, 0], across)
    dense, sparse = dense_density(field, 70, 1.0), sparse_density(field, 70, 1.0)
    np.testing.assert_array_equal(by_corner(sparse)[0], by_corner(dense)[0])
    assert dense.corners[:, 0].max() == 63


def test_sparse_sees_specks_in_blocks_beside_the_surface(shape_field):
    field = shape_field("ball")
    # two cells wide, in the block after the one that holds the ball's end, between coarse points
    x, yz = 61 * 2 / 69 - 1, 33 * 2 / 69 - 1
    line = (torch.arange(96) + 0.5) * 2 / 96 - 1
    v, u = torch.meshgrid(line, line, indexing="ij")
    planes = field.triplane.planes
    planes[0, 0, 0] = torch.minimum(planes[0, 0, 0], 400.0 * ((u - x) ** 2 + (v - yz) ** 2))
    planes[0, 1, 0] = torch.minimum(planes[0, 1, 0], 400.0 * (v - yz) ** 2)
    dense, sparse = dense_density(field, 70, 1.0), sparse_density(field, 70, 1.0)
    assert [59, 31, 31] in dense.corners.tolist()
    assert [59, 31, 31] in sparse.corners.tolist()


def test_points_are_evaluated_once_and_agree_between_blocks(random_field):
    field = random_field()
    blocks = sparse_density(field, 30, iso_between(field))
    seen = {}
    for corner, values in zip(blocks.corners, blocks.values, strict=True):
        for local in np.ndindex(5, 5, 5):
            point = tuple((corner + local).tolist())
            assert seen.setdefault(point, values[local]) == values[local]
    # at most all grid points, and the coarse ones a second time
    assert blocks.num_evaluated <= 30**3 + 7**3


@pytest.mark.parametrize("activation", ["exp", "softplus"])
@pytest.mark.parametrize("iso", [1e-3, 1.0, 25.0, 300.0])
def test_raw_level_inverts_the_density_activation(activation, iso):
    config = FieldConfig(density_activation=activation, density_bias=-1.0)
    shifted = torch.tensor(raw_density_level(iso, config) - 1.0, dtype=torch.float64)
    density = shifted.exp() if activation == "exp" else torch.nn.functional.softplus(shifted)
    assert density.item() == pytest.approx(iso, rel=1e-6)


@pytest.mark.parametrize("iso", [0.0, -3.0, math.nan, math.inf])
def test_impossible_level_is_refused(iso):
    with pytest.raises(ConfigError, match="positive density"):
        raw_density_level(iso, FieldConfig())


@pytest.mark.parametrize("density", [dense_density, sparse_density])
def test_no_surface_is_an_error_that_says_how_dense_the_field_is(shape_field, density):
    with pytest.raises(EmptySurfaceError, match=r"density 1e\+10: it reaches 1\.\d+e\+06") as error:
        density(shape_field("ball"), 41, 1e10)
    assert "--iso-level" in error.value.hint


@pytest.mark.parametrize("density", [dense_density, sparse_density])
def test_densities_that_are_not_finite_are_an_error(shape_field, density):
    field = shape_field("ball")
    field.triplane.planes[0, 0, 0, 40, 40] = math.nan
    with pytest.raises(CheckpointError, match="not finite"):
        density(field, 48, 1.0)
