"""Our extraction and the peers', in turns on one field: how many times faster, and the same?"""

import statistics
from collections.abc import Callable
from typing import Any

import peers_way
import pytest
from measuring import seconds_of, synchronise

from lrm_core.reconstruction.density_grid import sparse_density
from lrm_core.reconstruction.grid_query import raw_density_level
from lrm_core.reconstruction.isosurface import extract_surface
from lrm_core.reconstruction.mesh_cleanup import remove_floaters
from lrm_core.reconstruction.reconstruction import Reconstruction

_MOST_REPETITIONS = 5

# The dense grid in float32, the marching cubes' copy in float64, and the points' coordinates.
_BYTES_PER_POINT = 4 + 8 + 12


def bench_extraction_ratio(
    reconstruction: Reconstruction,
    resolution: int,
    device: str,
    need_memory: Callable[[int], None],
    benchmark: Any,
    request: pytest.FixtureRequest,
) -> None:
    """Field -> triangles. The report's seconds are ours; ratio and gap stand beside them."""
    need_memory(2 * _BYTES_PER_POINT * resolution**3)
    field, triplane = reconstruction.field, reconstruction.triplane
    iso_level = reconstruction.config.nerf.iso_level
    level = raw_density_level(iso_level, field.nerf_mlp.config)

    def ours() -> Any:
        surface = extract_surface(sparse_density(field, resolution, iso_level), triplane)
        synchronise(device)
        return surface

    def theirs() -> Any:
        return peers_way.march(peers_way.query_grid(field, resolution), level, triplane)

    surfaces: list[Any] = []
    first = seconds_of(lambda: surfaces.append(theirs()), device)
    mesh, reference = remove_floaters(*ours()), remove_floaters(*surfaces.pop())
    gap = peers_way.largest_gap(mesh[0], reference[0], triplane, resolution)
    assert gap < 0.5, f"the surfaces are {gap:.2f} cells apart"

    reference_s: list[float] = []
    affordable = int(request.config.getoption("--budget") / first)
    benchmark.pedantic(
        ours,
        # ahead of every round of ours one of theirs: a busy moment of the machine meets both
        setup=lambda: reference_s.append(seconds_of(theirs, device)),
        rounds=max(1, min(_MOST_REPETITIONS, affordable)),
    )
    pairs = zip(reference_s, benchmark.stats.stats.data, strict=True)
    benchmark.extra_info.update(
        reference_s=statistics.median(reference_s),
        ratio=statistics.median(theirs / ours for theirs, ours in pairs),
        gap_cells=gap,
    )
