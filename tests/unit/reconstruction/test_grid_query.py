import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from lrm_core.config import FieldConfig
from lrm_core.errors import ConfigError, StoppedError
from lrm_core.models.folded_field import fold
from lrm_core.reconstruction.grid_query import grid_query, raw_density_level
from lrm_core.reconstruction.stages import StageClock
from lrm_core.structures.triplane import LRM_PLANES, Frustum

TRIPOSR_PLANES = (("-y", "x"), ("z", "x"), ("z", "-y"))
FRUSTUM = Frustum(distance=2.0, focal=0.75)


@pytest.mark.parametrize("axes", [LRM_PLANES, TRIPOSR_PLANES])
@pytest.mark.parametrize("frustum", [None, FRUSTUM])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_separable_query_equals_the_field(random_field, raw_on_grid, axes, frustum, activation):
    field = random_field(axes=axes, frustum=frustum, activation=activation)
    expected = raw_on_grid(field, 13)
    query = grid_query(field, 13)
    every = torch.arange(13)
    tolerance = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(query.lattice(every, every, every), expected, atol=tolerance)
    indices = torch.cartesian_prod(every, every, every)[::7]
    np.testing.assert_allclose(
        query.points(indices), expected[tuple(indices.T.numpy())], atol=tolerance
    )


@pytest.mark.parametrize("axes", [LRM_PLANES, TRIPOSR_PLANES])
@pytest.mark.parametrize("frustum", [None, FRUSTUM])
@pytest.mark.parametrize("adds_density", [True, False])
def test_density_of_rays_is_that_of_the_field(
    random_field, raw_on_grid, axes, frustum, adds_density
):
    """Lattice, points, the field and its folded form agree at all grid points."""
    field = random_field(axes=axes, frustum=frustum, with_rays=True)
    if not adds_density:
        field.nerf_mlp.add_no_density()
    expected = raw_on_grid(field, 13)
    tolerance = 3e-5 * np.abs(expected).max()
    np.testing.assert_allclose(raw_on_grid(fold(field), 13), expected, atol=tolerance)
    query = grid_query(field, 13)
    assert bool(query.layers) == adds_density
    every = torch.arange(13)
    np.testing.assert_allclose(query.lattice(every, every, every), expected, atol=tolerance)
    some, few, others = torch.tensor([3, 0, 7]), torch.tensor([12, 2]), torch.tensor([5, 5, 1, 9])
    np.testing.assert_allclose(
        query.lattice(some, few, others),
        expected[np.ix_(some.numpy(), few.numpy(), others.numpy())],
        atol=tolerance,
    )
    indices = torch.cartesian_prod(every, every, every)[::7]
    np.testing.assert_allclose(
        query.points(indices), expected[tuple(indices.T.numpy())], atol=tolerance
    )
    without = replace(field, triplane=replace(field.triplane, rays=None))
    assert np.abs(raw_on_grid(without, 13) - expected).max() > 1.0


def test_query_in_half_precision_weights_is_computed_in_float32(random_field):
    field = random_field()
    field.nerf_mlp.bfloat16()
    expected = grid_query(field, 5).points(torch.tensor([[0, 2, 4]]))
    field.nerf_mlp.float()
    assert grid_query(field, 5).points(torch.tensor([[0, 2, 4]])) == expected


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


@pytest.mark.parametrize("way", ["lattice", "points"])
def test_a_query_is_left_between_its_passes(random_field, way):
    """33^3 points are five passes on a CPU; the job is stopped in the second."""

    class StoppedInTheSecond(StageClock):
        passes = 0

        def between_passes(self, done: float | None = None) -> None:
            self.passes += 1
            if self.passes == 2:
                self.stop()
            super().between_passes(done)

    query, every, clock = grid_query(random_field(), 33), torch.arange(33), StoppedInTheSecond()
    asked = {
        "lattice": partial(query.lattice, every, every, every),
        "points": partial(query.points, torch.cartesian_prod(every, every, every)),
    }
    with pytest.raises(StoppedError):
        asked[way](clock=clock)
    assert clock.passes == 2
