"""Surface blocks -> a closed triangle mesh in the world frame.

Marching cubes runs on the blocks that the surface crosses only: they are packed side by side into
one small volume, and what it finds between them is dropped. The library decides how triangles
connect; where they cross the grid is computed here, in float64, from the field's own values, and
every grid edge has one vertex. So vertices are shared exactly between blocks, whatever the packing.
"""

from __future__ import annotations

import math
from typing import Literal

import mcubes
import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int32

from lrm_core.reconstruction.density_grid import BLOCK_CELLS, SurfaceBlocks
from lrm_core.structures.triplane import Triplane

SurfaceMethod = Literal["pymcubes", "skimage"]

_POINTS = BLOCK_CELLS + 1

# Blocks in one packed volume: bounds memory, and keeps float32 coordinates exact enough.
_PACKED_BLOCKS = 2**15

# Vertices keep this distance (in cells) from grid points: no two of them coincide, so no face is
# degenerate, not even where the box cuts the object off.
_MARGIN = 1e-3


def extract_surface(
    blocks: SurfaceBlocks, triplane: Triplane, *, method: SurfaceMethod = "pymcubes"
) -> tuple[Float32[np.ndarray, "V 3"], Int32[np.ndarray, "F 3"]]:
    """Marching cubes on the blocks that the surface crosses.

    The mesh is closed, also where the object touches the box, and its faces point outwards.
    Vertices are interpolated linearly between raw densities.

    Args:
        blocks: the crossed blocks, at least one.
        triplane: maps grid coordinates to the world.
        method: `pymcubes`, or `skimage`, whose algorithm (Lewiner et al., 2003) connects ambiguous
            cells differently.

    Returns:
        Vertices (V, 3) in the world frame and faces (F, 3).
    """
    keys: list[Int[np.ndarray, "E"]] = []
    positions: list[Float[np.ndarray, "E 3"]] = []
    faces: list[Int[np.ndarray, "F 3"]] = []
    for start in range(0, len(blocks.values), _PACKED_BLOCKS):
        batch = slice(start, start + _PACKED_BLOCKS)
        values, corners = blocks.values[batch], blocks.corners[batch]
        block, local, triangles = _march(values, method)
        lower = np.floor(local).astype(np.int64)
        fraction = local - lower
        # a crossing of a grid edge, or (axis 3) a vertex that skimage puts inside a cell
        axis = np.where((fraction > 0).sum(axis=1) == 1, fraction.argmax(axis=1), 3)
        on_edge = axis < 3
        fraction[on_edge] = _crossings(values, block[on_edge], lower[on_edge], axis[on_edge])
        faces.append(triangles + sum(len(part) for part in keys))
        keys.append(_keys(corners[block] + lower, axis, blocks.resolution))
        positions.append(corners[block] + lower + fraction)
    _, first, inverse = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
    grid = np.concatenate(positions)[first]
    normalised = torch.from_numpy(grid * (2.0 / (blocks.resolution - 1)) - 1.0)
    vertices = triplane.denormalise(normalised).numpy().astype(np.float32)
    return vertices, inverse[np.concatenate(faces)].astype(np.int32)


def _march(
    values: Float32[np.ndarray, "M 5 5 5"], method: SurfaceMethod
) -> tuple[Int[np.ndarray, "E"], Float[np.ndarray, "E 3"], Int[np.ndarray, "F 3"]]:
    """Marching cubes on blocks packed into a cube.

    Returns:
        Vertices, as a block (E,) and a position in it (E, 3), in cells; those that several blocks
        share appear once for each. Faces (F, 3) index them.
    """
    # only signs and, for skimage, ambiguous cells matter here: with values in (1, 2) crossings lie
    # in the middle third of edges, where rounding cannot move them to another edge
    softened = 2.0 - 1.0 / (1.0 + np.abs(values))
    side = math.ceil(len(values) ** (1 / 3))
    packed = np.full((side**3, _POINTS, _POINTS, _POINTS), -1.0, dtype=np.float32)
    packed[: len(values)] = np.where(values > 0, softened, -softened)
    packed = packed.reshape(side, side, side, _POINTS, _POINTS, _POINTS)
    packed = packed.transpose(0, 3, 1, 4, 2, 5).reshape((side * _POINTS,) * 3)
    if method == "pymcubes":
        vertices, faces = mcubes.marching_cubes(packed, 0.0)
        # cells whose index is 4 along some axis lie between blocks
        cells = np.floor(vertices).astype(np.int64)[faces].min(axis=1)
        faces = faces[(cells % _POINTS < BLOCK_CELLS).all(axis=1)]
    else:
        from skimage.measure import marching_cubes  # only when asked for

        # the mask names a cell by its last point
        in_block = np.arange(len(packed)) % _POINTS > 0
        mask = in_block[:, None, None] & in_block[:, None] & in_block
        vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
            packed, 0.0, mask=mask, gradient_direction="ascent"
        )
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    faces = (np.cumsum(used) - 1)[faces]
    place, local = np.divmod(vertices[used].astype(np.float64), _POINTS)
    block = np.ravel_multi_index(tuple(place.astype(np.int64).T), (side,) * 3)
    return block, local, faces


def _keys(
    lower: Int[np.ndarray, "E 3"], axis: Int[np.ndarray, "E"], resolution: int
) -> Int[np.ndarray, "E"]:
    """One number per grid edge (or cell: axis 3), from its lower point and axis."""
    side = resolution + 2 * _POINTS
    points = np.ravel_multi_index(tuple((lower + 1).T), (side,) * 3)
    keys: Int[np.ndarray, "E"] = points * 4 + axis
    return keys


def _crossings(
    values: Float32[np.ndarray, "M 5 5 5"],
    block: Int[np.ndarray, "E"],
    local: Int[np.ndarray, "E 3"],
    axis: Int[np.ndarray, "E"],
) -> Float[np.ndarray, "E 3"]:
    """Where the values cross zero on grid edges, from the lower point, in cells."""
    step = np.eye(3, dtype=np.int64)[axis]
    before = values[block, *local.T].astype(np.float64)
    after = values[block, *(local + step).T].astype(np.float64)
    with np.errstate(divide="ignore"):  # zero and infinity give the right end of the edge
        share = 1.0 / (1.0 - after / before)
    offsets: Float[np.ndarray, "E 3"] = step * share.clip(_MARGIN, 1.0 - _MARGIN)[:, None]
    return offsets
