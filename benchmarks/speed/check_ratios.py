"""Has a fast way lost its lead over its reference? A check for CI: ratios on one machine, no times.

    python benchmarks/speed/check_ratios.py            # compare with the accepted ratios
    python benchmarks/speed/check_ratios.py --accept   # measure, and accept what was found

Two ways take turns with lrm-mini's teapot: ours and the peers' to extract its surface, with and
without the occupancy grid to render a view. A ratio below two thirds of the accepted one, or
results that differ, end with code 1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import peers_way
from architectures import reconstruction_of
from measuring import seconds_of

from lrm_core.geometry.trajectories import orbit
from lrm_core.io.json_files import read_json, write_json
from lrm_core.reconstruction.density_grid import SurfaceBlocks, sparse_density
from lrm_core.reconstruction.grid_query import raw_density_level
from lrm_core.reconstruction.isosurface import extract_surface
from lrm_core.reconstruction.mesh_cleanup import remove_floaters
from lrm_core.structures.render_output import RenderOutput

ACCEPTED = Path(__file__).parents[2] / "reports" / "speed" / "accepted_ratios.json"

RESOLUTION = 128
VIEW_SIZE = 64
LEAST_SHARE = 2 / 3
"""Of the accepted ratio."""

_MOST_PAIRS = 5
_TIME_LIMIT = 8.0
"""Seconds per ratio, after which no further pair is begun."""

Surface = tuple[np.ndarray, np.ndarray]


def paired_ratio(fast: Callable[[], object], reference: Callable[[], object]) -> float:
    """How many times faster `fast` is: the median over pairs that are timed in turns.

    The short one runs before and after the long one, so that a busy moment of the machine meets
    both; their mean counts.
    """
    fast()  # what is only paid once
    ratios: list[float] = []
    started = time.perf_counter()
    while len(ratios) < _MOST_PAIRS and time.perf_counter() - started < _TIME_LIMIT:
        before = seconds_of(fast)
        reference_seconds = seconds_of(reference)
        ratios.append(2.0 * reference_seconds / (before + seconds_of(fast)))
    return statistics.median(ratios)


def measured_ratios() -> dict[str, float]:
    """Ratios by name.

    Raises:
        SystemExit: the surfaces are half a cell apart, or the views 1e-3.
    """
    reconstruction = reconstruction_of("lrm-mini", "cpu")
    field, triplane = reconstruction.field, reconstruction.triplane
    iso_level = reconstruction.config.nerf.iso_level
    level = raw_density_level(iso_level, field.nerf_mlp.config)

    def query() -> SurfaceBlocks:
        return sparse_density(field, RESOLUTION, iso_level)

    def extraction() -> Surface:
        return extract_surface(query(), triplane)

    def peers_query() -> np.ndarray:
        return peers_way.query_grid(field, RESOLUTION)

    def peers_extraction() -> Surface:
        return peers_way.march(peers_query(), level, triplane)

    ours, theirs = (remove_floaters(*way())[0] for way in (extraction, peers_extraction))
    gap = peers_way.largest_gap(ours, theirs, triplane, RESOLUTION)
    if gap >= 0.5:
        raise SystemExit(f"the surfaces are {gap:.2f} cells apart")

    camera = orbit(1, elevation_degrees=20.0, size=VIEW_SIZE)

    def view() -> RenderOutput:
        return reconstruction.render(camera)

    def exact_view() -> RenderOutput:
        return reconstruction.render(camera, exact=True)

    difference = float((view().rgb - exact_view().rgb).abs().max())
    if difference >= 1e-3:
        raise SystemExit(f"the views differ by {difference:.2g}")
    return {
        "grid query": paired_ratio(query, peers_query),
        "extraction": paired_ratio(extraction, peers_extraction),
        "rendering": paired_ratio(view, exact_view),
    }


def failures(measured: dict[str, float], accepted: dict[str, float]) -> list[str]:
    """One line for every accepted ratio that is no longer reached."""
    return [
        f"{name}: {measured[name]:.2f} times faster than the reference, accepted are {ratio:.2f}"
        for name, ratio in accepted.items()
        if measured[name] < LEAST_SHARE * ratio
    ]


def main() -> None:
    """Measure and compare, or accept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accept", action="store_true")
    arguments = parser.parse_args()
    measured = measured_ratios()
    for name, ratio in measured.items():
        print(f"{name}: {ratio:.2f} times faster than the reference")
    if arguments.accept:
        rounded = {name: round(ratio, 2) for name, ratio in measured.items()}
        write_json(ACCEPTED, {"resolution": RESOLUTION, "view_size": VIEW_SIZE, "ratios": rounded})
        return
    fallen = failures(measured, read_json(ACCEPTED)["ratios"])
    if fallen:
        raise SystemExit("\n".join(fallen))


if __name__ == "__main__":
    main()
