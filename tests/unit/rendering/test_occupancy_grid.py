import itertools

import numpy as np
import pytest
import torch
from field_grid import grid_from_field

from lrm_core.rendering.occupancy_grid import (
    OccupancyGrid,
    grid_from_lattice,
    visible_samples,
)
from lrm_core.rendering.volume_rendering import composite, render_weights


def unchanged(points):
    return points


@pytest.mark.parametrize("reach", [0, 1])
def test_a_cells_bounds_are_those_of_the_corners_around_it(reach):
    generator = torch.Generator().manual_seed(0)
    density = torch.rand(4, 6, 5, generator=generator)
    grid = grid_from_lattice(density, unchanged, reach=reach)
    assert grid.density_bounds.shape == (2, 4, 5, 3)
    for x, y, z in itertools.product(range(3), range(5), range(4)):
        corners = density[
            max(0, x - reach) : x + 2 + reach,
            max(0, y - reach) : y + 2 + reach,
            max(0, z - reach) : z + 2 + reach,
        ]
        assert float(grid.density_bounds[0, z, y, x]) == float(corners.min())
        assert float(grid.density_bounds[1, z, y, x]) == float(corners.max())


def test_points_find_the_cell_they_lie_in():
    bounds = torch.arange(2 * 5 * 4 * 3, dtype=torch.float32).view(2, 5, 4, 3)
    grid = OccupancyGrid(bounds, lambda points: points / 0.5)
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(7, 9, 3, generator=generator) * 1.2 - 0.6
    lower, upper = grid.bounds(points)
    for place in np.ndindex(7, 9):
        at = (points[place] / 0.5 + 1) / 2
        x, y, z = (int(c * n) for c, n in zip(at.tolist(), (3, 4, 5), strict=True))
        inside = bool(((at > 0) & (at < 1)).all())
        assert float(lower[place]) == (float(bounds[0, z, y, x]) if inside else 0.0)
        assert float(upper[place]) == (float(bounds[1, z, y, x]) if inside else 0.0)


def test_faces_belong_to_the_grid():
    grid = OccupancyGrid(torch.ones(2, 4, 4, 4), unchanged)
    faces = torch.tensor([[[1.0, 0.0, 0.0], [-1.0, 1.0, -1.0], [0.0, 0.3, -1.0000001]]])
    assert torch.equal(grid.bounds(faces)[1], torch.ones(1, 3))


def test_bounds_of_a_field_that_jumps_hold_everywhere():
    def ball(points):
        return 40.0 * (points.norm(dim=-1) < 0.5).float(), torch.zeros_like(points)

    grid = grid_from_field(ball, half_side=0.8, num_cells=24)
    points = torch.rand(1, 20000, 3, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    density = ball(points)[0]
    lower, upper = grid.bounds(points)
    assert bool((lower <= density).all())
    assert bool((density <= upper).all())
    assert float((upper == 0).float().mean()) > 0.5
    assert float((lower > 0).float().mean()) > 0.02


def random_rays(seed, num_rays=200, num_samples=48):
    """Densities over six orders of magnitude between bounds, interval lengths, extreme colors."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    density = 10 ** (uniform(num_rays, num_samples) * 7 - 5 - 3 * uniform(num_rays, 1))
    upper = density * (1 + 2 * uniform(num_rays, num_samples))
    lower = density * uniform(num_rays, num_samples)
    deltas = 0.05 * uniform(num_rays, 1).expand(num_rays, num_samples)
    colors = (uniform(num_rays, num_samples, 3) > 0.5).double()
    return lower, density, upper, deltas, colors


@pytest.mark.parametrize("tolerance", [1e-4, 8e-4, 1e-2])
def test_what_is_left_out_changes_no_pixel_by_the_tolerance(tolerance):
    lower, density, upper, deltas, colors = random_rays(0)
    visible = visible_samples(lower, upper, deltas, tolerance=tolerance)
    t = deltas.cumsum(dim=-1)
    for background in (0.0, 1.0):
        full = composite(render_weights(density, deltas), colors, t, background)
        fast = composite(render_weights(density * visible, deltas), colors, t, background)
        for expected, got in zip(full[:2], fast[:2], strict=True):
            assert float((expected - got).abs().max()) <= tolerance
            assert not torch.equal(expected, got)


def test_nearly_as_few_samples_are_kept_as_the_tolerance_allows():
    lower, _, upper, deltas, _ = random_rays(1)
    visible = visible_samples(lower, upper, deltas, tolerance=1e-3)
    least = lower * deltas
    weights = torch.exp(-(least.cumsum(-1) - least)) * (1 - torch.exp(-upper * deltas))
    fewest = (weights.sort(dim=-1).values.cumsum(dim=-1) > 1e-3).sum(dim=-1)
    kept = visible.sum(dim=-1)
    assert bool((kept >= fewest).all())
    assert float(kept.sum() / fewest.sum()) < 1.03


def test_nothing_is_visible_behind_a_wall_or_in_empty_space():
    lower = torch.zeros(2, 10)
    lower[0, 3] = 1e4
    upper = lower.clone()
    upper[0, 6] = 50.0
    visible = visible_samples(lower, upper, torch.full((2, 10), 0.1), tolerance=1e-3)
    assert visible[0].nonzero().flatten().tolist() == [3]
    assert not bool(visible[1].any())
