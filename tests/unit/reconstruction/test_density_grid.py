import math

import numpy as np
import pytest
import torch

from lrm_core.errors import CheckpointError, EmptySurfaceError
from lrm_core.reconstruction.density_grid import dense_density, sparse_density
from lrm_core.reconstruction.grid_query import raw_density_level
from lrm_core.structures.triplane import Frustum

FRUSTUM = Frustum(distance=2.0, focal=0.75)


@pytest.fixture
def iso_between(raw_on_grid):
    """A density that 60% of the field's points stay below."""

    def find(field):
        raw = np.quantile(raw_on_grid(field, 20), 0.6)
        density, _ = field.nerf_mlp.activate(torch.full((1, 4), float(raw)))
        return density.item()

    return find


def corners_of(blocks):
    return [tuple(corner) for corner in blocks.corners.tolist()]


@pytest.mark.parametrize("resolution", [31, 32, 33, 34])
def test_dense_blocks_hold_every_crossed_block_of_the_field(
    random_field, raw_on_grid, iso_between, resolution
):
    field = random_field()
    iso = iso_between(field)
    level = raw_density_level(iso, field.nerf_mlp.config)
    blocks = dense_density(field, resolution, iso)
    padded = np.full((2 * math.ceil((resolution + 1) / 2) + 1,) * 3, -np.inf, dtype=np.float32)
    grid = slice(1, 1 + resolution)
    padded[grid, grid, grid] = raw_on_grid(field, resolution) - level
    expected = {}
    for corner in np.ndindex(*(s // 2 for s in padded.shape)):
        block = padded[tuple(slice(2 * c, 2 * c + 3) for c in corner)]
        if block.max() > 0 >= block.min():
            expected[tuple(2 * c - 1 for c in corner)] = block
    assert corners_of(blocks) == sorted(expected)
    for corner, values in zip(corners_of(blocks), blocks.values, strict=True):
        np.testing.assert_allclose(values, expected[corner], atol=1e-4)
    assert blocks.num_evaluated == resolution**3


@pytest.mark.parametrize("shape", ["ball", "ring", "slab", "two balls"])
@pytest.mark.parametrize("frustum", [None, FRUSTUM])
def test_sparse_finds_the_same_blocks_as_dense(shape_field, shape, frustum):
    field = shape_field(shape, frustum=frustum)
    dense, sparse = dense_density(field, 70, 1.0), sparse_density(field, 70, 1.0)
    assert corners_of(sparse) == corners_of(dense)
    np.testing.assert_allclose(sparse.values, dense.values, atol=1e-4)
    assert sparse.num_evaluated < (0.35 if shape == "slab" else 0.2) * dense.num_evaluated


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
    assert corners_of(sparse) == corners_of(dense)
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
    assert (61, 33, 33) in corners_of(dense)
    assert (61, 33, 33) in corners_of(sparse)


def test_an_object_between_all_coarse_points_is_found(shape_field):
    field = shape_field("slab")
    middle = 33 * 2 / 69 - 1
    line = (torch.arange(96) + 0.5) * 2 / 96 - 1
    height, _ = torch.meshgrid(line, line, indexing="ij")
    field.triplane.planes[0, 1, 0] = 400.0 * (height - middle) ** 2
    sparse = sparse_density(field, 70, 1.0)
    assert corners_of(sparse) == corners_of(dense_density(field, 70, 1.0))
    assert sparse.num_evaluated == 70**3


def test_points_are_evaluated_once_and_agree_between_blocks(random_field, iso_between):
    field = random_field()
    blocks = sparse_density(field, 30, iso_between(field))
    seen = {}
    for corner, values in zip(blocks.corners, blocks.values, strict=True):
        for local in np.ndindex(3, 3, 3):
            point = tuple((corner + torch.tensor(local)).tolist())
            assert seen.setdefault(point, values[local]) == values[local]
    assert blocks.num_evaluated <= 30**3


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
