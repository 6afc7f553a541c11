"""Surface blocks -> a closed triangle mesh in the world frame: marching cubes on crossed blocks.

Lorensen and Cline, 1987. PyMCubes decides how triangles connect: its answers to the 254 cells with
corners on both sides are computed once and kept as a table. Everything else is look-ups in
tensors, on the device of the blocks. Every crossed edge of the grid has one vertex, owned by the
block of its lower point, so vertices are shared exactly between blocks without any search for
equal ones.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64
from torch import Tensor

from lrm_core.reconstruction.density_grid import BLOCK_CELLS, SurfaceBlocks
from lrm_core.structures.triplane import Triplane

_CORNERS = tuple(product((0, 1), repeat=3))
# Edges of a cell: (offset of the lower point, axis). Those of one point are neighbors.
_EDGES = tuple((corner, axis) for corner in _CORNERS for axis in range(3) if not corner[axis])
_MOST_TRIANGLES = 5

# Vertices keep this distance (in cells) from grid points: no two of them coincide, so no face is
# degenerate, not even where the box cuts the object off.
_MARGIN = 1e-3


@torch.inference_mode()
def extract_surface(
    blocks: SurfaceBlocks, triplane: Triplane
) -> tuple[Float32[np.ndarray, "V 3"], Int32[np.ndarray, "F 3"]]:
    """Marching cubes on the blocks that the surface crosses.

    The mesh is closed, also where the object touches the box, and its faces point outwards.
    Vertices are interpolated linearly between raw densities.

    Args:
        blocks: every crossed block, at least one.
        triplane: maps grid coordinates to the world.

    Returns:
        Vertices (V, 3) in the world frame and faces (F, 3).
    """
    inside = blocks.values > 0
    own = inside[:, :-1, :-1, :-1]
    crossed = torch.stack(  # (M, 2, 2, 2, 3): from each own point along each axis
        [
            own != inside[:, 1:, :-1, :-1],
            own != inside[:, :-1, 1:, :-1],
            own != inside[:, :-1, :-1, 1:],
        ],
        dim=-1,
    )
    number = crossed.flatten().cumsum(0, dtype=torch.int32) - 1  # of the vertex on each edge
    faces = number[_edges_of_triangles(blocks, inside)]
    grid = _crossings(blocks, crossed)
    vertices = triplane.denormalize(grid * (2.0 / (blocks.resolution - 1)) - 1.0)
    return vertices.cpu().numpy(), faces.cpu().numpy()


def _crossings(blocks: SurfaceBlocks, crossed: Tensor) -> Float32[Tensor, "V 3"]:
    """Where the surface crosses grid edges, in grid coordinates."""
    block, *local, axis = crossed.nonzero().unbind(1)
    step = torch.eye(3, dtype=torch.int64, device=block.device)[axis]
    lower = torch.stack(local, dim=1)
    before = blocks.values[block, *lower.unbind(1)]
    after = blocks.values[block, *(lower + step).unbind(1)]
    share = 1.0 / (1.0 - after / before)  # zero and infinity give the right end of the edge
    share = share.clamp(_MARGIN, 1.0 - _MARGIN)
    return blocks.corners[block] + lower + step * share[:, None]


def _edges_of_triangles(blocks: SurfaceBlocks, inside: Tensor) -> Int64[Tensor, "F 3"]:
    """The three edges of every triangle: places in (M, 2, 2, 2, 3), the blocks' own edges."""
    device = inside.device
    counts, triangles = (table.to(device) for table in _cell_table())
    case = torch.zeros_like(inside[:, 1:, 1:, 1:], dtype=torch.uint8)
    for bit, (i, j, k) in enumerate(_CORNERS):
        here = inside[:, i : i + BLOCK_CELLS, j : j + BLOCK_CELLS, k : k + BLOCK_CELLS]
        case |= here.to(torch.uint8) << bit
    case = case.flatten().long()  # of each cell, eight to a block
    cell = ((case != 0) & (case != 255)).nonzero()[:, 0]
    case = case[cell]
    # as many rows per cell as it has triangles
    edge = triangles[case][torch.arange(_MOST_TRIANGLES, device=device) < counts[case, None]]
    cell = cell.repeat_interleave(counts[case])

    neighbor, own_edge = (table.to(device) for table in _edge_owners())
    at = (cell % 8 * len(_EDGES))[:, None] + edge
    owner = (cell // 8 * 8)[:, None] + neighbor[at]
    return _neighbors(blocks.corners).flatten()[owner] * 24 + own_edge[at]


def _neighbors(corners: Int64[Tensor, "M 3"]) -> Int64[Tensor, "M 8"]:
    """The block itself and those after it along every combination of axes; any where none is.

    Args:
        corners: (M, 3), sorted.
    """
    side = int(corners.max()) // BLOCK_CELLS + 3
    weights = corners.new_tensor([side**2, side, 1])
    keys = ((corners + 1) // BLOCK_CELLS * weights).sum(dim=1)
    steps = (corners.new_tensor(_CORNERS) * weights).sum(dim=1)
    return torch.searchsorted(keys, keys[:, None] + steps).clamp_max(len(keys) - 1)


@cache
def _cell_table() -> tuple[Int64[Tensor, "256"], Int64[Tensor, "256 5 3"]]:
    """What PyMCubes makes of a cell by which of its corners are inside (bits as in `_CORNERS`).

    Returns:
        number of triangles, and for each the three edges (as in `_EDGES`) that it connects.
    """
    import mcubes  # brings scipy along

    counts = torch.zeros(256, dtype=torch.int64)
    triangles = torch.zeros(256, _MOST_TRIANGLES, 3, dtype=torch.int64)
    for case in range(1, 255):
        volume = np.full((2, 2, 2), -1.0)
        for bit, corner in enumerate(_CORNERS):
            volume[corner] = 1.0 if case >> bit & 1 else -1.0
        vertices, faces = mcubes.marching_cubes(volume, 0.0)  # in the middle of edges
        edges = [
            _EDGES.index((tuple(np.floor(vertex).astype(int).tolist()), int(np.argmax(vertex % 1))))
            for vertex in vertices
        ]
        counts[case] = len(faces)
        triangles[case, : len(faces)] = torch.tensor(edges)[faces.astype(np.int64)]
    return counts, triangles


@cache
def _edge_owners() -> tuple[Int64[Tensor, "96"], Int64[Tensor, "96"]]:
    """For each cell of a block and each edge of it: which neighbor owns the edge, and which it is.

    Returns:
        neighbor (0 to 7, bits as in `_CORNERS`) and edge (0 to 23, by point, then axis).
    """
    neighbors, edges = [], []
    for cell, (corner, axis) in product(_CORNERS, _EDGES):
        point = np.add(cell, corner)
        neighbors.append(_CORNERS.index(tuple((point // BLOCK_CELLS).tolist())))
        edges.append(3 * _CORNERS.index(tuple((point % BLOCK_CELLS).tolist())) + axis)
    return torch.tensor(neighbors), torch.tensor(edges)
