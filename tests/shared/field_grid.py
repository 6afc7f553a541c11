"""Occupancy grids of any field, for tests; models have grids of their own densities."""

from collections.abc import Callable

import torch
from torch import Tensor

from lrm_core.rendering.occupancy_grid import OccupancyGrid, grid_from_lattice


def grid_from_field(
    field: Callable[[Tensor], tuple[Tensor, Tensor]], *, half_side: float, num_cells: int
) -> OccupancyGrid:
    """Bounds of a field over [-half_side, half_side]^3.

    The field may jump between the corners of a cell: bounds reach one cell around.
    """
    line = torch.linspace(-half_side, half_side, num_cells + 1)
    density, _ = field(torch.cartesian_prod(line, line, line))
    lattice = density.view([num_cells + 1] * 3)
    return grid_from_lattice(lattice, lambda points: points / half_side, reach=1)
